"""From a method's numbers to a picture: 8-bit, in perceptually uniform colours, with the recipe inside the
file.

Clipping at a percentile happens here, for display only; the arrays that methods return are as they were
computed.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from compute.images.encoding import encoded
from compute.images.preprocessing import Box, inside
from compute.images.raster import false_color

SEQUENTIAL, DIVERGING = "magma", "coolwarm"
CLIP = 99.5
GREY = 0.5
COVER = 0.8
MAX_WINDOW_PIXELS = 50_000_000
RAMP = 101
"""Colours of a legend; odd, so that a diverging one has its middle."""

RESULT = "result"


class Drawable(Protocol):
    """What can be drawn of a method's `Step`: its data of some kind, and its pictures by name."""

    @property
    def kind(self) -> str: ...

    @property
    def data(self) -> np.ndarray: ...

    @property
    def pictures(self) -> Mapping[str, np.ndarray]: ...


def picture(step: Drawable) -> np.ndarray:
    """The 8-bit picture of a `Step`'s data: (H, W), (H, W, 3) or (H, W, 4) uint8.

    A step that carries a picture named "result" is shown by it; otherwise the kind of its data decides.
    """
    if RESULT in step.pictures:
        return to_8_bit(step.pictures[RESULT])
    if step.kind == "heatmap":
        return to_8_bit(heatmap(step.data))
    if step.kind == "gradient":
        return to_8_bit(false_color(signed(step.data)))
    channels = step.data.shape[2] if step.data.ndim == 3 else 1
    return to_8_bit(step.data if channels in (1, 3, 4) else false_color(step.data))


def pixels(image: torch.Tensor) -> np.ndarray:
    """A tensor (C, H, W) as an array (H, W, C)."""
    return image.permute(1, 2, 0).cpu().numpy()


def to_8_bit(values: np.ndarray) -> np.ndarray:
    """[0, 1] to 0 … 255, rounded to the nearest; a single last channel is dropped."""
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def heatmap(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """(H, W) of any range as colours (H, W, 3) in [0, 1].

    With negative values: a diverging map, symmetric, 0 in its middle. Otherwise a sequential map from the
    least value to the 99.5 % percentile. low, high: the ends of the scale, where they are known.
    """
    values = np.asarray(values, np.float64)
    if low is None and high is None and values.min() < 0:
        return _colored(signed(values), DIVERGING)
    return _colored(unit_range(values, low, high), SEQUENTIAL)


def ends(values: np.ndarray) -> tuple[float, float]:
    """What the ends of `heatmap`'s scale stand for: least value and 99.5 % percentile, or symmetric about
    0."""
    values = np.asarray(values, np.float64)
    if values.min() < 0:
        scale = _magnitude(values)
        return -scale, scale
    return _limits(values, None, None)


def ramp(low: float) -> tuple[str, ...]:
    """`heatmap`'s colours as #rrggbb at equal steps of a scale that begins at `low`."""
    import matplotlib

    colormap = matplotlib.colormaps[DIVERGING if low < 0 else SEQUENTIAL]
    return tuple(matplotlib.colors.to_hex(colormap(place)) for place in np.linspace(0, 1, RAMP))


def colored_signed(values: np.ndarray) -> np.ndarray:
    """Values (…) in [-1, 1] as colours (…, 3) of the diverging map: 0 neutral, 1 the warm end."""
    return _colored(0.5 + 0.5 * np.clip(values, -1, 1), DIVERGING)


def unit_range(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Linearly to [0, 1]: `low` (the least value) becomes 0, `high` (the 99.5 % percentile) and above become
    1."""
    low, high = _limits(values, low, high)
    return np.clip((values - low) / (high - low), 0, 1)


def signed(values: np.ndarray) -> np.ndarray:
    """Linearly to [0, 1], symmetric about 0, which becomes 0.5; clipped at the 99.5 % percentile of
    |values|."""
    return np.clip(0.5 + 0.5 * values / _magnitude(values), 0, 1)


def overlay(
    image: np.ndarray, values: np.ndarray, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """A heatmap over its image: (H, W, C) in [0, 1] and (H, W) to (H, W, 3) in [0, 1].

    The image is drawn in grey; colour covers it in proportion to the value's place on the scale.
    """
    grey = image.mean(axis=2, keepdims=True)
    weight = np.abs(2 * signed(values) - 1) if values.min() < 0 else unit_range(values, low, high)
    alpha = COVER * weight[..., None]
    return (1 - alpha) * grey + alpha * heatmap(values, low, high)


def seen(image: np.ndarray, box: Box) -> np.ndarray:
    """What a unit with this receptive field sees of the network's crop (H, W, C): see `window`, `inside`."""
    height, width = image.shape[:2]
    return window(image, inside(box, (0, 0, width, height)))


def window(image: np.ndarray, box: Box) -> np.ndarray:
    """(H, W, C) in [0, 1] cut to box (left, top, right, bottom) in pixels, with grey where it passes the
    border."""
    left, top, right, bottom = (round(edge) for edge in box)
    if (pixels := (bottom - top) * (right - left)) > MAX_WINDOW_PIXELS:
        raise ValueError(f"a patch of {pixels:,} pixels is too large: at most {MAX_WINDOW_PIXELS:,} are cut")
    height, width, channels = image.shape
    cut = np.full((bottom - top, right - left, channels), GREY, np.float32)
    y, x = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    cut[y.start - top : y.stop - top, x.start - left : x.stop - left] = image[y, x]
    return cut


def upscaled(image: np.ndarray, shorter_side: int) -> np.ndarray:
    """Nearest neighbour by the least whole factor that makes the shorter side at least `shorter_side`
    pixels."""
    factor = max(1, -(-shorter_side // min(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def tiled(tiles: Sequence[np.ndarray], columns: int, gap: int = 2) -> np.ndarray:
    """Pictures (h, w, 3) of one size in rows of `columns`, `gap` white pixels between them: (H, W, 3)."""
    height, width, channels = tiles[0].shape
    rows = -(-len(tiles) // columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """(H, W, C) in [0, 1] fitted into (side, side, 3), grey around it if it isn't square.

    Smaller ones keep their pixels visible, larger ones are averaged over areas.
    """
    picture = Image.fromarray(to_8_bit(image)).convert("RGB")
    smoothing = Image.Resampling.NEAREST if max(picture.size) <= side else Image.Resampling.BOX
    size = [max(1, round(length * side / max(picture.size))) for length in picture.size]
    fitted = np.asarray(picture.resize(size, smoothing), np.float32) / 255
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    return window(fitted, (-left, -top, side - left, side - top))


def png(image: np.ndarray, text: Mapping[str, str] | None = None) -> bytes:
    """A PNG of uint8 (H, W), (H, W, 3) or (H, W, 4); `text` (such as the recipe) goes into its metadata."""
    recipe = PngInfo()
    for key, value in (text or {}).items():
        recipe.add_itxt(key, value)
    return encoded(Image.fromarray(image), pnginfo=recipe)


def _limits(values: np.ndarray, low: float | None, high: float | None) -> tuple[float, float]:
    low = values.min() if low is None else low
    high = max(np.percentile(values, CLIP), low) if high is None else high
    if high <= low:
        high = values.max() if values.max() > low else low + 1
    return float(low), float(high)


def _magnitude(values: np.ndarray) -> float:
    magnitude = np.abs(values)
    return float(np.percentile(magnitude, CLIP) or magnitude.max() or 1.0)


def _colored(values: np.ndarray, colormap: str) -> np.ndarray:
    import matplotlib

    return matplotlib.colormaps[colormap](values)[..., :3].astype(np.float32)
