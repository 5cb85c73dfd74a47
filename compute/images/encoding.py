"""Pictures written as bytes of an image file, and opened again."""

import io
from typing import Any

from PIL import Image

OWN_FORMATS = ("JPEG", "PNG", "WEBP")
"""What this program writes."""


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file; format, options: as Pillow's `Image.save` takes them."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(content: bytes) -> Image.Image:
    """Open a picture of OWN_FORMATS; OSError for any other bytes.

    What a store holds may be somebody else's, and Pillow gives some formats (PostScript) to other programs.
    """
    return Image.open(io.BytesIO(content), formats=OWN_FORMATS)
