"""Pictures as bytes and back, and pictures that no store has."""

import io

import numpy as np
from PIL import Image


def encoded(picture: Image.Image | np.ndarray, format: str = "PNG", **options) -> bytes:
    """The picture, (H, W) or (H, W, 3) uint8 if it is an array, as a file of this format."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def decoded(content: bytes, mode: str | None = None) -> np.ndarray:
    """A file's pixels, uint8, (H, W) or (H, W, channels) as its mode, or this one, has them."""
    image = Image.open(io.BytesIO(content))
    return np.asarray(image.convert(mode) if mode else image)


def noise(height: int = 6, width: int = 8, seed: int = 0) -> Image.Image:
    """Colours drawn at random, so that no two seeds have the same."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def flat(
    size: tuple[int, int] = (8, 8), color: str | tuple[int, ...] = "red", mode: str = "RGB"
) -> Image.Image:
    """An image of this (width, height) that is all of one color; mode: Pillow's."""
    return Image.new(mode, size, color)
