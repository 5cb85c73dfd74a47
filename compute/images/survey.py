"""What a few images of a set say that nobody declared: how many bits are filled, and whether there is
opacity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from compute.images.decoding import SIXTEEN_BITS, decode_colors, depth_max
from compute.images.formats.arrays import is_array
from compute.images.preprocessing import Preprocessing
from compute.images.raster import COLORS, PAGES
from compute.images.reading import Form, page_kinds, stored_values
from compute.images.sources import Unreachable

LOOKED_AT = 32
"""Images of a set, spread evenly over it."""

ALPHA = {2: "LA", 4: "RGBA"}
"""By the number of channels: the colors of pictures with opacity."""


UNRANGED = "each is scaled from its smallest to its largest value; to scale all alike: --value-range=LOW,HIGH"

Look = Callable[[Form], "Survey"]
"""Looks at images for a network that takes files of this form."""


@dataclass(frozen=True)
class Survey:
    """value_max: the white of whole numbers of more than 8 bits; None where there are none, or where a range
    is declared. colors: "LA" or "RGBA" where a picture has opacity, the network as many channels, and nothing
    is declared; "PAGES" where all that was looked at are TIFF files of three grey pages, for a network of
    three channels of which nothing is declared. notes: what was found, in words."""

    value_max: int | None = None
    colors: str | None = None
    notes: tuple[str, ...] = ()


def survey(read: Callable[[str], bytes], paths: Sequence[str], form: Form) -> Survey:
    """Look at a few of the images. read: a path's bytes. form: what the network takes of a file, as declared.

    Raises ValueError for arrays of decimal numbers outside of [0, 1], or of whole numbers of more than 16
    bits, whose range only a person knows. Files that can't be read say nothing."""
    value_max, opacity, notes = None, False, []
    pages: dict[str, list[tuple]] = {}
    for path in _spread(paths):
        try:
            data = read(path)
            values = stored_values(data)
            pages[path] = page_kinds(data)
        except Unreachable:
            raise
        except (OSError, ValueError):
            continue
        if values is None:
            opacity = opacity or (form.mode is None and _has_opacity(data, form.channels))
        elif form.is_declared:
            continue
        elif is_array(data) or values.dtype == np.uint16:
            _check_range(path, values)
            if values.dtype.kind in "ui":
                value_max = max(value_max or 0, depth_max(values.max().item()))
        elif values.min() < 0 or values.max() > 1:
            notes.append(f"decimal numbers or more than 16 bits, such as {path}: {UNRANGED}")
    colors = ALPHA[form.channels] if opacity else _pages_as_colors(pages, form)
    if value_max is not None:
        notes.append(f"files of more than 8 bits: {value_max} is taken for white (or give --value-max)")
    if colors == PAGES:
        notes.append(
            f"TIFF files of three grey pages: these are the channels, {PAGES} (or give --channels RGB)"
        )
    elif not form.stacks_pages and (several := next((path for path in pages if len(pages[path]) > 1), None)):
        notes.append(f"TIFF files of several pages, such as {several}: the first page is the image")
    elif colors is not None:
        notes.append(f"pictures with opacity: the {form.channels} channels are {colors} (or give --channels)")
    return Survey(value_max, colors, tuple(dict.fromkeys(notes)))


def looking_at(read: Callable[[str], bytes], paths: Sequence[str], say: Callable[[str], None]) -> Look:
    """`survey` of these images, whose notes are said."""

    def look(form: Form) -> Survey:
        found = survey(read, paths, form)
        for note in found.notes:
            say(note)
        return found

    return look


def with_survey(preprocessing: Preprocessing, found: Survey) -> Preprocessing:
    """`preprocessing` with what was found."""
    changes: dict[str, Any] = {"value_max": found.value_max, "colors": found.colors}
    return replace(preprocessing, **{name: value for name, value in changes.items() if value is not None})


def _pages_as_colors(pages: dict[str, list[tuple]], form: Form) -> str | None:
    """PAGES where every file has as many grey pages of one size and kind; None otherwise."""
    if form.colors is not None or form.channels != COLORS[PAGES] or not pages:
        return None
    grey = (
        len(kinds) == form.channels and len(set(kinds)) == 1 and kinds[0][2] == 1 for kinds in pages.values()
    )
    return PAGES if all(grey) else None


def _has_opacity(data: bytes, channels: int) -> bool:
    try:
        decode_colors(data, None, channels)
    except ValueError:
        return False
    return True


def _check_range(path: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        return
    least, most = values.min().item(), values.max().item()
    if least < 0 or most > (1 if values.dtype.kind == "f" else SIXTEEN_BITS):
        raise ValueError(
            f"the values of {path} go from {least:g} to {most:g}: say which one is black and which one is "
            "white with --value-range=LOW,HIGH"
        )


def _spread(paths: Sequence[str]) -> list[str]:
    step = max(1, len(paths) / LOOKED_AT)
    return [paths[int(index * step)] for index in range(min(len(paths), LOOKED_AT))]
