"""The patches that activate a channel most as a sheet, beside each what in it the unit responds to."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.images.pictures import pixels, resized, seen, signed, tiled, to_8_bit, window
from compute.images.preprocessing import Preprocessing
from compute.images.raster import Photograph, false_color, shown
from compute.methods.attribution.guided_backprop import energy_box, guided_gradients, undefined_because
from compute.methods.base import CHANNEL, LAYER
from compute.models.model import Model
from compute.reports.base import MODEL, RUN, ReportInputs, ReportSpec
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import (
    Originals,
    box_of,
    of_run,
    picture_of,
    preprocessing_of,
    read_original,
    with_images,
)
from compute.runtime.parameters import parameter
from featurestore.reader import Run

COUNT, SIDE, MARGIN = 9, 96, 8


@dataclass(frozen=True)
class PatchesSpec(ReportSpec):
    """Where a channel is strongest in the run's images, and what it responds to there."""

    name: ClassVar[str] = "patches"
    title: ClassVar[str] = "Maximally activating patches"
    description: ClassVar[str] = (
        "The patches of the store's images that excite a channel most, strongest first, beside each its "
        "guided backpropagation picture. Patches are the channel's receptive field, grey beyond the "
        "image's border."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, LAYER, CHANNEL})
    takes: ClassVar[frozenset[str]] = frozenset({MODEL})

    count: int = parameter(COUNT, "patches at most", low=1, high=200)
    side: int = parameter(SIDE, "size of a patch", unit="pixels", low=1, high=512)
    guided: bool = parameter(
        True, "beside each patch what in it the unit responds to, where the network allows it"
    )

    def _make(self, inputs: ReportInputs) -> Report:
        model, said = None, "not asked for"
        if self.guided:
            network = inputs.model()
            reason = undefined_because(network, inputs.layer)
            model, said = (network, "beside each") if reason is None else (None, reason)
        asked = inputs.layer, inputs.channel, self.count, self.side
        return replace(patches_report(inputs.run, *asked, model, inputs.read), notes={"guided": said})


def patches_report(
    run: Run,
    layer: str,
    channel: int,
    count: int = COUNT,
    side: int = SIDE,
    model: Model | None = None,
    read: Originals = read_original,
) -> Report:
    """Report on the patches that activate a channel most, strongest first.

    model: where it is given, each patch's guided backpropagation is drawn beside it.
    ValueError where that is not defined for the network, or for an unknown layer or channel.
    """
    patches = with_images(run.top_patches(layer, channel).slice(0, count), run)
    rows = patches.to_pylist()
    photographs = _photographs(run, rows, read)
    guided: list[np.ndarray] = []
    if model is not None:
        guided, boxes = guided_tiles(model, layer, channel, photographs(), _units(rows), side)
        patches = patches.append_column("gradient_energy_box", pa.array(boxes, pa.list_(pa.int32())))
    numbers = {
        "layer": layer,
        "channel": channel,
        **_statistics(run, layer, channel),
        "guided": model is not None,
        "patches": patches.drop_columns(["layer", "channel"]).to_pylist(),
    }
    asked = {"layer": layer, "channel": channel, "count": count, "side": side, "guided": model is not None}

    return Report(
        {"exhibit": "patches", **asked, **of_run(run)},
        numbers,
        lambda: _sheet(rows, photographs(), preprocessing_of(run), guided, side),
        lambda: patches,
    )


def guided_tiles(
    model: Model,
    layer: str,
    channel: int,
    photographs: Iterable[Photograph],
    units: Sequence[tuple[int, int]],
    side: int,
) -> tuple[list[np.ndarray], list[list[int]]]:
    """Draw the guided backpropagation of one unit (y, x) of each photograph, cut to its receptive field.

    Returns (side, side, 3) in [0, 1] each, 0 being mid-grey; and where its energy lies: left, top, right,
    bottom in
    pixels of the crop.
    """
    crops = torch.stack([model.prepare(each) for each in photographs])
    found = guided_gradients(model, crops, layer, channel, list(units))
    described = model.layer(layer)
    tiles = []
    for guided in found:
        picture = false_color(signed(pixels(guided.gradient)))
        tiles.append(resized(seen(picture, described.box(guided.y, guided.x)), side))
    return tiles, [list(energy_box(guided.gradient)) for guided in found]


def _photographs(run: Run, rows: list[dict], read: Originals) -> Callable[[], list[Photograph]]:
    """Decodes them once, when they are first asked for."""
    preprocessing, ids = preprocessing_of(run), [row["image_id"] for row in rows]
    return cache(lambda: [picture_of(read(run, each), f"image {each}", preprocessing) for each in ids])


def _units(rows: list[dict]) -> list[tuple[int, int]]:
    return [(row["y"], row["x"]) for row in rows]


def _sheet(
    rows: list[dict],
    photographs: Sequence[Photograph],
    preprocessing: Preprocessing,
    guided: Sequence[np.ndarray],
    side: int,
) -> np.ndarray:
    tiles = [
        resized(_patch(image, row, preprocessing), side) for image, row in zip(photographs, rows, strict=True)
    ]
    columns = max(1, math.ceil(math.sqrt(len(rows))))
    sheet = tiled(tiles, columns)
    if guided:
        gap = np.ones((sheet.shape[0], MARGIN, 3), np.float32)
        sheet = np.concatenate([sheet, gap, tiled(guided, columns)], axis=1)
    return to_8_bit(sheet)


def _statistics(run: Run, layer: str, channel: int) -> dict[str, Any]:
    """The channel's row of the store: mean, maximum, whether it is dead, its histogram."""
    if "channels" not in run.tables():
        return {}
    stats = run.channels(layer)
    row = stats.filter(pc.equal(stats["channel"], channel)).to_pylist()[0]
    return {name: value for name, value in row.items() if name not in ("layer", "channel")}


def _patch(image: Photograph, row: dict[str, Any], preprocessing: Preprocessing) -> np.ndarray:
    """The patch of the original image; the whole image where the receptive field is not known."""
    values = np.asarray(shown(image).convert("RGB"), np.float32) / 255
    box = box_of(row)
    return values if box is None else window(values, preprocessing.seen_box(box, *image.size))
