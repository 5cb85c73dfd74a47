"""First-layer filters of a store as pictures: symmetric about 0, which is mid-grey."""

import numpy as np
import pyarrow as pa

from compute.pictures import png, to_8_bit, upscaled

SIDE = 64


def filter_pictures(filters: pa.Table, per_filter: bool) -> list[tuple[str, bytes]]:
    """(name, PNG) of each filter in pixel space.

    A stem with other than 3 input channels has one grey picture an input channel, named "filter/channel".
    per_filter: whether each is scaled by its own greatest magnitude, or all by one.
    """
    weights = pixel_space(filters)
    magnitude = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) if per_filter else np.abs(weights).max()
    scaled = 0.5 + 0.5 * weights / np.where(magnitude > 0, magnitude, 1)
    names = filters["channel"].to_pylist()
    if scaled.shape[1] == 3:
        return [(str(name), _png(each.transpose(1, 2, 0))) for name, each in zip(names, scaled)]
    return [(_name(name, k, len(each)), _png(plane)) for name, each in zip(names, scaled) for k, plane in enumerate(each)]


def pixel_space(filters: pa.Table) -> np.ndarray:
    """(filters, in_channels, height, width): what a filter does to pixels in [0, 1], w / std."""
    first = filters.slice(0, 1).to_pylist()[0]
    shape = (len(filters), first["in_channels"], first["height"], first["width"])
    weights = np.asarray(filters["weight"].to_pylist(), np.float32).reshape(shape)
    return weights / np.asarray(first["std"], np.float32).reshape(1, -1, 1, 1)


def _name(filter: int, channel: int, channels: int) -> str:
    return str(filter) if channels == 1 else f"{filter}/{channel}"


def _png(values: np.ndarray) -> bytes:
    return png(upscaled(to_8_bit(values), SIDE))
