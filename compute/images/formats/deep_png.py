"""PNG files of 16 bits a value and several channels, of which Pillow keeps the upper 8."""

import io
import struct

import numpy as np
from PIL import Image

from compute.images.formats.tiff import upright

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTH_AT, COLORS_AT = 24, 25
"""Places in the file of the header's bit depth and kind of colors."""

DEEP = 16
GREY, GREY_ALPHA = 0, 4
RAW_MODES = {2: ("RGB", "RGB;16B", "RGB;16L"), 6: ("RGBA", "RGBA;16B", "RGBA;16L")}
"""By the kind of colors: the picture's mode, and how Pillow unpacks the upper and the lower byte of each
value, which it takes for values whose bytes are in the other order."""

ORIENTATION = 0x0112
"""EXIF's tag."""


def is_deep_png(data: bytes) -> bool:
    """Whether it is a PNG file of 16 bits a value."""
    return data.startswith(SIGNATURE) and len(data) > COLORS_AT and data[DEPTH_AT] == DEEP


def size(data: bytes) -> tuple[int, int]:
    """Width and height, as the header has them."""
    return struct.unpack(">II", data[16:24])


def deep_values(data: bytes) -> np.ndarray:
    """(H, W, C) uint16 of grey, grey and opacity, RGB or RGBA, upright; Pillow's errors for what is
    damaged."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return upright(_values(data), int(image.getexif().get(ORIENTATION, 1)))


def _values(data: bytes) -> np.ndarray:
    kind = data[COLORS_AT]
    if kind == GREY:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.asarray(image).astype(np.uint16)[..., None]
    if kind == GREY_ALPHA:
        # Its four bytes a pixel are read as if they were red, green, blue and opacity.
        parts = _decoded(data, "RGBA", "RGBA").astype(np.uint16)
        return parts[..., ::2] << 8 | parts[..., 1::2]
    mode, upper, lower = RAW_MODES[kind]
    high, low = (_decoded(data, mode, raw).astype(np.uint16) for raw in (upper, lower))
    return high << 8 | low


def _decoded(data: bytes, mode: str, raw_mode: str) -> np.ndarray:
    """(H, W, bands) uint8: the values as Pillow unpacks them by `raw_mode`."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image._mode = mode
        image.tile = [image.tile[0]._replace(args=raw_mode)]
        image.load()
        return np.asarray(image)
