"""Pictures for the Overview page: first-layer filters, symmetric about 0, which is mid-grey."""

import pyarrow as pa

from compute.images.pictures import png, to_8_bit
from compute.reports.channels.filters import filter_tiles, in_pixel_space, stored_filters

SIDE = 64
"""Least size of a filter's picture, in pixels."""


def filter_pictures(filters: pa.Table, scaling: str) -> list[tuple[str, bytes]]:
    """Return (name, PNG) of each filter in pixel space; scaling as in `compute.reports.channels.filters`.

    A stem with other than 3 input channels has one grey picture an input channel, named "filter/channel".
    """
    weights, std = stored_filters(filters)
    names = filters["channel"].to_pylist()
    channels = weights.shape[1]
    if channels not in (1, 3):
        names = [f"{name}/{channel}" for name in names for channel in range(channels)]
    tiles = filter_tiles(in_pixel_space(weights, std), scaling, SIDE)
    return [(str(name), png(to_8_bit(tile))) for name, tile in zip(names, tiles, strict=True)]
