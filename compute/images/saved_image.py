"""The way of a picture to a file and back: what a method claims of its result is claimed of these bytes.

A float image that fools a network may stop doing so once it is saved (foolbox#264, #324, #423), so results
are rounded to 8 bits, encoded, decoded, and prepared like any other image before anything is said of them:
grey, RGB and RGBA as PNG, other channels as an array (.npy).
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from compute.images.encoding import encoded
from compute.images.formats.arrays import array, is_array
from compute.images.pictures import RESULT
from compute.images.preprocessing import Preprocessing
from compute.images.raster import Photograph, Raster, false_color
from compute.images.reading import Form, read

PNG_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
LEVELS = 255


def eight_bit(image: Tensor) -> Tensor:
    """`image` (…, C, H, W), clamped to [0, 1] and rounded to the nearest k/255 (truncation would move every
    value down by half a level on average)."""
    return (image.clamp(0, 1) * LEVELS).round() / LEVELS


def is_png(channels: int, colors: str | None) -> bool:
    """Whether an image of these channels is saved as a PNG file. colors: as `Preprocessing.colors`."""
    return Form(channels, colors).mode in PNG_MODES.values()


def result_pictures(preprocessing: Preprocessing, image: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a result (H, W, C) is shown by where PNG has no such channels, as a `Step`'s picture."""
    if is_png(preprocessing.channels, preprocessing.colors):
        return {}
    return {RESULT: false_color(image, preprocessing.colors)}


def levels(image: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] as uint8 (H, W, C)."""
    return (eight_bit(image.detach()) * LEVELS).round().to("cpu", torch.uint8).permute(1, 2, 0).numpy()


def picture(image: Tensor) -> Image.Image:
    """(C, H, W) in [0, 1] as an 8-bit grey (C = 1), RGB (3) or RGBA (4) picture of the same size."""
    if image.shape[0] not in PNG_MODES:
        raise ValueError(f"a picture has 1 (grey), 3 (RGB) or 4 (RGBA) channels, not {image.shape[0]}")
    return Image.fromarray(levels(image).squeeze(2) if image.shape[0] == 1 else levels(image))


def png_bytes(image: Tensor) -> bytes:
    """(C, H, W) in [0, 1] as a PNG file."""
    return encoded(picture(image))


def saved_bytes(preprocessing: Preprocessing, image: Tensor) -> bytes:
    """Return (C, H, W) in [0, 1] as a file: PNG, or an array of 8 bits (H, W, C) where PNG has no such
    channels."""
    if is_png(preprocessing.channels, preprocessing.colors):
        return png_bytes(image)
    buffer = io.BytesIO()
    np.save(buffer, levels(image))
    return buffer.getvalue()


def decoded(preprocessing: Preprocessing, data: bytes) -> Tensor:
    """Return (C, H, W) in [0, 1]: what a network with this preprocessing sees of a saved picture."""
    if is_array(data):
        return preprocessing.tensor(Raster(array(data)))
    return preprocessing.tensor(read(data, Form(preprocessing.channels, preprocessing.colors)))


def through_file(preprocessing: Preprocessing, image: Tensor) -> Tensor:
    """Return (C, H, W) in [0, 1]: what the network sees of `image` once it is saved."""
    return decoded(preprocessing, saved_bytes(preprocessing, image))


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality)))


def _resized(factor: float) -> Callable[[Photograph], Photograph]:
    def apply(image: Photograph) -> Photograph:
        bilinear = Image.Resampling.BILINEAR
        small = [max(1, round(side * factor)) for side in (image.height, image.width)]
        if isinstance(image, Raster):
            return image.resized((small[1], small[0]), bilinear).resized(image.size, bilinear)
        return image.resize((small[1], small[0]), bilinear).resize(image.size, bilinear)

    return apply


def _blurred(radius: float) -> Callable[[Photograph], Photograph]:
    blur = ImageFilter.GaussianBlur(radius)

    def apply(image: Photograph) -> Photograph:
        if not isinstance(image, Raster):
            return image.filter(blur)
        planes = (Image.fromarray(np.ascontiguousarray(each)) for each in np.moveaxis(image.pixels, 2, 0))
        return Raster(np.stack([np.asarray(plane.filter(blur)) for plane in planes], axis=2))

    return apply


COMPRESSIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 95": _jpeg(95),
    "jpeg 75": _jpeg(75),
    "jpeg 50": _jpeg(50),
}
"""Of grey and RGB pictures alone."""

ALTERATIONS: dict[str, Callable[[Photograph], Photograph]] = {
    "resized to half and back": _resized(0.5),
    "blurred, 1 pixel": _blurred(1.0),
}


def altered(preprocessing: Preprocessing, image: Tensor) -> dict[str, Tensor]:
    """Return what the network sees of the saved picture after each alteration, (C, H, W) by its name: all of
    COMPRESSIONS and ALTERATIONS for grey and RGB, ALTERATIONS alone for other channels."""
    plain = image.shape[0] in (1, 3)
    saved = picture(image) if plain else Raster(levels(image))
    chosen: dict[str, Callable[[Any], Photograph]] = {**COMPRESSIONS, **ALTERATIONS} if plain else ALTERATIONS
    return {name: preprocessing.tensor(alter(saved)) for name, alter in chosen.items()}
