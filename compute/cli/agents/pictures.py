"""A picture as an agent gets it: large ones scaled down, so that they fit into a context, small ones up."""

from typing import Any

import numpy as np
from PIL import Image

from compute.images.encoding import encoded, opened

LONGEST = 1024
"""Pixels of the longer side at most."""

LEGIBLE = 384
"""Pixels that the longer side of a small picture is brought near to, by a whole factor."""

MOST_BYTES = 700_000
"""Of the file; in base64 it is a third larger."""

SHRINK = 0.8


def shown(picture: Image.Image) -> tuple[bytes, dict[str, Any]]:
    """Return a picture as a PNG of bounded size, and what it is: its own size, and the size that is shown."""
    factor = _factor(*picture.size)
    content = _scaled(picture, factor)
    while len(content) > MOST_BYTES:
        factor *= SHRINK
        content = _scaled(picture, factor)
    said = {"width": picture.width, "height": picture.height}
    if factor == 1:
        return content, said
    width, height = _size(picture, factor)
    return content, {**said, "shown_width": width, "shown_height": height, "scaled_by": round(factor, 4)}


def of_array(values: np.ndarray) -> Image.Image:
    """Return a picture of uint8 (H, W), (H, W, 3) or (H, W, 4)."""
    return Image.fromarray(values)


def of_file(content: bytes) -> Image.Image:
    """Return the picture of a file that this program wrote."""
    return opened(content)


def _factor(width: int, height: int) -> float:
    longer = max(width, height)
    return LONGEST / longer if longer > LONGEST else max(1, LEGIBLE // longer)


def _size(picture: Image.Image, factor: float) -> tuple[int, int]:
    return max(1, round(picture.width * factor)), max(1, round(picture.height * factor))


def _scaled(picture: Image.Image, factor: float) -> bytes:
    if factor == 1:
        return encoded(picture)
    smoothing = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return encoded(picture.resize(_size(picture, factor), smoothing))
