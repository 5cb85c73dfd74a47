"""Thumbnails as squares of any power-of-two size, for pictures that show thousands of them."""

import io
from functools import cached_property
from threading import Lock

import numpy as np
from PIL import Image

from featurestore.reader import Run

ATLAS_LEVEL = 4
"""Up to 2^4 pixels a thumbnail comes from the atlas."""

LEVELS = (5, 7)
"""The largest size is the thumbnails' own, rounded up to a power of two between 2^5 and 2^7 pixels."""


class Sprites:
    """The thumbnails of some images of a run.

    ``image_ids`` (n,) sorted. Their encoded bytes are kept in memory; the atlas adds a kilobyte an image.
    """

    def __init__(self, run: Run, image_ids: np.ndarray) -> None:
        self._ids = image_ids
        self._lock = Lock()
        rows = run.rows("images", image_ids, ["thumbnail"])
        self._encoded = [picture["bytes"] for picture in rows["thumbnail"].to_pylist()]

    @cached_property
    def max_level(self) -> int:
        """The level, 2^level pixels a side, that shows the thumbnails at full size."""
        side = max((min(_open(content).size) for content in self._encoded[:1]), default=1)
        low, high = LEVELS
        return min(max(int(np.ceil(np.log2(side))), low), high)

    def mosaic(self, image_ids: np.ndarray, level: int) -> np.ndarray:
        """The images (rows, cols), -1 for none, as RGBA (rows * 2^level, cols * 2^level, 4) uint8."""
        rows, cols = image_ids.shape
        side = 2**level
        distinct, which = np.unique(image_ids, return_inverse=True)
        squares = np.zeros((len(distinct), side, side, 4), np.uint8)
        shown = distinct >= 0
        squares[shown, :, :, :3] = self._squares(np.searchsorted(self._ids, distinct[shown]), level)
        squares[shown, :, :, 3] = 255
        cells = squares[which.reshape(rows, cols)]
        return cells.swapaxes(1, 2).reshape(rows * side, cols * side, 4)

    def _squares(self, indices: np.ndarray, level: int) -> np.ndarray:
        if level <= ATLAS_LEVEL:
            with self._lock:
                atlas = self._atlas
            return atlas[level][indices]
        return _decode([self._encoded[index] for index in indices], 2**level)

    @cached_property
    def _atlas(self) -> list[np.ndarray]:
        """All images at the levels 0 to ``ATLAS_LEVEL``, each made from the one above by averaging."""
        levels = [_decode(self._encoded, 2**ATLAS_LEVEL)]
        for level in reversed(range(ATLAS_LEVEL)):
            side = 2**level
            blocks = levels[0].reshape(-1, side, 2, side, 2, 3)
            levels.insert(0, blocks.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8))
        return levels


def _decode(encoded: list[bytes], side: int) -> np.ndarray:
    """(n, side, side, 3) uint8; what is not square is cropped about its centre, as networks crop it."""
    squares = np.empty((len(encoded), side, side, 3), np.uint8)
    for index, content in enumerate(encoded):
        picture = _open(content)
        picture.draft("RGB", (side, side))
        shrinks = min(picture.size) > side
        method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
        squares[index] = picture.convert("RGB").resize((side, side), method, box=_middle(picture.size))
    return squares


def _middle(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest square about the centre, as left, top, right, bottom."""
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))
