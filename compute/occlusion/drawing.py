"""Occlusion maps as pictures: one palette and one polarity, wherever a map was computed.

    change = score with the patch - score without it,     color = ramp(change / reach)

Red is where the patch costs the class its score, so what lay there speaks for the class; blue is where it
raises it; neutral is the score without a patch. The scale is symmetric about that. It reaches as far as the
greatest change, and never less than `LEAST_REACH`: a map of a hundredth of a point looks like nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compute.images.pictures import COVER, colored_signed, ramp

PROBABILITY, LOGIT, ARGMAX = "probability", "logit", "argmax"

LEAST_REACH = {PROBABILITY: 0.05, LOGIT: 0.2}
"""The least change that either end of the scale stands for: 5 points. 0.2 of a logit is as much at 50 %."""

UNITS = {PROBABILITY: (100, "points"), LOGIT: (1, "logits")}
"""What a change is multiplied with where it is said, and the unit that it then has."""

MINUS = "\N{MINUS SIGN}"
SMALLEST = {PROBABILITY: 0.0005, LOGIT: 0.005}
"""Changes below that are said to be none: they would be written as 0."""


OVER = 0.55
"""How far the colors of classes cover the image."""


@dataclass(frozen=True)
class Scale:
    """What the colors of a map of one score mean.

    value: the score, PROBABILITY or LOGIT.
    least, greatest: change of the score over all places, in its own unit.
    """

    value: str
    least: float
    greatest: float

    @classmethod
    def of(cls, value: str, changes: np.ndarray) -> "Scale":
        """Return the scale of a map's changes, whatever their shape."""
        return cls(value, float(changes.min()), float(changes.max()))

    @property
    def reach(self) -> float:
        """The change that either end of the scale stands for."""
        return max(LEAST_REACH[self.value], -self.least, self.greatest)

    @property
    def unit(self) -> str:
        """What a change is said in."""
        return UNITS[self.value][1]

    @property
    def legend(self) -> tuple[tuple[str, ...], float, float]:
        """The colors at equal steps from the lowest change to the greatest, and these two in `unit`."""
        end = UNITS[self.value][0] * self.reach
        return ramp(-1)[::-1], -end, end

    @property
    def in_words(self) -> str:
        """How far the score falls and rises, such as "at most -3.5 points, +0.2", with a minus sign."""
        factor, unit = UNITS[self.value]
        smallest, digits = SMALLEST[self.value], 1 if self.value == PROBABILITY else 2
        fall = f"{MINUS}{-factor * self.least:.{digits}f} {unit}" if self.least <= -smallest else ""
        rise = f"+{factor * self.greatest:.{digits}f}" if self.greatest >= smallest else ""
        if not fall and not rise:
            return f"nowhere by as much as {factor * 2 * smallest:g} {unit}"
        return f"at most {fall}, {rise}" if fall and rise else f"at most {fall or f'{rise} {unit}'}"

    def colors(self, changes: np.ndarray) -> np.ndarray:
        """Return changes of any shape (…) as colors (…, 3) in [0, 1]."""
        return colored_signed(-changes / self.reach)

    def over(self, image: np.ndarray, changes: np.ndarray) -> np.ndarray:
        """Return changes (H, W) over an image (H, W, C) in [0, 1]: (H, W, 3) in [0, 1].

        The image is drawn in grey; color covers it in proportion to the change.
        """
        cover = COVER * np.clip(np.abs(changes) / self.reach, 0, 1)[..., None]
        grey = image.mean(axis=2, keepdims=True)
        return (1 - cover) * grey + cover * self.colors(changes)


@dataclass(frozen=True, eq=False)
class Shading:
    """One map of an image, ready to be drawn.

    value: what was measured: PROBABILITY, LOGIT or ARGMAX.
    values: (rows, cols), one at each place of the patch.
    unoccluded: the score without the patch; of classes it says nothing.
    ys, xs: centers of the rows and columns of patches, in pixels; that of the first pixel is at 0.
    """

    value: str
    values: np.ndarray
    unoccluded: float
    ys: np.ndarray
    xs: np.ndarray

    @property
    def changes(self) -> np.ndarray:
        """How far the score is from the unoccluded one, (rows, cols)."""
        return self.values - np.float32(self.unoccluded)

    @property
    def scale(self) -> Scale | None:
        """What the colors mean; None where they are classes."""
        return None if self.value == ARGMAX else Scale.of(self.value, self.changes)

    def picture(self, size: tuple[int, int], image: np.ndarray | None = None) -> np.ndarray:
        """Return the map as (H, W, 3) in [0, 1], alone or over an image.

        size: (H, W).
        image: (H, W, C) in [0, 1].
        """
        if self.scale is not None:
            changes = at_pixels(self.changes, self.ys, self.xs, size)
            return self.scale.colors(changes) if image is None else self.scale.over(image, changes)
        classes = class_colors(at_pixels(self.values, self.ys, self.xs, size))
        if image is None:
            return classes
        return (1 - OVER) * image.mean(axis=2, keepdims=True) + OVER * classes


def at_pixels(values: np.ndarray, ys: np.ndarray, xs: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Spread values (rows, cols) over pixels (H, W): each takes that of the nearest patch center.

    ys, xs: centers of the rows and columns of patches; the center of the first pixel is at 0.
    size: height and width.
    """
    rows, cols = (_nearest(each, length) for each, length in zip((ys, xs), size, strict=True))
    return np.ascontiguousarray(values[np.ix_(rows, cols)])


def _nearest(centers: np.ndarray, length: int) -> np.ndarray:
    """Return, for each of `length` pixels, which of the rising centers is nearest; of two, the first."""
    return np.abs(np.arange(length)[:, None] - centers[None]).argmin(1)


def class_colors(classes: np.ndarray) -> np.ndarray:
    """Return (H, W) of class indices as colors (H, W, 3) in [0, 1]."""
    hues = class_hues(classes)
    return np.array([hues[index] for index in classes.ravel().tolist()], np.float32).reshape(
        *classes.shape, 3
    )


def class_hues(classes: np.ndarray) -> dict[int, tuple[float, float, float]]:
    """Return the color of each class that occurs, (red, green, blue) in [0, 1], the commonest class first.

    The ten commonest have colors of their own.
    """
    import matplotlib

    palette = matplotlib.colormaps["tab10"](np.arange(10))[:, :3].tolist()
    commonest = Counter(classes.ravel().tolist()).most_common()
    return {index: tuple(palette[place % len(palette)]) for place, (index, _) in enumerate(commonest)}
