"""The way of a picture to a file and back: what a method claims of its result is claimed of these bytes.

A float image that fools a network may stop doing so once it is saved (foolbox#264, #324, #423), so results
are rounded to 8 bits, encoded as PNG, decoded, and prepared like any other image before anything is said of
them.
"""

import io
from collections.abc import Callable

import torch
from PIL import Image, ImageFilter
from torch import Tensor

from compute.images.encoding import encoded
from compute.images.preprocessing import MODES, Preprocessing
from compute.runtime.vision import transforms

LEVELS = 255


def eight_bit(image: Tensor) -> Tensor:
    """`image` (…, C, H, W), clamped to [0, 1] and rounded to the nearest k/255 (truncation would move every
    value down by half a level on average)."""
    return (image.clamp(0, 1) * LEVELS).round() / LEVELS


def picture(image: Tensor) -> Image.Image:
    """(C, H, W) in [0, 1] with 1 or 3 channels, as an 8-bit grey or RGB picture of the same size."""
    if image.shape[0] not in MODES:
        raise ValueError(f"a picture has 1 (grey) or 3 (RGB) channels, not {image.shape[0]}")
    levels = (eight_bit(image.detach()) * LEVELS).round().to("cpu", torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).squeeze(2).numpy())


def png_bytes(image: Tensor) -> bytes:
    """(C, H, W) in [0, 1] as a PNG file."""
    return encoded(picture(image))


def decoded(preprocessing: Preprocessing, data: bytes) -> Tensor:
    """Return (C, H, W) in [0, 1]: what a network with this preprocessing sees of an encoded picture."""
    return preprocessing.tensor(Image.open(io.BytesIO(data)))


def through_png(preprocessing: Preprocessing, image: Tensor) -> Tensor:
    """Return (C, H, W) in [0, 1]: what the network sees of `image` once it is saved as a PNG file."""
    return decoded(preprocessing, png_bytes(image))


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality)))


def _resized(factor: float) -> Callable[[Image.Image], Image.Image]:
    def apply(image: Image.Image) -> Image.Image:
        small = [max(1, round(side * factor)) for side in (image.height, image.width)]
        resize = transforms.functional.resize
        return resize(resize(image, small), [image.height, image.width])

    return apply


def _blurred(radius: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.filter(ImageFilter.GaussianBlur(radius))


ALTERATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 95": _jpeg(95),
    "jpeg 75": _jpeg(75),
    "jpeg 50": _jpeg(50),
    "resized to half and back": _resized(0.5),
    "blurred, 1 pixel": _blurred(1.0),
}


def altered(preprocessing: Preprocessing, image: Tensor) -> dict[str, Tensor]:
    """Return what the network sees of the saved picture after each of ALTERATIONS, (C, H, W) by its name."""
    return {name: preprocessing.tensor(alter(picture(image))) for name, alter in ALTERATIONS.items()}
