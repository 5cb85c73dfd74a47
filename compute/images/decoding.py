"""From a file's bytes to a picture, whoever made the file.

Only the formats of FORMATS are tried, the size is checked before any pixel is decoded, and every failure is a
ValueError with the reason.
"""

import contextlib
import io
import threading
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from compute.runtime.room import Room

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
}
"""By Pillow's names; how files of each are called, where a source goes by names."""

EXTENSIONS = tuple(extension for extensions in FORMATS.values() for extension in extensions)

MAX_PIXELS = 100_000_000
"""Of one picture: 300 MB as RGB. A PNG of a few kilobytes can claim any size."""

LARGE_PIXELS = 16_000_000
"""From here on one picture is decoded at a time, whatever the number of threads: one takes up to 1.6 GB."""

ROWS = 256
"""Rows of deep values that are scaled together."""

SIXTEEN_BIT_FORMATS = ("PNG", "PPM")
"""Formats without 32-bit integers: Pillow may hand out their 16-bit values as such."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras and scanners fill of 16."""

SIXTEEN_BITS = 65535

PNG_END = b"IEND\xaeB`\x82"
"""The last chunk's name and checksum."""

BACKGROUND = "white"

DECODED_BYTES = 1024 * 1024 * 1024
"""Of all pictures that are decoded at a time, of all threads together."""

A_PIXEL = 5
"""Bytes that a pixel takes while its picture is made smaller: 3 or 4 of its own, and those of copies."""

DECODED = Room(DECODED_BYTES)

_one_large = threading.Lock()

# Pillow only warns from 89 megapixels on; our own limit is checked as soon as the header is read.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decoded_size(data: bytes) -> int:
    """Return about how many bytes the picture in a file's bytes takes once it is decoded, see DECODED.

    What is no picture, such as an array, is taken to be as large as its file.
    """
    try:
        with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
            return A_PIXEL * image.width * image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return len(data)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file's bytes, as 8-bit "RGB" or, where it has no colors, "L".

    EXIF rotation is applied, of an animation the first frame is taken, transparent parts lie on white. Deeper
    values are scaled to 0..255, never clipped (see `_to_8_bits`). Raises ValueError with the reason for what
    is not one of FORMATS, is damaged or cut short, or has more than `max_pixels`."""
    return _decoded(data, max_pixels, lambda image: _flat(_to_8_bits(image, image.format)))


def decode_colors(data: bytes, mode: str | None, channels: int, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """As `decode`, for a network that takes something else than grey or RGB.

    mode: "LA" or "RGBA", where pictures without transparency are opaque, or "CMYK". None: nothing is
    declared, so that only a picture with transparency fits, and only 2 (grey) or 4 (RGB) `channels`. Raises
    ValueError for others, with what to declare."""

    def converted(image: Image.Image) -> Image.Image:
        wanted = mode or _undeclared(image, channels)
        if wanted == "CMYK" and image.mode != "CMYK":
            raise ValueError(f"it is a picture of {image.mode}, not CMYK as the network takes")
        return _to_8_bits(image, image.format).convert(wanted)

    return _decoded(data, max_pixels, converted)


def scaled_grey(values: np.ndarray) -> Image.Image:
    """Return grey values (H, W) float32 as an 8-bit picture, scaled as a file's of 32 bits are.

    ValueError where some are not finite.
    """
    return _to_8_bits(Image.fromarray(values), "TIFF")


def depth_max(most: float) -> int:
    """The white of 16-bit values that go up to `most`: of the smallest of DEPTHS that holds it."""
    return next((2**bits - 1 for bits in DEPTHS if most < 2**bits), SIXTEEN_BITS)


def _decoded(data: bytes, max_pixels: int, finish: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """`finish` of the upright picture."""
    try:
        with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
            _check_size(image, max_pixels)
            with _one_large if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
                image.load()
                _check_end(image, data)
                return finish(_upright(image))
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"not an image, or none of {', '.join(FORMATS)}") from error
    except MemoryError as error:
        raise ValueError("there is not enough memory to decode it") from error
    except Exception as error:  # a decoder raises whatever it stumbles over
        raise ValueError(str(error) or type(error).__name__) from error


def _undeclared(image: Image.Image, channels: int) -> str:
    """The mode of a picture that has as many channels as the network takes."""
    if image.mode == "CMYK" and channels == 4:
        raise ValueError(
            "it is a picture of CMYK; declare --channels CMYK for its inks, or --channels RGBA for its colors"
        )
    wanted = {2: "LA", 4: "RGBA"}.get(channels)
    grey = image.mode in ("1", "L", "LA", "I;16") or image.mode.startswith(("I", "F"))
    if wanted is None or not image.has_transparency_data or (channels == 2 and not grey):
        there = len(image.getbands()) if image.mode != "P" else 3
        hint = f"; with --channels {wanted} pictures without transparency are opaque" if wanted else ""
        raise ValueError(
            f"it is a picture of {there} channel{'s' * (there != 1)}, and the network takes {channels}{hint}"
        )
    return wanted


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ValueError(f"{image.width} x {image.height} pixels are more than {max_pixels:,}")


def _check_end(image: Image.Image, data: bytes) -> None:
    """Pillow takes a PNG that was cut behind its last pixel, or in its second frame."""
    if image.format == "PNG" and PNG_END not in data:
        raise ValueError("image file is truncated (its end is missing)")


def _to_8_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """16-bit grey: from 0 to the largest value of the bits that are filled (k/257 of 16, k/16.06 of 12).
    32-bit integers and floats carry no range of their own: [0, 1] (floats) and [0, 255] are taken as such,
    all else is scaled from its own minimum and maximum.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are not finite numbers")
    low, high = _range(image.mode, file_format, values)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):
        rows = slice(start, start + ROWS)
        scaled[rows] = np.round((values[rows].astype(np.float64) - low) * (255 / (high - low)))
    return Image.fromarray(scaled)


def _range(mode: str, file_format: str | None, values: np.ndarray) -> tuple[float, float]:
    """What becomes 0 and what becomes 255."""
    low, high = float(values.min()), float(values.max())
    if mode.startswith("I;16") or (mode == "I" and file_format in SIXTEEN_BIT_FORMATS):
        # Pillow has already scaled a PPM's values to 16 bits.
        return 0, SIXTEEN_BITS if file_format == "PPM" else depth_max(high)
    if low >= 0 and high <= 255:
        return 0, 1 if mode == "F" and high <= 1 else 255
    return low, high if high > low else low + 1


def _upright(image: Image.Image) -> Image.Image:
    # An EXIF block that can't be parsed says nothing about the picture's orientation.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _flat(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    return image.convert("L" if image.mode in ("1", "L") else "RGB")
