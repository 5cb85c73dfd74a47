"""The channels that answer unusually strongly to one image: its peaks held against the store's statistics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.channel_ranking import Distribution, Peaks, ranking, standing
from compute.images.preprocessing import Box
from compute.reports.drawing.originals import preprocessing_of
from featurestore.reader import Run

COLUMNS = ("layer", "channel", "rank", "image_id", "value", "y", "x", "left", "top", "right", "bottom")
EACH_LAYER, ONE_LAYER = 6, 24
"""Channels that are shown of each of several layers, and of one alone."""


@dataclass(frozen=True)
class Answer:
    """A channel's answer to the image.

    value: its spatial maximum; maximum: the store's. share: of the store's images that answer more strongly.
    rank: of this image among the channel's top patches, from 0, or None. y, x: the unit. box: what it sees of
    the photograph, None where that is not known.
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
        return f"{self.layer}/{self.channel}"


def layers_of(run: Run) -> tuple[str, ...]:
    """In the network's order."""
    return tuple(run.table("layers", ["layer"])["layer"].to_pylist())


def strongest(
    run: Run, layer: str, found: Mapping[str, Peaks], image_id: int | None, size: tuple[int, int]
) -> list[Answer]:
    """The most unusual answers of a layer, or of each ("") in the network's order. found: of every layer.
    size: width and height of the photograph. image_id: where it is the store's, for the ranks. ValueError for
    an unknown layer.
    """
    known = layers_of(run)
    if layer and layer not in known:
        raise ValueError(f"unknown layer {layer!r}; choose from {', '.join(known)}")
    count = ONE_LAYER if layer else EACH_LAYER
    return [
        answer
        for name in ([layer] if layer else known)
        for answer in _of_layer(run, name, found[name], image_id, size, count)
    ]


def stored(run: Run, image_id: int, layer: str = "") -> list[Answer]:
    """What the store alone knows: the channels that have the image among their top patches, by its rank."""
    table = run.table("top_patches", COLUMNS) if not layer else run.select("top_patches", layer)
    rows = table.filter(pc.equal(table["image_id"], image_id)).to_pylist()
    greatest = {each: _greatest(table, each) for each in {row["layer"] for row in rows}}
    return [
        _of_row(run, row, greatest[row["layer"]][row["channel"]])
        for row in sorted(rows, key=lambda row: (row["rank"], row["channel"]))
    ]


def _of_layer(
    run: Run, layer: str, found: Peaks, image_id: int | None, size: tuple[int, int], count: int
) -> list[Answer]:
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
        Answer(
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


def _of_row(run: Run, row: dict, greatest: float) -> Answer:
    box = tuple(row[edge] for edge in ("left", "top", "right", "bottom"))
    share = row["rank"] / run.image_count
    place = row["layer"], row["channel"], row["value"], greatest, share, row["rank"], row["y"], row["x"]
    return Answer(*place, None if None in box else box)


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
        left, top = row["offset_x"] + x * row["stride_x"], row["offset_y"] + y * row["stride_y"]
        box = left, top, left + row["rf_width"], top + row["rf_height"]
        return self._preprocessing.to_original(box, *self._size)


def _strongest_values(tops: pa.Table, channels: int) -> np.ndarray:
    """(C, K) descending, -inf where there are fewer."""
    channel, rank = tops["channel"].to_numpy(), tops["rank"].to_numpy()
    values = np.full((channels, int(rank.max(initial=0)) + 1), -np.inf, np.float32)
    values[channel, rank] = tops["value"].to_numpy()
    return values


def _ranks(tops: pa.Table, image_id: int | None) -> dict[int, int]:
    """By channel, of one image."""
    if image_id is None:
        return {}
    own = tops.filter(pc.equal(tops["image_id"], image_id))
    return dict(zip(own["channel"].to_pylist(), own["rank"].to_pylist(), strict=True))
