"""From a photograph to the network's input, and from a place in that input back to the photograph."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image

from compute.runtime.vision import transforms

Box = tuple[float, float, float, float]
MODES = {1: "L", 3: "RGB"}
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
# A strip a pixel wide would grow to gigabytes before it is cropped.
MAX_SCALED_PIXELS = 50_000_000


@dataclass(frozen=True)
class Preprocessing:
    """Scale the shorter side to `resize` pixels, crop the centre to `size`, normalise by `mean` and `std`.

    The same steps as torchvision's `ImageClassification` preset. A picture that already has the network's
    input size is taken as it is: what a method saved at that size is seen again pixel for pixel.

    size: (height, width) of the crop in pixels. resize: pixels, or None for no scaling.
    mean, std: one value a channel, for values in [0, 1]. interpolation: "bilinear", "bicubic" or "nearest".
    """

    size: tuple[int, int]
    resize: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean has {len(self.mean)} values and std {len(self.std)}; give one a channel to both"
            )
        if min(self.size) < 1:
            raise ValueError(f"size {self.size} is not a size in pixels")
        if self.resize is not None and self.resize < 1:
            raise ValueError(f"resize {self.resize} is not a size in pixels")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"unknown interpolation {self.interpolation!r}; choose from {', '.join(INTERPOLATIONS)}"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std} must be positive in every channel")

    @property
    def channels(self) -> int:
        return len(self.mean)

    def crop(self, image: Image.Image) -> Image.Image:
        """The part of `image` that the network sees, as an 8-bit picture of `size`, in the network's colours.

        Raises ValueError for a network that takes no photographs, and for an image too long and narrow to be
        scaled.
        """
        if self.channels not in MODES:
            raise ValueError(
                f"no photograph has {self.channels} channels; the network must take 1 (grey) or 3 (RGB)"
            )
        image = image.convert(MODES[self.channels])
        if (image.height, image.width) == tuple(self.size):
            return image
        if self.resize is not None:
            self._check_scaled(image)
            mode = transforms.InterpolationMode(self.interpolation)
            image = transforms.functional.resize(image, [self.resize], mode)
        return transforms.functional.center_crop(image, list(self.size))

    def tensor(self, image: Image.Image) -> torch.Tensor:
        """The crop as float32 (channels, height, width) in [0, 1]; every value is k/255."""
        pixels = np.array(self.crop(image), dtype=np.uint8)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div(255)

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to the values that the network was trained on."""
        mean, std = (images.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images - mean).div_(std)

    def to_original(self, box: Box, width: int, height: int) -> Box:
        """A box (left, top, right, bottom) in crop pixels, as pixel edges, in a `width` x `height`
        photograph."""
        scale_x, scale_y, left, top = self._geometry(width, height)
        return (
            (box[0] + left) * scale_x,
            (box[1] + top) * scale_y,
            (box[2] + left) * scale_x,
            (box[3] + top) * scale_y,
        )

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict) -> "Preprocessing":
        """ValueError for anything but `to_dict`."""
        try:
            lists = {name: tuple(fields[name]) for name in ("size", "mean", "std")}
            return cls(**{**fields, **lists})
        except (TypeError, KeyError) as error:
            raise ValueError(f"{fields!r} is no preprocessing: {error!r}") from error

    def _geometry(self, width: int, height: int) -> tuple[float, float, int, int]:
        """Original pixels a crop pixel, and where in the scaled picture the crop starts."""
        if (height, width) == tuple(self.size):
            return 1.0, 1.0, 0, 0
        new_width, new_height = self._scaled(width, height)
        left = round((new_width - self.size[1]) / 2)
        top = round((new_height - self.size[0]) / 2)
        if new_width < self.size[1]:
            left = -((self.size[1] - new_width) // 2)
        if new_height < self.size[0]:
            top = -((self.size[0] - new_height) // 2)
        return width / new_width, height / new_height, left, top

    def _check_scaled(self, image: Image.Image) -> None:
        width, height = self._scaled(image.width, image.height)
        if width * height > MAX_SCALED_PIXELS:
            raise ValueError(
                f"an image of {image.width} x {image.height} pixels is too long and narrow: "
                f"with its shorter side scaled to {self.resize} it would have {width} x {height}"
            )

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        if self.resize is None:
            return width, height
        long = int(self.resize * max(width, height) / min(width, height))
        return (self.resize, long) if width <= height else (long, self.resize)
