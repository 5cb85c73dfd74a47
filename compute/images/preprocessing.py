"""From an image to the network's input, and from a place in that input back to the image."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from compute.images.decoding import MAX_PIXELS
from compute.images.raster import COLORS, Photograph, Raster, false_color
from compute.images.reading import Form, fitting, read

if TYPE_CHECKING:
    import torch

Box = tuple[float, float, float, float]
INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")
CROP, LETTERBOX, SQUASH = "crop", "letterbox", "squash"
FITS = (CROP, LETTERBOX, SQUASH)
# A strip a pixel wide would grow to gigabytes before it is cropped.
MAX_SCALED_PIXELS = 50_000_000
MAX_INPUT_VALUES = 3 * 4096 * 4096
"""Of a network's input: 4,096 x 4,096 pixels in three channels. A store may name any size."""


@dataclass(frozen=True)
class Preprocessing:
    """Scale to `resize`, cut `size` out of the centre, normalise by `mean` and `std`: (value - mean) / std.

    The same steps as torchvision's `ImageClassification` preset and timm's evaluation. An image that already
    has the network's input size is taken as it is: what a method saved at that size is seen again pixel for
    pixel.

    size: (height, width) of the crop in pixels.
    resize: what is scaled to, in pixels; None: nothing is scaled. One number: the shorter side, as
        torchvision's `Resize`. (height, width): a box that the scaled image fills, as `fit` says.
    mean, std: one value a channel, for values in [0, 1].
    interpolation: one of INTERPOLATIONS; pictures are smoothed before they shrink.
    fit: how an image fills the box. "crop": its aspect ratio is kept, and both sides are at least the
        box's. "letterbox": the ratio is kept, and both sides are at most the box's. "squash": both are.
    pad: one value in [0, 1] a channel, for what lies outside of the scaled image; None: black, as
        torchvision has it, and the mean for a letterbox.
    colors, value_max, value_range: what a file's channels and values mean (`compute.images.reading.Form`).
    """

    size: tuple[int, int]
    resize: int | tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    fit: str = CROP
    pad: tuple[float, ...] | None = None
    colors: str | None = None
    value_max: int | None = None
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean has {len(self.mean)} values and std {len(self.std)}; give one a channel to both"
            )
        check_input_size(self.size, len(self.mean))
        if self.resize is not None and np.min(self.resize) < 1:
            raise ValueError(f"resize {self.resize} is not a size in pixels")
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        check_choice("fit", self.fit, FITS)
        if self.fit != CROP and self.resize is not None and self._box is None:
            raise ValueError(f"resize {self.resize} is one side; {self.fit} needs height and width")
        check_deviations(self.std)
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            raise ValueError(f"mean {self.mean} and std {self.std} must be finite numbers")
        if self.pad is not None and (
            len(self.pad) != self.channels or not all(0 <= v <= 1 for v in self.pad)
        ):
            raise ValueError(f"pad {self.pad} is not {self.channels} values in [0, 1], one a channel")
        if self.colors is not None:
            check_choice("colors", self.colors, tuple(COLORS))
            if COLORS[self.colors] != self.channels:
                raise ValueError(
                    f"{self.colors} has {COLORS[self.colors]} channels, but mean and std have "
                    f"{self.channels} values"
                )
        check_values(self.value_max, self.value_range)

    @property
    def channels(self) -> int:
        return len(self.mean)

    @property
    def form(self) -> Form:
        """What the network takes of a file."""
        return Form(self.channels, self.colors, self.value_max, self.value_range)

    def read(self, data: bytes, max_pixels: int = MAX_PIXELS) -> Photograph:
        """The upright image in a file's bytes, of which `tensor` makes the network's input. Raises ValueError
        with the reason for what can't be read or doesn't fit the network."""
        return read(data, self.form, max_pixels)

    def crop(self, image: Photograph) -> Photograph:
        """The part of `image` that the network sees, of `size`, with the network's channels.

        Raises ValueError for an image of other channels, and for one too long and narrow to be scaled.
        """
        image = self._taken(image)
        if (image.height, image.width) == tuple(self.size):
            return image
        width, height = self._scaled(image.width, image.height)
        if self.resize is not None:
            self._check_scaled(image)
            image = self._resized(image, (height, width))
        return self._window(image, *self._offset(width, height))

    def tensor(self, image: Photograph) -> "torch.Tensor":
        """The crop as float32 (channels, height, width) in [0, 1]; every value is k/255 where the image has 8
        bits."""
        import torch

        crop = self.crop(image)
        if isinstance(crop, Raster) and crop.pixels.dtype != np.uint8:
            return torch.from_numpy(crop.pixels).permute(2, 0, 1).contiguous()
        pixels = np.array(crop.pixels if isinstance(crop, Raster) else crop, dtype=np.uint8)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255)

    def normalize(self, images: "torch.Tensor", dtype: "torch.dtype | None" = None) -> "torch.Tensor":
        """(N, C, H, W) in [0, 1] to the values that the network was trained on.

        dtype: of the result, the images' own where it is None. Computed in float64 for float64, else in
        float32, and rounded once: half precision loses no more than the result's last bit."""
        import torch

        dtype = dtype or images.dtype
        exact = torch.promote_types(torch.promote_types(images.dtype, dtype), torch.float32)
        images = images.to(exact)
        mean, std = (images.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (images - mean).div_(std).to(dtype)

    def shown(self, image: "torch.Tensor") -> np.ndarray:
        """(C, H, W) in [0, 1] to look at: (H, W, 1) or (H, W, 3), see `raster.false_color`."""
        return false_color(image.detach().permute(1, 2, 0).float().cpu().numpy(), self.colors)

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

    def from_original(self, box: Box, width: int, height: int) -> Box:
        """A box in pixels of a `width` x `height` photograph in crop pixels: the reverse of `to_original`."""
        scale_x, scale_y, left, top = self._geometry(width, height)
        return (
            box[0] / scale_x - left,
            box[1] / scale_y - top,
            box[2] / scale_x - left,
            box[3] / scale_y - top,
        )

    def seen_box(self, box: Box, width: int, height: int) -> Box:
        """A unit's receptive field in a `width` x `height` photograph, no larger than the crop."""
        crop_height, crop_width = self.size
        return inside(box, self.to_original((0, 0, crop_width, crop_height), width, height))

    def in_words(self) -> str:
        """Return what is done to an image before the crop and to its channels, for people."""
        box = "nothing is scaled" if self.resize is None else _IN_WORDS[self.fit].format(_sides(self.resize))
        if self.resize is not None and self._box is None:
            box = f"cut from a shorter side of {self.resize}"
        said = [f"{_sides(self.size)} pixels, {box}", f"{self.interpolation}"]
        if self.channels not in (1, 3) or self.colors:
            said.append(f"{self.channels} channels" + (f" ({self.colors})" if self.colors else ""))
        if self.value_max is not None:
            said.append(f"white is {self.value_max}")
        if self.value_range is not None:
            said.append(f"values from {self.value_range[0]:g} to {self.value_range[1]:g}")
        return ", ".join(said)

    def to_dict(self) -> dict:
        """Ready for JSON; what is as ever is left out, so that a store's fingerprint stays."""
        return {
            name: value for name, value in asdict(self).items() if name not in LATER or value != LATER[name]
        }

    @classmethod
    def from_dict(cls, fields: dict) -> "Preprocessing":
        """ValueError for anything but `to_dict`."""
        try:
            lists = {name: tuple(fields[name]) for name in ("size", "mean", "std")}
            lists |= {
                name: tuple(fields[name])
                for name in MAYBE_LISTS
                if isinstance(fields.get(name), list | tuple)
            }
            return cls(**{**fields, **lists})
        except (TypeError, KeyError) as error:
            raise ValueError(f"{fields!r} is no preprocessing: {error!r}") from error

    @property
    def _box(self) -> tuple[int, int] | None:
        """(height, width) that is to be filled."""
        return self.resize if isinstance(self.resize, tuple) else None

    @property
    def _fill(self) -> tuple[float, ...]:
        black = (0.0,) * self.channels
        return self.pad or (
            tuple(min(max(v, 0.0), 1.0) for v in self.mean) if self.fit == LETTERBOX else black
        )

    def _taken(self, image: Photograph) -> Photograph:
        """With as many channels as the network takes."""
        if isinstance(image, Raster):
            return (
                image if image.channels == self.channels else Raster(fitting(image.pixels, None, self.form))
            )
        mode = self.form.mode or {2: "LA", 4: "RGBA"}.get(self.channels)
        if mode is None:
            raise ValueError(f"no picture has {self.channels} channels; give an array or a file that has")
        return image if image.mode == mode else image.convert(mode)

    def _resized(self, image: Photograph, size: tuple[int, int]) -> Photograph:
        """size: (height, width)."""
        resampling, corner = Image.Resampling[self.interpolation.upper()], size[::-1]
        return (
            image.resized(corner, resampling)
            if isinstance(image, Raster)
            else image.resize(corner, resampling)
        )

    def _window(self, image: Photograph, left: int, top: int) -> Photograph:
        """`size` pixels from (left, top) on, filled up outside of the image."""
        height, width = self.size
        if isinstance(image, Raster):
            return image.window(left, top, (width, height), self._fill)
        levels = tuple(round(255 * value) for value in self._fill)
        canvas = Image.new(image.mode, (width, height), levels[0] if len(levels) == 1 else levels)
        canvas.paste(image, (-left, -top))
        return canvas

    def _geometry(self, width: int, height: int) -> tuple[float, float, int, int]:
        """Original pixels a crop pixel, and where in the scaled picture the crop starts."""
        if (height, width) == tuple(self.size):
            return 1.0, 1.0, 0, 0
        new_width, new_height = self._scaled(width, height)
        left, top = self._offset(new_width, new_height)
        return width / new_width, height / new_height, left, top

    def _offset(self, width: int, height: int) -> tuple[int, int]:
        """Where in the scaled picture the crop starts, from the left and from the top; as torchvision's
        `center_crop`, negative where the crop is larger."""
        spare = (width - self.size[1], height - self.size[0])
        left, top = (round(each / 2) if each >= 0 else -(-each // 2) for each in spare)
        return left, top

    def _check_scaled(self, image: Photograph) -> None:
        width, height = self._scaled(image.width, image.height)
        if width * height > MAX_SCALED_PIXELS:
            raise ValueError(
                f"an image of {image.width} x {image.height} pixels is too long and narrow: "
                f"scaled to {self.resize} it would have {width} x {height}"
            )

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before the crop."""
        if self.resize is None:
            return width, height
        if isinstance(self.resize, int):
            long = int(self.resize * max(width, height) / min(width, height))
            return (self.resize, long) if width <= height else (long, self.resize)
        if self.fit == SQUASH:
            return self.resize[1], self.resize[0]
        ratios = height / self.resize[0], width / self.resize[1]
        ratio = min(ratios) if self.fit == CROP else max(ratios)
        return max(1, round(width / ratio)), max(1, round(height / ratio))


LATER = {each.name: each.default for each in fields(Preprocessing) if each.name not in
         ("size", "resize", "mean", "std", "interpolation")}  # fmt: skip
"""What was added to Preprocessing since stores are made, with the values that mean what was done before."""

MAYBE_LISTS = ("resize", "pad", "value_range")


_IN_WORDS = {
    CROP: "cut from a picture that covers {}",
    LETTERBOX: "the whole picture fitted into {}",
    SQUASH: "stretched to {}",
}


def inside(box: Box, bounds: Box) -> Box:
    """A box (left, top, right, bottom) that ends at the bounds on each axis where it passes both of them.

    Where it passes one of them it stays: what lies beyond says that a unit is at the border.
    """
    left, top, right, bottom = box
    if left < bounds[0] and right > bounds[2]:
        left, right = bounds[0], bounds[2]
    if top < bounds[1] and bottom > bounds[3]:
        top, bottom = bounds[1], bounds[3]
    return left, top, right, bottom


def _sides(sides: int | tuple[int, int]) -> str:
    height, width = (sides, sides) if isinstance(sides, int) else sides
    return f"{height} x {width}"


def are_sides(sides: Iterable[object]) -> bool:
    """Return whether all of these may be a side in pixels."""
    return all(isinstance(side, Integral) and int(side) >= 1 for side in sides)


def check_input_size(size: tuple[int, int], channels: int) -> None:
    """Raise ValueError for a (height, width) that is none, or has too many values in so many channels."""
    if len(size) != 2 or not are_sides(size):
        raise ValueError(f"size {size} is not a size in pixels")
    values = size[0] * size[1] * channels
    if values > MAX_INPUT_VALUES:
        raise ValueError(
            f"an input of {_sides(size)} pixels in {channels} channel{'s' * (channels != 1)} has "
            f"{values:,} values, and at most {MAX_INPUT_VALUES:,} are taken"
        )


def check_values(value_max: int | None, value_range: tuple[float, float] | None) -> None:
    """Raise ValueError for a white or a range that no file can have."""
    if value_max is not None and value_max < 1:
        raise ValueError(f"value_max {value_max} must be at least 1")
    if value_range is not None and not -math.inf < value_range[0] < value_range[1] < math.inf:
        raise ValueError(f"value_range {value_range} must be two finite numbers, the lower one first")


def check_deviations(std: tuple[float, ...]) -> None:
    """Raise ValueError for standard deviations by which nothing can be divided."""
    if min(std) <= 0:
        raise ValueError(f"std {std} must be positive in every channel")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError for a value that is not among the choices."""
    if value not in choices:
        raise ValueError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
