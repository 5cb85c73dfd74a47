"""First-layer filters as one sheet, and their weights as rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from compute.images.pictures import to_8_bit
from compute.reports.drawing.report import Drawing
from compute.reports.first_filters import BY_FILTER, filter_sheet, in_pixel_space
from featurestore.reader import Run

SIDE = 64


def stored_filters(filters: pa.Table) -> tuple[np.ndarray, tuple[float, ...]]:
    """(filters, in_channels, height, width) as learnt, and the input's std."""
    first = filters.slice(0, 1).to_pylist()[0]
    shape = (len(filters), first["in_channels"], first["height"], first["width"])
    return np.asarray(filters["weight"].to_pylist(), np.float32).reshape(shape), tuple(first["std"])


def run_filters_drawing(
    run: Run, scaling: str = BY_FILTER, in_pixels: bool = True, side: int = SIDE
) -> Drawing:
    """The filters that the run holds."""
    weights, std = stored_filters(run.filters())
    layers = run.table("layers", ["position", "layer"]).sort_by("position")["layer"].to_pylist()
    model = run.manifest.model
    made_of = {"model": model["name"], "layer": layers[0], "weights_hash": model["weights_hash"]}
    return filters_drawing(made_of, weights, std, scaling, in_pixels, side)


def filters_drawing(
    made_of: Mapping[str, Any],
    weights: np.ndarray,
    std: tuple[float, ...],
    scaling: str = BY_FILTER,
    in_pixels: bool = True,
    side: int = SIDE,
) -> Drawing:
    """weights: (filters, channels, height, width) as learnt. made_of: model, layer, weights_hash.

    in_pixels: divided by the input's std, what a filter does to pixels, where there is one std a channel.
    """
    in_pixels = in_pixels and weights.shape[1] == len(std)
    weights = in_pixel_space(weights, std) if in_pixels else weights
    shape = dict(zip(("filters", "channels", "height", "width"), weights.shape, strict=True))
    said = {"model": made_of["model"], "layer": made_of["layer"], **shape}
    said |= {"scaling": scaling, "pixel_space": in_pixels, "largest": float(abs(weights).max())}
    return Drawing(
        {"exhibit": "filters", "side": side, **said, "weights_hash": made_of["weights_hash"]},
        said,
        lambda: to_8_bit(filter_sheet(weights, scaling, side)),
        lambda: _rows(weights),
        lambda: weights,
    )


def _rows(weights: np.ndarray) -> pa.Table:
    """One weight a row."""
    places = np.indices(weights.shape, np.int32).reshape(4, -1)
    names = ("filter", "channel", "y", "x")
    return pa.table({**dict(zip(names, places, strict=True)), "weight": weights.astype(np.float32).ravel()})
