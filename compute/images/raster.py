"""Images that Pillow has no mode for: any number of channels, 8 bits or finer. And how such channels are
shown."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

PAGES = "PAGES"
"""Of three channels that are the grey pages of a TIFF file; any other picture is taken as RGB."""

COLORS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, PAGES: 3}
"""What the channels of a picture can be, by Pillow's names, each with how many they are."""

WHITE = 1.0
LEVELS = 255


@dataclass(frozen=True, eq=False)
class Raster:
    """pixels: (H, W, C), uint8, or float32 in [0, 1]."""

    pixels: np.ndarray

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        return self.pixels.shape[2]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow has it."""
        return self.width, self.height

    def resized(self, size: tuple[int, int], resample: Image.Resampling) -> "Raster":
        """Scaled to `size` (width, height), each channel by itself, as Pillow scales a grey picture."""
        planes = [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(self.pixels[:, :, channel])).resize(size, resample)
            )
            for channel in range(self.channels)
        ]
        pixels = np.stack(planes, axis=2)
        # Bicubic filters overshoot; Pillow clips 8-bit values itself.
        return Raster(pixels if pixels.dtype == np.uint8 else pixels.clip(0, 1))

    def window(self, left: int, top: int, size: tuple[int, int], fill: tuple[float, ...]) -> "Raster":
        """`size` (width, height) pixels from (left, top) on; `fill`, one value in [0, 1] a channel, where
        there is no image."""
        width, height = size
        scale = LEVELS if self.pixels.dtype == np.uint8 else 1
        filled = np.broadcast_to(np.multiply(fill, scale), (height, width, self.channels))
        cut = (filled.round() if scale > 1 else filled).astype(self.pixels.dtype)
        y = slice(max(top, 0), max(min(top + height, self.height), 0))
        x = slice(max(left, 0), max(min(left + width, self.width), 0))
        cut[y.start - top : y.stop - top, x.start - left : x.stop - left] = self.pixels[y, x]
        return Raster(cut)

    def values(self) -> np.ndarray:
        """(H, W, C) float32 in [0, 1]."""
        return self.pixels.astype(np.float32) / LEVELS if self.pixels.dtype == np.uint8 else self.pixels


Photograph = Image.Image | Raster
"""A decoded image file: a picture of 8 bits in one of COLORS, or what Pillow has no mode for."""


def shown(photograph: Photograph) -> Image.Image:
    """An 8-bit grey or RGB picture to look at: transparent parts on white, other channels as
    `false_color`."""
    if isinstance(photograph, Raster):
        values = false_color(photograph.values())
        levels = np.rint(values.clip(0, 1) * LEVELS).astype(np.uint8)
        return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    if photograph.mode in ("LA", "RGBA"):
        white = Image.new("RGBA", photograph.size, "white")
        return Image.alpha_composite(white, photograph.convert("RGBA")).convert("RGB")
    return photograph if photograph.mode in ("L", "RGB") else photograph.convert("RGB")


def false_color(values: np.ndarray, colors: str | None = None) -> np.ndarray:
    """(H, W, C) in [0, 1] as grey (H, W, 1) or red, green and blue (H, W, 3).

    colors: one of COLORS: transparent parts are laid on white, inks are turned into light. None: channels
    without a meaning; the first three are shown as red, green and blue. Of two, the first is shown as red,
    the second as green and blue, so that grey means that they are equal.
    """
    channels = values.shape[2]
    if colors in ("LA", "RGBA"):
        alpha = values[..., -1:]
        return values[..., :-1] * alpha + WHITE * (1 - alpha)
    if colors == "CMYK":
        return (1 - values[..., :3]) * (1 - values[..., 3:])
    return values[..., [0, 1, 1]] if channels == 2 else values[..., : min(channels, 3)]
