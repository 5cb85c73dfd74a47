"""Whole image files of every format, mode and oddity that the decoder knows: what mutations start from."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 24, 31


def image_seeds() -> tuple[bytes, ...]:
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    grey, palette, clear = photo.convert("L"), photo.quantize(32), photo.convert("RGBA")
    clear.putalpha(grey)
    deep = Image.fromarray(rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        *((photo, each, {}) for each in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")),
        (photo, "JPEG", {"progressive": True, "exif": exif}),
        (grey, "JPEG", {}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo.convert("CMYK"), "TIFF", {}),
        (photo, "PNG", {"exif": exif}),
        (palette, "PNG", {"transparency": 3}),
        (clear, "PNG", {}),
        (clear.convert("LA"), "PNG", {}),
        (grey.convert("1"), "PNG", {}),
        (deep, "PNG", {}),
        (clear, "WEBP", {"lossless": True}),
        (palette, "BMP", {}),
        (grey.convert("1"), "PPM", {}),
        (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(90)], "transparency": 0}),
        (photo, "WEBP", {"save_all": True, "append_images": [photo.rotate(180)]}),
        (photo, "PNG", {"save_all": True, "append_images": [photo.rotate(180)]}),
        (photo, "TIFF", {"compression": "tiff_lzw"}),
        (photo, "TIFF", {"compression": "jpeg"}),
        (photo, "TIFF", {"compression": "tiff_deflate", "exif": exif}),
        (photo, "TIFF", {"save_all": True, "append_images": [grey]}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (deep, "TIFF", {}),
        (deep, "PPM", {}),
        (grey.convert("F"), "TIFF", {}),
        (grey.convert("I"), "TIFF", {}),
        (Image.new("RGB", (1, 1)), "PNG", {}),
        (Image.new("L", (3000, 1)), "PNG", {}),
    ]
    return tuple(_file(*kind) for kind in kinds)


def value_seeds() -> tuple[bytes, ...]:
    """Files of many channels or more than 8 bits: arrays, TIFF of bands and of pages, PNG of 16 bits."""
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 4096, (HEIGHT, WIDTH, 5), dtype=np.uint16)
    rgb = rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    layouts = [{}, {"tile": (16, 16)}, {"rowsperstrip": 7, "byteorder": ">"}, {"compression": "zlib"}]
    tiffs = [_tiff(bands, planarconfig="contig", **each) for each in layouts]
    tiffs += [_tiff(np.moveaxis(bands, 2, 0), planarconfig="separate"), _tiff(np.moveaxis(bands, 2, 0))]
    pictures = (Image.fromarray(bands[..., each]) for each in range(5))
    pages = _file(next(pictures), "TIFF", {"save_all": True, "append_images": list(pictures)})
    arrays = [
        _npy(values) for values in (bands, bands / np.float32(4095), bands[..., 0], rgb.astype(np.int64))
    ]
    packed = io.BytesIO()
    np.savez_compressed(packed, bands=bands)
    return (*tiffs, pages, *arrays, packed.getvalue(), cv2.imencode(".png", rgb)[1].tobytes())


def _tiff(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="minisblack", **options)
    return file.getvalue()


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


IMAGES: dict[str, Callable[[], tuple[bytes, ...]]] = {
    "decoding": image_seeds,
    "reading": lambda: (*image_seeds(), *value_seeds()),
}
"""Seeds by the name of the target that reads images."""


def _file(image: Image.Image, file_format: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    image.copy().save(buffer, file_format, **options)
    return buffer.getvalue()
