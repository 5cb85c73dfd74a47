"""One image of two runs as both networks see it, side by side: saliency, occlusion, strongest channels.

What is drawn of both is drawn in one scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from compute.images.pictures import ends, overlay, ramp, to_8_bit, upscaled
from compute.images.raster import Photograph
from compute.methods.attribution.saliency import GRADIENT, Saliency
from compute.methods.base import Inputs, Step
from compute.models.model import Model
from compute.occlusion.drawing import PROBABILITY, Scale, Shading, at_pixels
from compute.reports.base import MODEL, OTHER_MODEL, OTHER_RUN, RUN, STORED_IMAGE, ReportInputs, ReportSpec
from compute.reports.channels import sheet
from compute.reports.channels.responses import (
    Peaks,
    Response,
    most_unusual,
    peaks_of,
    rarity_with_ties,
    stored,
)
from compute.reports.channels.strongest_channels import response_rows
from compute.reports.compare.measures import Compared
from compute.reports.compare.series import SHORT, store_name
from compute.reports.drawing.charts import canvas, rendered, scale_beside
from compute.reports.drawing.report import Report, array_table
from compute.reports.drawing.run_images import of_run, picture_of, preprocessing_of
from compute.reports.occlusion_map import occlusion_rows, shading_of
from compute.runtime.parameters import parameter
from featurestore.reader import Run

SALIENCY, OCCLUSION, CHANNELS = SHOWN = ("saliency", "occlusion", "channels")
FIRST, OTHER = "first", "other"
"""The two sides in the rows."""
METHOD = Saliency(variant=GRADIENT)
"""Of both: the usual variant follows from how quick a network is, and two could have different ones."""
CHANNEL_COUNT = 6
WIDTH, HEIGHT, SIDE = 1200, 640, 448


@dataclass(frozen=True)
class Side:
    """One of the two networks, and the image in its run.

    name: of the network, its store or its run, whatever tells the two apart.
    """

    name: str
    run: Run
    image_id: int


@dataclass(frozen=True)
class ExplainSpec(ReportSpec):
    """One image as both networks see it, in one scale."""

    name: ClassVar[str] = "explain"
    title: ClassVar[str] = "One image as two networks see it"
    description: ClassVar[str] = (
        "Holds what two networks see in one image side by side, in one scale. saliency: the gradient of each "
        "one's own predicted class; occlusion: the maps of the probability that the stores hold; channels: "
        f"the {CHANNEL_COUNT} that respond most unusually, ranked by how few of the store's images make "
        "them respond more strongly, and where in the image."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, OTHER_RUN, STORED_IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({MODEL, OTHER_MODEL})

    show: str = parameter(SALIENCY, "what is held side by side", choices=SHOWN)
    stored: bool = parameter(
        False, "of channels: without the networks, those that have the image among their strongest patches"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stored and self.show != CHANNELS:
            raise ValueError(f"stored is True, which is of --show {CHANNELS} alone; show is {self.show!r}")

    def _make(self, inputs: ReportInputs) -> Report:
        sides = sides_of(Compared(inputs.run, inputs.other_run), inputs.image_id)
        content, loaders = inputs.image_file(), (inputs.model, inputs.other_model)
        if self.show == OCCLUSION:
            return occlusion_report(sides, content)
        if self.show == CHANNELS and self.stored:
            return channels_report(sides, content, [None, None])
        photographs = [photograph_of(side, content) for side in sides]
        # One network after the other, so that both need not be in memory.
        if self.show == CHANNELS:
            each = zip(sides, loaders, photographs, strict=True)
            return channels_report(
                sides, content, [peaks_of(side.run, load(), seen) for side, load, seen in each]
            )
        return saliency_report(
            sides, content, [_salient(load(), seen) for load, seen in zip(loaders, photographs, strict=True)]
        )


def sides_of(compared: Compared, image_id: int) -> tuple[Side, Side]:
    """Return the image on both sides; ValueError where the other run doesn't have it."""
    row = int(compared.matched.rows(np.array(image_id)))
    if row < 0:
        raise ValueError(
            f"image {image_id} is in one of the runs alone: no file of the other has the same bytes"
        )
    names = names_apart((compared.run, compared.other))
    other_id = int(compared.matched.other_ids[row])
    return Side(names[0], compared.run, image_id), Side(names[1], compared.other, other_id)


def names_apart(runs: tuple[Run, Run]) -> tuple[str, str]:
    """Return what tells two runs apart: their networks, their stores' names or their fingerprints."""
    first, other = runs
    network, other_network = (str(run.manifest.model.get("name", "network")) for run in runs)
    if network != other_network:
        return network, other_network
    if store_name(first) != store_name(other):
        return store_name(first), store_name(other)
    return first.fingerprint[:SHORT], other.fingerprint[:SHORT]


def photograph_of(side: Side, content: bytes) -> Photograph:
    """Return the image as the side's network takes it. content: its file."""
    return picture_of(content, f"image {side.image_id}", preprocessing_of(side.run))


def crop_of(side: Side, content: bytes) -> np.ndarray:
    """Return what the side's network sees of the image, (H, W, C) in [0, 1]."""
    preprocessing = preprocessing_of(side.run)
    return preprocessing.shown(preprocessing.tensor(photograph_of(side, content)))


def shared_ends(maps: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the ends of one scale for several maps: the least lower one, the greatest upper one."""
    lows, highs = zip(*map(ends, maps), strict=True)
    return min(lows), max(highs)


def shared_scale(shadings: Sequence[Shading]) -> Scale:
    """Return the scale of the changes of several occlusion maps of probabilities."""
    return Scale.of(PROBABILITY, np.concatenate([each.changes.ravel() for each in shadings]))


def rarest(
    side: Side, photograph: Photograph, peaks: Mapping[str, Peaks] | None, count: int = CHANNEL_COUNT
) -> list[Response]:
    """Return the side's channels that respond most unusually to the image, the rarest first.

    peaks: see `peaks_of`; None for what the store alone knows.
    """
    if peaks is None:
        return sorted(stored(side.run, side.image_id), key=rarity_with_ties)[:count]
    return most_unusual(side.run, "", peaks, side.image_id, photograph.size).channels[:count]


def saliency_report(sides: Sequence[Side], content: bytes, steps: Sequence[Step]) -> Report:
    """Report on both networks' saliency, each of its own predicted class.

    content: the image's file.
    steps: what METHOD made of it with each network.
    """
    maps = [np.asarray(step.data)[..., 0] if np.ndim(step.data) == 3 else step.data for step in steps]
    low, high = shared_ends(maps)

    def draw() -> np.ndarray:
        pictures = [
            overlay(crop_of(side, content), values, low, high)
            for side, values in zip(sides, maps, strict=True)
        ]
        said = [step.numbers["class"] for step in steps]
        return _beside(sides, pictures, said, (ramp(low), low, high), METHOD.unit)

    numbers = {
        side: {"class": step.numbers["class"], "greatest": float(values.max())}
        for side, step, values in zip((FIRST, OTHER), steps, maps, strict=True)
    }
    return Report(
        _recipe(sides, SALIENCY, parameters=METHOD.to_dict()),
        _flat(numbers) | {"low": low, "high": high, "variant": METHOD.variant},
        draw,
        lambda: _by_side([array_table(np.ascontiguousarray(each, np.float32)) for each in maps]),
    )


def occlusion_report(sides: Sequence[Side], content: bytes) -> Report:
    """Report on the occlusion maps that both runs hold; ValueError where one holds none.

    content: the image's file.
    """
    maps = [side.run.occlusion(side.image_id) for side in sides]
    runs = [side.run for side in sides]
    sizes = [preprocessing_of(run).size for run in runs]
    shadings = [shading_of(each, PROBABILITY, size) for each, size in zip(maps, sizes, strict=True)]
    scale = shared_scale(shadings)

    def draw() -> np.ndarray:
        pictures = [
            scale.over(crop_of(side, content), at_pixels(each.changes, each.ys, each.xs, size))
            for side, each, size in zip(sides, shadings, sizes, strict=True)
        ]
        said = [
            f"{each['target']} ({shading.unoccluded:.1%}), {shading.scale.in_words}"
            for each, shading in zip(maps, shadings, strict=True)
        ]
        return _beside(sides, pictures, said, scale.legend, f"change of the probability, {scale.unit}")

    numbers = {
        side: {
            "target": each["target"],
            "unoccluded_probability": each["unoccluded"],
            "least_change": shading.scale.least,
            "greatest_change": shading.scale.greatest,
        }
        for side, each, shading in zip((FIRST, OTHER), maps, shadings, strict=True)
    }
    return Report(
        _recipe(sides, OCCLUSION),
        _flat(numbers),
        draw,
        lambda: _by_side([occlusion_rows(*each) for each in zip(runs, maps, sizes, strict=True)]),
    )


def channels_report(
    sides: Sequence[Side], content: bytes, peaks: Sequence[Mapping[str, Peaks] | None]
) -> Report:
    """Report on the channels of both networks that respond most unusually to the image.

    content: the image's file.
    peaks: of each side, see `rarest`.
    """
    photographs = [photograph_of(side, content) for side in sides]
    found = [rarest(*each) for each in zip(sides, photographs, peaks, strict=True)]
    rows = [response_rows(each) for each in found]

    def draw() -> np.ndarray:
        preprocessing = [preprocessing_of(side.run) for side in sides]
        titles = [each.name for each in sides]
        return sheet.side_by_side(list(zip(titles, photographs, preprocessing, found, strict=True)))

    numbers = {
        side: {"channels": [f"{each.layer} {each.channel}" for each in responses]}
        for side, responses in zip((FIRST, OTHER), found, strict=True)
    }
    known = {
        f"{side}_from_the_store_alone": each is None for side, each in zip((FIRST, OTHER), peaks, strict=True)
    }
    return Report(_recipe(sides, CHANNELS, **known), _flat(numbers) | known, draw, lambda: _by_side(rows))


def _salient(model: Model, photograph: Photograph) -> Step:
    return METHOD.run(model, Inputs(image=model.prepare(photograph)))


def _beside(
    sides: Sequence[Side],
    pictures: Sequence[np.ndarray],
    said: Sequence[str],
    scale: tuple[tuple[str, ...], float, float],
    unit: str,
) -> np.ndarray:
    """Draw pictures (H, W, 3) in [0, 1] below their networks' names, with the legend of their one scale."""
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.subplots(1, len(pictures))
    for each, side, picture, words in zip(axes, sides, pictures, said, strict=True):
        each.imshow(to_8_bit(upscaled(picture, SIDE)), interpolation="nearest")
        each.set_title(side.name, size=14, weight="bold")
        each.set_xlabel(words, size=11)
        each.set(xticks=[], yticks=[])
    scale_beside(figure, axes, scale, shrink=0.8).set_label(unit, size=12)
    return rendered(figure)


def _by_side(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of both sides, with which side each is of."""
    named = [
        table.add_column(0, "side", pa.array([side] * len(table), pa.string()))
        for side, table in zip((FIRST, OTHER), tables, strict=True)
    ]
    return pa.concat_tables(named)


def _flat(numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{side}_{name}": value for side, said in numbers.items() for name, value in said.items()}


def _recipe(sides: Sequence[Side], show: str, **asked: Any) -> dict[str, Any]:
    first, other = sides
    image = first.run.image(first.image_id)["sha256"]
    return {
        "exhibit": f"explain {show}",
        "image": image,
        **asked,
        **of_run(first.run),
        "other": of_run(other.run),
    }
