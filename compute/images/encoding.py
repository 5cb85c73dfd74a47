"""Pictures written as bytes of an image file, and opened again."""

import io
from typing import Any

from PIL import Image

OWN_FORMATS = ("JPEG", "PNG", "WEBP")
"""What this program writes."""

MAX_OWN_PIXELS = 100_000_000
"""Of a report; of a thumbnail MAX_THUMBNAIL_PIXELS. A file of a few kilobytes can claim any size."""

MAX_THUMBNAIL_PIXELS = 512 * 512
"""More than any that the pipeline makes."""


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file; format, options: as Pillow's `Image.save` takes them."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(content: bytes, max_pixels: int = MAX_OWN_PIXELS) -> Image.Image:
    """Open a picture of OWN_FORMATS; OSError for any other bytes, ValueError for one of too many pixels.

    What a store holds may be somebody else's, and Pillow gives some formats (PostScript) to other programs.
    """
    try:
        picture = Image.open(io.BytesIO(content), formats=OWN_FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    if picture.width * picture.height > max_pixels:
        size = f"{picture.width} x {picture.height}"
        raise ValueError(f"a picture of {size} pixels, where at most {max_pixels:,} are expected")
    return picture
