"""The channel atlas: layers as rows, a tile for every channel, which is the patch that activates it most."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from compute.analysis.channel_filter import ONLY, SORTS, ChannelFilter
from compute.images.pictures import GREY, resized, tiled, to_8_bit, window
from compute.images.preprocessing import Preprocessing
from compute.images.raster import shown
from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.channels.showcase import Kept, kept
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import (
    Originals,
    box_of,
    of_run,
    picture_of,
    preprocessing_of,
    thumbnail_pixels,
)
from compute.runtime.parameters import parameter
from compute.runtime.suggestions import did_you_mean
from featurestore.reader import Run

PATCH, ASCENT = "patch", "ascent"
COLUMNS, SIDE = 16, 64
GAP, HEADING = 2, 30
"""Pixels between tiles, and of the line above each layer's."""

STATISTICS = ("layer", "channel", "mean", "max", "active_share", "dead", "top_class", "selectivity")
"""Columns of `channels` that say what a channel is like."""

STRONGEST = ("image_id", "value", "left", "top", "right", "bottom")
"""Columns of `top_patches` that say what a tile shows."""
KEYED = ["layer", "channel", "rank", *STRONGEST]

MOST_TILES = 50_000
"""Tiles of a picture: 200 megapixels at their usual size."""


@dataclass(frozen=True)
class AtlasSpec(ReportSpec):
    """The channels of all layers, or of one, that pass a filter."""

    name: ClassVar[str] = "atlas"
    title: ClassVar[str] = "Channel atlas"
    description: ClassVar[str] = (
        "Layers as rows, the deepest last, and in each row a tile for a channel: the picture that gradient "
        "ascent found where the store has it (stage showcase), else the patch of the store's images that "
        "activates it most, grey beyond the border. A row has as many channels as fit; with "
        "--layer all of that layer. As a table: the statistics of every channel that passes the filter, and "
        "where its strongest patch is."
    )

    layer: str = parameter("", "all channels of this layer; else the first ones of each layer")
    sort: str = parameter("channel", "what orders a layer's channels, greatest first", choices=SORTS)
    only: str = parameter("all", "which channels", choices=ONLY)
    top_class: str = parameter("", "only channels whose mean activation is greatest in this class")
    find: str = parameter("", "only these numbers and ranges, such as 3,17,40-50")
    least: float = parameter(0.0, "least class selectivity", low=0.0, high=1.0)
    most: float = parameter(1.0, "greatest class selectivity", low=0.0, high=1.0)
    tile: str = parameter(
        ASCENT,
        "ascent: the store's picture of what the channel looks for, if any; patch",
        choices=(ASCENT, PATCH),
    )
    columns: int = parameter(COLUMNS, "tiles in a row", low=1, high=256)
    side: int = parameter(SIDE, "size of a tile", unit="pixels", low=8, high=512)

    @property
    def filter(self) -> ChannelFilter:
        return ChannelFilter(self.sort, self.only, self.top_class, self.find, self.least, self.most)

    def _make(self, inputs: ReportInputs) -> Report:
        run = inputs.run
        layers = layer_names(run)
        if self.layer and self.layer not in layers:
            raise ValueError(f"unknown layer {self.layer!r}{did_you_mean(self.layer, layers)}")
        if self.top_class and self.top_class not in run.class_names:
            raise ValueError(
                f"unknown class {self.top_class!r}{did_you_mean(self.top_class, run.class_names)}"
            )
        wanted = [self.layer] if self.layer else layers
        stats = run.table("channels", STATISTICS) if not self.layer else run.channels(self.layer)
        listed = by_layer(with_strongest(self.filter.listed(stats.select(STATISTICS)), run), wanted)
        table = pa.concat_tables(listed.values())
        numbers = {
            "filter": {name: getattr(self, name) for name in FILTERS},
            "layers": [_counts(name, rows) for name, rows in listed.items()],
        }
        recipe = {"exhibit": "atlas", **self.to_dict(), **of_run(run)}
        return Report(recipe, numbers, lambda: self._draw(run, listed, inputs.read), lambda: table)

    def _draw(self, run: Run, listed: Mapping[str, pa.Table], read: Originals) -> np.ndarray:
        most = None if self.layer else self.columns
        rows = {name: each.slice(0, most).to_pylist() for name, each in listed.items()}
        if (count := sum(map(len, rows.values()))) > MOST_TILES:
            raise ValueError(f"{count:,} tiles are more than the {MOST_TILES:,} of a picture; filter them")
        tiles = Tiles(run, read, self.side, kept if self.tile == ASCENT else None)
        sheets = [
            (f"{name}: {_said(len(listed[name]), len(each))}", tiles.of(each)) for name, each in rows.items()
        ]
        return drawn(sheets, self.columns, self.side)


FILTERS = ("sort", "only", "top_class", "find", "least", "most")


@dataclass(frozen=True)
class Tiles:
    """Draws the tiles of a run's channels, (side, side, 3) float32 in [0, 1] each.

    The stored thumbnail is drawn where it has a pixel for each of the tile's, as it is behind the layers
    that see much of the image; the image's own file is read for the others alone.

    side: in pixels.
    ascent: finds the picture that a run keeps of (run, layer, channel), which then stands in the patch's
        place; None for patches alone.
    stand_in: whether the thumbnail is enlarged where the file is gone; ValueError otherwise.
    """

    run: Run
    read: Originals
    side: int
    ascent: Callable[[Run, str, int], Kept | None] | None = None
    stand_in: bool = False

    def of(self, rows: Sequence[dict[str, Any]]) -> list[np.ndarray]:
        """Draw the strongest patch of each of some channels; mid-grey for one that has none.

        rows: layer, channel, image_id, and the edges of the patch as in `top_patches`.
        """
        ids = sorted({row["image_id"] for row in rows} - {None})
        facts = self.run.rows("images", ids, ["width", "height", "thumbnail"]).to_pylist() if ids else []
        images = dict(zip(ids, facts, strict=True))
        return [self._tile(row, images.get(row["image_id"])) for row in rows]

    def _tile(self, row: dict[str, Any], image: dict[str, Any] | None) -> np.ndarray:
        found = None if self.ascent is None else self.ascent(self.run, row["layer"], row["channel"])
        if found is not None:
            pixels = np.asarray(Image.fromarray(found.pixels).convert("RGB"), np.float32) / 255
            return resized(pixels, self.side)
        if image is None:
            return np.full((self.side, self.side, 3), GREY, np.float32)
        edges, width, height = box_of(row), image["width"], image["height"]
        seen = (0, 0, width, height) if edges is None else self.preprocessing.seen_box(edges, width, height)
        pixels = thumbnail_pixels(image["thumbnail"]["bytes"])
        if pixels.shape[1] / width * max(seen[2] - seen[0], seen[3] - seen[1]) < self.side:
            try:
                pixels = self._original(row["image_id"])
            except ValueError:
                if not self.stand_in:
                    raise
        scale = pixels.shape[1] / width
        left, top, right, bottom = (scale * each for each in seen)
        return resized(window(pixels, (left, top, max(right, left + 1), max(bottom, top + 1))), self.side)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        return preprocessing_of(self.run)

    def _original(self, image_id: int) -> np.ndarray:
        image = picture_of(self.read(self.run, image_id), f"image {image_id}", self.preprocessing)
        return np.asarray(shown(image).convert("RGB"), np.float32) / 255


def layer_names(run: Run) -> list[str]:
    """Return the layers of a run in the network's order."""
    return run.table("layers", ["layer"])["layer"].to_pylist()


def by_layer(stats: pa.Table, layers: Sequence[str]) -> dict[str, pa.Table]:
    """Return the rows of each of the layers, in their order; layers without any have an empty table."""
    names = stats["layer"].combine_chunks().dictionary_encode()
    codes, known = names.indices.to_numpy(zero_copy_only=False), names.dictionary.to_pylist()
    places = {name: np.flatnonzero(codes == code) for code, name in enumerate(known)}
    return {name: stats.take(places.get(name, np.array([], np.int64))) for name in layers}


def with_strongest(rows: pa.Table, run: Run) -> pa.Table:
    """Return rows of `channels` with the image, value and edges of each channel's strongest patch.

    Null where no image has one.
    """
    layers = pc.unique(rows["layer"]).to_pylist()
    top = run.select("top_patches", layers[0]) if len(layers) == 1 else run.table("top_patches", KEYED)
    top = top.select(KEYED).filter(pc.equal(top["rank"], 0))
    place = pc.index_in(_keys(rows, layers), _keys(top, layers))
    return pa.table(_columns(rows) | _columns(top.select(STRONGEST).take(place)))


def _keys(rows: pa.Table, layers: Sequence[str]) -> pa.Array:
    """Return a number for each row's layer and channel; null for a layer that is not among `layers`."""
    layer = pc.index_in(rows["layer"], pa.array(layers, pa.string())).cast(pa.int64())
    return pc.add(pc.multiply(layer, 1 << 32), rows["channel"].cast(pa.int64())).combine_chunks()


def drawn(sheets: Sequence[tuple[str, Sequence[np.ndarray]]], columns: int, side: int) -> np.ndarray:
    """Draw (heading, tiles) of each layer below each other: (height, width, 3) uint8."""
    width = columns * (side + GAP) - GAP
    blocks = [
        _padded(tiled(tiles, columns, GAP), width) if tiles else np.ones((0, width, 3)) for _, tiles in sheets
    ]
    height = sum(HEADING + len(block) + GAP for block in blocks)
    page, top, headings = np.ones((max(height, 1), width, 3), np.float32), 0, []
    for (heading, _), block in zip(sheets, blocks, strict=True):
        headings.append((top + HEADING - 9, heading))
        page[top + HEADING : top + HEADING + len(block)] = block
        top += HEADING + len(block) + GAP
    return _with_text(to_8_bit(page), headings)


def _with_text(page: np.ndarray, lines: Sequence[tuple[int, str]]) -> np.ndarray:
    """Write lines of text (their baseline, the text) upon a picture, at its left."""
    height, width = page.shape[:2]
    figure = canvas(width, height)
    figure.set_layout_engine("none")
    figure.figimage(page, origin="upper", resize=False)
    for baseline, text in lines:
        figure.text(4 / width, 1 - baseline / height, text, size=10, va="baseline", ha="left")
    return rendered(figure)


def _padded(sheet: np.ndarray, width: int) -> np.ndarray:
    return np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=1.0)


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table[name] for name in table.column_names}


def _counts(layer: str, rows: pa.Table) -> dict[str, Any]:
    return {"layer": layer, "channels": len(rows), "dead": int(pc.sum(rows["dead"]).as_py() or 0)}


def _said(passing: int, drawn: int) -> str:
    every = f"{passing:,} channel{'' if passing == 1 else 's'}"
    return every if passing == drawn else f"{drawn} of {every}"
