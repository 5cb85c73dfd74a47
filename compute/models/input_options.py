"""What a person says of a network's input: size, scaling, channels, values; and the preprocessing that
follows."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from compute.images.preprocessing import (
    CROP,
    FITS,
    INTERPOLATIONS,
    LETTERBOX,
    Preprocessing,
    are_sides,
    check_choice,
    check_deviations,
    check_input_size,
    check_values,
)
from compute.images.raster import COLORS, PAGES
from compute.runtime.option_values import Size, numbers, size, value_range

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEVELS = 255
LARGEST_MEAN, LARGEST_STD = 1.0, 2.0
"""Beyond these, a mean or a deviation is not of values in [0, 1]."""


class InputOptions(Protocol):
    """The part of a `ModelSpec` that says what the input is; None where nothing is said.

    size: of the crop in pixels, one number for a square, or (height, width). resize, fit, interpolation,
    pad_value: as in `Preprocessing`, where the last is `pad`. crop_fraction: side of the crop divided by that
    of what is scaled to (timm's crop_pct). input_channels: a number, or one of `COLORS`. mean, std: one value
    a channel, or one for all.
    """

    size: Size | None
    resize: Size | None
    crop_fraction: float | None
    interpolation: str | None
    fit: str | None
    pad_value: tuple[float, ...] | None
    input_channels: str | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    value_max: int | None
    value_range: tuple[float, float] | None


LISTS = ("size", "resize", "mean", "std", "pad_value", "value_range")
"""Options that may be lists in JSON."""


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what the network's input is."""
    group = parser.add_argument_group("the network's input")
    group.add_argument(
        "--size", type=size, metavar="N|HxW", help="height and width in pixels; one number for a square"
    )
    group.add_argument(
        "--resize",
        type=size,
        metavar="N|HxW",
        help="what an image is scaled to before the crop: its shorter side, or a height and width that it "
        "covers (default: the size)",
    )
    group.add_argument(
        "--crop-fraction",
        type=float,
        metavar="F",
        help="instead of --resize: the crop's share of what is scaled to, timm's crop_pct, such as 0.875",
    )
    group.add_argument(
        "--interpolation", metavar="I", help=f"{', '.join(INTERPOLATIONS)} (default: bilinear)"
    )
    group.add_argument(
        "--fit",
        metavar="F",
        help="crop: the image covers the size, the rest is cut off; letterbox: all of it fits into the "
        "size, the rest is filled; squash: it is stretched to the size (default: crop)",
    )
    group.add_argument(
        "--letterbox", dest="fit", action="store_const", const=LETTERBOX, help="the same as --fit letterbox"
    )
    group.add_argument(
        "--pad-value",
        type=numbers,
        metavar="V",
        help="what fills a letterbox, in [0, 1] (default: the mean)",
    )
    group.add_argument(
        "--channels",
        "--input-channels",
        dest="input_channels",
        metavar="N|COLORS",
        help=f"how many, or {', '.join(COLORS)}, which pictures are converted to; {PAGES} are a TIFF's three "
        "grey pages (default: as many as --mean has)",
    )
    group.add_argument(
        "--mean",
        type=numbers,
        metavar="R,G,B",
        help="the input's mean a channel, or one for all, of values in [0, 1]; fractions such as 123/255 "
        "are fine",
    )
    group.add_argument(
        "--std",
        type=numbers,
        metavar="R,G,B",
        help="its standard deviation; the network gets (value - mean) / std, so 1/255 is for one that takes "
        "0 to 255, and 0.5 with a mean of 0.5 for one that takes -1 to 1",
    )
    group.add_argument(
        "--value-max",
        type=int,
        metavar="N",
        help="what is white in files of whole numbers of more than 8 bits: 4095 for 12 bits in 16 (default: "
        "from the images)",
    )
    group.add_argument(
        "--value-range",
        type=value_range,
        metavar="LOW,HIGH",
        help="what becomes 0 and 1 in files of decimal numbers (default: they are in [0, 1]); with an "
        "equals sign where it begins with a minus: --value-range=-80,0",
    )


def input_preprocessing(
    said: InputOptions, known: Preprocessing | None, name: str, stem: int | None = None
) -> Preprocessing:
    """What `said` and what is `known` of the network called `name` come to. stem: channels of its first
    convolution.

    Raises ValueError for what is missing, contradicts itself or can't be, with what to give instead.
    """
    check_said(said)
    if known is None and said.size is None:
        raise ValueError(
            f"{name} doesn't say how large its input is; give --size in pixels (and --mean, --std)"
        )
    count, colors = _channels(said, known, stem)
    mean, std = _normalisation(said, known, count, name)
    crop = _pair(said.size) if said.size is not None else known.size
    made = (
        Preprocessing(crop, None, mean, std)
        if known is None
        else replace(known, size=crop, mean=mean, std=std)
    )
    fit = said.fit or made.fit
    given: dict[str, Any] = {
        "interpolation": said.interpolation,
        "pad": _spread(said.pad_value, count, "pad"),
        "colors": colors,
        "value_max": said.value_max,
        "value_range": said.value_range,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    return replace(made, fit=fit, resize=_resize(said, known, crop, fit), **changes)


def check_said(said: InputOptions) -> None:
    """Raise ValueError for what no network can be told of its input: options that contradict each other, and
    values that are none.
    """
    if said.resize is not None and said.crop_fraction is not None:
        raise ValueError("--resize and --crop-fraction both say what is scaled to; give one of them")
    if said.crop_fraction is not None and not 0 < said.crop_fraction <= 1:
        raise ValueError(f"crop fraction {said.crop_fraction} must lie above 0 and be at most 1")
    channels = "" if said.input_channels is None else str(said.input_channels).upper()
    if channels and channels not in COLORS and not (channels.isdecimal() and int(channels) >= 1):
        raise ValueError(
            f"channels {said.input_channels!r} is neither a number nor one of {', '.join(COLORS)}"
        )
    for sides, what in ((said.size, "size"), (said.resize, "resize")):
        if sides is not None and not are_sides(_pair(sides)):
            raise ValueError(f"{what} {sides} is not a size in pixels")
    if said.size is not None:
        check_input_size(_pair(said.size), said_channels(said) or 1)
    check_choice("fit", said.fit or CROP, FITS)
    check_choice("interpolation", said.interpolation or INTERPOLATIONS[0], INTERPOLATIONS)
    _check_unit(said)
    check_deviations(said.std or (1.0,))
    check_values(said.value_max, said.value_range)


def said_channels(said: InputOptions) -> int | None:
    """Return how many channels the input has, where the options say it."""
    text = str(said.input_channels or "").upper()
    if text in COLORS:
        return COLORS[text]
    if text.isdecimal():
        return int(text)
    return len(said.mean) if said.mean is not None and len(said.mean) > 1 else None


def _resize(said: InputOptions, known: Preprocessing | None, crop: tuple[int, int], fit: str) -> Size | None:
    if said.crop_fraction is not None:
        height, width = (math.floor(side / said.crop_fraction) for side in crop)
        return _box((height, width), fit)
    if said.resize is not None:
        return _box(said.resize, fit)
    if known is None or said.size is not None or (said.fit is not None and fit != known.fit):
        return _box(crop, fit)
    return known.resize


def _box(sides: Size, fit: str) -> Size:
    """As `Preprocessing.resize`: one number for a square that is to be covered."""
    height, width = _pair(sides)
    if fit == CROP:
        return height if height == width else (height, width)
    return height, width


def _channels(said: InputOptions, known: Preprocessing | None, stem: int | None) -> tuple[int, str | None]:
    """How many, and what they are, where that is said."""
    text = "" if said.input_channels is None else str(said.input_channels).upper()
    if text in COLORS:
        return COLORS[text], text
    if text:
        return int(text), None
    lists = [len(each) for each in (said.mean, said.std) if each is not None and len(each) > 1]
    if len(lists) == 1 and known is not None and None in (said.mean, said.std):
        lists.append(known.channels)
    if len(set(lists)) > 1:
        at = lists if said.mean is not None and len(said.mean) > 1 else lists[::-1]
        raise ValueError(f"mean has {at[0]} values and std {at[1]}; give one a channel to both")
    if lists or known is not None:
        return (lists[0] if lists else known.channels), None
    single = said.mean is not None and said.std is not None
    return stem or (1 if single else len(IMAGENET_MEAN)), None


def _normalisation(
    said: InputOptions, known: Preprocessing | None, count: int, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """mean and std, `count` values each."""
    if known is not None and known.channels == count:
        default: tuple = (known.mean, known.std)
    else:
        default = (
            (IMAGENET_MEAN, IMAGENET_STD) if known is None and count == len(IMAGENET_MEAN) else (None, None)
        )
    mean = _spread(said.mean, count, "mean") or default[0]
    std = _spread(said.std, count, "std") or default[1]
    if mean is None or std is None:
        raise ValueError(
            f"{name} takes {count} channel{'s' * (count != 1)}; give --mean and --std, one value for all or "
            f"{count}"
        )
    return mean, std


def _check_unit(said: InputOptions) -> None:
    """Raises ValueError, with the same numbers in the right unit, for mean or std of values that are not in
    [0, 1]."""
    mean, std = said.mean or (), said.std or ()
    if max(map(abs, mean), default=0) <= LARGEST_MEAN and max(std, default=0) <= LARGEST_STD:
        return
    low, high = said.value_range or (0, LEVELS)
    means, stds = ([f"{each:.6g}" for each in values] for values in (
        [(value - low) / (high - low) for value in mean], [value / (high - low) for value in std],
    ))  # fmt: skip
    advice = [f"--{name} {','.join(values)}" for name, values in (("mean", means), ("std", stds)) if values]
    raise ValueError(
        f"mean {_listed(mean)} and std {_listed(std)} are not of values in [0, 1]; if they are of values "
        f"from {low:g} to {high:g}, give {' '.join(advice)}"
    )


def _spread(values: Sequence[float] | None, count: int, name: str) -> tuple[float, ...] | None:
    """One value a channel: a single one is for all."""
    if values is None:
        return None
    if len(values) not in (1, count):
        raise ValueError(
            f"{name} has {len(values)} values, but the network takes {count} channel{'s' * (count != 1)}; "
            f"give one for all or {count}"
        )
    return tuple(values) * (count if len(values) == 1 else 1)


def _pair(sides: Size) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else (sides[0], sides[1])


def _listed(values: Sequence[Any]) -> str:
    return ",".join(f"{value:g}" for value in values) or "not given"
