"""Pictures written as bytes of an image file."""

import io
from typing import Any

from PIL import Image


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file; format, options: as Pillow's `Image.save` takes them."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
