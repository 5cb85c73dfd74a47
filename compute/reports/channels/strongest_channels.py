"""The channels that respond unusually strongly to one image: its peaks held against the store's statistics,
as a sheet of where in the image they respond, and as rows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.analysis.channel_ranking import Distribution, ranking, standing
from compute.analysis.comparison import list_length
from compute.images.pictures import resized, window
from compute.images.preprocessing import Box, Preprocessing
from compute.images.raster import Photograph, shown
from compute.methods.base import IMAGE
from compute.models.model import Model
from compute.reports.base import MODEL, RUN, ReportInputs, ReportSpec
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import EDGES, box_of, copies_of, of_run, picture_of, preprocessing_of
from compute.runtime.parameters import parameter
from featurestore.reader import Run

PATCH_COLUMNS = ("layer", "channel", "rank", "image_id", "value", "y", "x", "left", "top", "right", "bottom")
EACH_LAYER, ONE_LAYER = 6, 24
"""Channels that are shown of each of several layers, and of one alone."""

LEAST_SHARE, FEW = 0.0001, 0.01
"""A place is said to be no less than the first, and with two digits below the second: with one alone, all the
strongest would have the same."""

SIDE, GAP, TITLE, CAPTION = 96, 12, 20, 20
COLUMNS = 8
SCHEMA = pa.schema(
    [("layer", pa.string()), ("channel", pa.int32())]
    + [(name, pa.float32()) for name in ("value", "maximum")]
    + [("share", pa.float64())]
    + [(name, pa.int32()) for name in ("rank", "y", "x")]
    + [(name, pa.float32()) for name in EDGES]
)


@dataclass(frozen=True)
class Peaks:
    """The strongest unit of each of a layer's C channels in one image.

    value: (C,) float32, the spatial maximum.
    y, x: (C,) int64, row and column of the first unit that has it.
    """

    value: np.ndarray
    y: np.ndarray
    x: np.ndarray


@dataclass(frozen=True)
class Response:
    """A channel's response to the image.

    value: its spatial maximum in the image.
    maximum: its greatest in the store.
    share: of the store's images that respond more strongly, 0 to 1.
    rank: of this image among the channel's top patches, from 0; None where it isn't among them.
    y, x: the unit.
    box: what it sees of the photograph, in pixels; None where that is not known.
    """

    layer: str
    channel: int
    value: float
    maximum: float
    share: float
    rank: int | None
    y: int
    x: int
    box: Box | None

    @property
    def name(self) -> str:
        """Return layer/channel."""
        return f"{self.layer}/{self.channel}"


@dataclass(frozen=True)
class StrongestChannelsSpec(ReportSpec):
    """The channels that respond unusually strongly to one image."""

    name: ClassVar[str] = "strongest"
    title: ClassVar[str] = "Channels that respond most to an image"
    description: ClassVar[str] = (
        "Each channel's strongest response in the image, ranked by how few of the store's images make it "
        "respond more strongly: the first ones of every layer, or of one. The picture shows where in the "
        "image they respond."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({MODEL})

    layer: str = parameter("", "channels of this layer alone; of each layer where none is given")
    stored: bool = parameter(
        False, "without the network: channels that have the store's image among their strongest patches"
    )

    def _make(self, inputs: ReportInputs) -> Report:
        run, data, name = inputs.run, inputs.image_file(), inputs.image_name or f"image {inputs.image_id}"
        photograph, image_id = picture_of(data, name, preprocessing_of(inputs.run)), inputs.image_id
        if image_id is None:
            image_id = next(iter(copies_of(run, data)), None)
        if self.stored and image_id is None:
            raise ValueError(f"--stored asks the store alone, which has no image {name}")
        found = None if self.stored else peaks_of(run, inputs.model(), photograph)
        sha256 = hashlib.sha256(data).hexdigest()
        return strongest_report(run, photograph, sha256, image_id, self.layer, found)


def peaks(model: Model, image: torch.Tensor, layers: Iterable[str]) -> dict[str, Peaks]:
    """Return every channel's strongest unit, by layer, from one forward pass; image: (C, H, W) in [0, 1]."""
    names = tuple(layers)
    with torch.inference_mode():
        maps = model.activations(image[None].to(model.device), set(names))
    return {name: _peaks(maps[name][0]) for name in names}


def peaks_of(run: Run, model: Model, photograph: Photograph) -> dict[str, Peaks]:
    """Return the strongest units of all layers of the run in a photograph, from one forward pass."""
    return peaks(model, model.prepare(photograph), layers_of(run))


def strongest_report(
    run: Run,
    photograph: Photograph,
    sha256: str,
    image_id: int | None,
    layer: str = "",
    found: Mapping[str, Peaks] | None = None,
) -> Report:
    """Report on the channels that respond unusually strongly to one image.

    layer: its channels alone, "" for all layers.
    found: see `peaks_of`; None for what the store alone knows of its image.
    ValueError for an unknown layer.

    In the table, share is that of the store's images that respond more strongly; rank, from 0, the image's
    place among
    the channel's strongest patches of the store.
    """
    if found is None:
        responses = stored(run, image_id, layer)
    else:
        responses = strongest(run, layer, found, image_id, photograph.size)
    asked = {"layer": layer, "from_the_store_alone": found is None}
    rows = pa.Table.from_pylist([_row(response) for response in responses], SCHEMA)
    return Report(
        {"exhibit": "strongest", "image": sha256, **asked, **of_run(run)},
        {"image_id": image_id, **asked, "channels": rows.drop_columns(list(EDGES)).to_pylist()},
        lambda: _sheet(photograph, preprocessing_of(run), responses, layers_of(run)),
        lambda: rows,
    )


def place(response: Response) -> str:
    """Return a response's place among the store's images in words, such as `top 4.2%`, `top 0.03%`."""
    if response.share == 0:
        return "strongest"
    share = max(response.share, LEAST_SHARE)
    return f"top {share:.2%}" if share < FEW else f"top {share:.1%}"


def _row(response: Response) -> dict:
    row = asdict(response)
    return row | dict(zip(EDGES, row.pop("box") or [None] * len(EDGES), strict=True))


def _sheet(
    photograph: Photograph, preprocessing: Preprocessing, responses: list[Response], layers: tuple[str, ...]
) -> np.ndarray:
    """A row or some for each layer, under its name; below each patch the channel and its place."""
    if not responses:
        raise ValueError("no channel responds to this image, so there is no picture of one")
    image = np.asarray(shown(photograph).convert("RGB"), np.float32) / 255
    by_layer = [[response for response in responses if response.layer == layer] for layer in layers]
    rows = [each[at : at + COLUMNS] for each in by_layer for at in range(0, len(each), COLUMNS)]
    width, height = max(map(len, rows)) * (SIDE + GAP) + GAP, len(rows) * (TITLE + SIDE + CAPTION)
    sheet, figure = np.ones((height, width, 3), np.float32), canvas(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for down, row in enumerate(rows):
        top = down * (TITLE + SIDE + CAPTION) + TITLE
        axes.text(GAP, top - 3, row[0].layer, size=8, weight="bold", va="bottom")
        for across, response in enumerate(row):
            left = GAP + across * (SIDE + GAP)
            box = response.box and preprocessing.seen_box(response.box, *photograph.size)
            seen = image if box is None else window(image, box)
            sheet[top : top + SIDE, left : left + SIDE] = resized(seen, SIDE)
            axes.text(left, top + SIDE + 2, f"{response.channel}: {place(response)}", size=7, va="top")
    axes.imshow(sheet, extent=(0, width, height, 0), aspect="auto", interpolation="nearest")
    return rendered(figure)


def layers_of(run: Run) -> tuple[str, ...]:
    """Return the names of the run's layers in the network's order."""
    return tuple(run.table("layers", ["layer"])["layer"].to_pylist())


def strongest(
    run: Run, layer: str, found: Mapping[str, Peaks], image_id: int | None, size: tuple[int, int]
) -> list[Response]:
    """Return the most unusual responses of a layer, or of each ("") in the network's order.

    found: the peaks of every layer.
    image_id: of the image, where it is the store's, for the ranks.
    size: width and height of the photograph.
    ValueError for an unknown layer.
    """
    known = layers_of(run)
    if layer and layer not in known:
        raise ValueError(f"unknown layer {layer!r}; choose from {', '.join(known)}")
    count = ONE_LAYER if layer else EACH_LAYER
    return [
        response
        for name in ([layer] if layer else known)
        for response in _of_layer(run, name, found[name], image_id, size, count)
    ]


def stored(run: Run, image_id: int, layer: str = "") -> list[Response]:
    """Return the channels that have the image among their top patches, by its rank."""
    table = run.table("top_patches", PATCH_COLUMNS) if not layer else run.select("top_patches", layer)
    rows = table.filter(pc.equal(table["image_id"], image_id)).to_pylist()
    greatest = {each: _greatest(table, each) for each in {row["layer"] for row in rows}}
    return [
        _of_row(run, row, greatest[row["layer"]][row["channel"]])
        for row in sorted(rows, key=lambda row: (row["rank"], row["channel"]))
    ]


def _of_layer(
    run: Run, layer: str, found: Peaks, image_id: int | None, size: tuple[int, int], count: int
) -> list[Response]:
    stats, tops = run.channels(layer), run.select("top_patches", layer)
    known = Distribution(
        np.stack(stats["histogram"].to_numpy(zero_copy_only=False)),
        stats["histogram_low"].to_numpy(),
        stats["histogram_high"].to_numpy(),
        _strongest_values(tops, len(stats)),
        stats["max"].to_numpy(),
    )
    places = standing(found.value, known)
    alive = ~stats["dead"].to_numpy(zero_copy_only=False)
    chosen = [int(channel) for channel in ranking(places) if alive[channel] and found.value[channel] > 0]
    boxes = _Boxes(run, layer, size)
    ranks = _ranks(tops, image_id)
    return [
        Response(
            layer,
            channel,
            float(found.value[channel]),
            float(known.maximum[channel]),
            float(places.share[channel]),
            ranks.get(channel),
            int(found.y[channel]),
            int(found.x[channel]),
            boxes.of(int(found.y[channel]), int(found.x[channel])),
        )
        for channel in chosen[:count]
    ]


def _greatest(table: pa.Table, layer: str) -> dict[int, float]:
    """The strongest value of each channel of a layer."""
    first = table.filter(pc.and_(pc.equal(table["layer"], layer), pc.equal(table["rank"], 0)))
    return dict(zip(first["channel"].to_pylist(), first["value"].to_pylist(), strict=True))


def _of_row(run: Run, row: dict, greatest: float) -> Response:
    share = row["rank"] / run.image_count
    place = row["layer"], row["channel"], row["value"], greatest, share, row["rank"], row["y"], row["x"]
    return Response(*place, box_of(row))


class _Boxes:
    """Receptive fields of a layer's units in a photograph of `size` (width, height)."""

    def __init__(self, run: Run, layer: str, size: tuple[int, int]):
        layers = run.table("layers")
        self._row = layers.filter(pc.equal(layers["layer"], layer)).to_pylist()[0]
        self._preprocessing, self._size = preprocessing_of(run), size

    def of(self, y: int, x: int) -> Box | None:
        row = self._row
        if row["rf_height"] is None:
            return None
        place = "" if row.get("place_height") is None else "place_"
        width, height = (row[f"{place or 'rf_'}{side}"] for side in ("width", "height"))
        left = row[f"{place}offset_x"] + x * row[f"{place}stride_x"]
        top = row[f"{place}offset_y"] + y * row[f"{place}stride_y"]
        box = left, top, left + width, top + height
        return self._preprocessing.to_original(box, *self._size)


def _strongest_values(tops: pa.Table, channels: int) -> np.ndarray:
    """(C, K) descending, -inf where there are fewer."""
    channel, rank = tops["channel"].to_numpy(), tops["rank"].to_numpy()
    values = np.full((channels, max(1, list_length(rank))), -np.inf, np.float32)
    values[channel, rank] = tops["value"].to_numpy()
    return values


def _ranks(tops: pa.Table, image_id: int | None) -> dict[int, int]:
    """By channel, of one image."""
    if image_id is None:
        return {}
    own = tops.filter(pc.equal(tops["image_id"], image_id))
    return dict(zip(own["channel"].to_pylist(), own["rank"].to_pylist(), strict=True))


def _peaks(maps: torch.Tensor) -> Peaks:
    value, position = maps.flatten(1).max(1)
    y, x = np.divmod(position.cpu().numpy(), maps.shape[2])
    return Peaks(value.float().cpu().numpy(), y, x)
