"""A box drawn on a picture, and the units of a network's maps that stand in it.

The box is in fractions of the upright photograph's width and height, so that it is the same on a thumbnail,
on the page and on the file, whatever the network scales and cuts: `Preprocessing` maps it into the crop. A
row of a map belongs to the box where the middle of what its units see does; of a token grid, the middle of
the part of the image that they stand for. Where no row's does, which is so where rows lie further apart than
the box is high, it is the row nearest to the box's middle. Columns likewise.
"""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Self

import numpy as np

from compute.images.preprocessing import Box, Preprocessing
from compute.network.layers.centers import Centers

DIGITS = 6
"""Decimals of a box's fractions: a millionth of the picture."""

Units = tuple[np.ndarray, np.ndarray]
"""The indices of the rows and of the columns of a map that stand in a box."""


@dataclass(frozen=True)
class PictureBox:
    """A rectangle on a picture, in fractions of its width and height: 0 is left and top, 1 right and bottom.

    ValueError for one that is empty, has its sides in the wrong order, or passes the picture.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        said = self.to_text()
        if not all(0 <= edge <= 1 for edge in astuple(self)):
            raise ValueError(
                f"box {said} passes the picture; give fractions of its width and height, each from 0 to 1"
            )
        for first, second in (("left", "right"), ("top", "bottom")):
            low, high = getattr(self, first), getattr(self, second)
            if not low < high:
                raise ValueError(
                    f"box {said} has nothing in it: {first} ({low:g}) must be less than {second} ({high:g})"
                )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read LEFT,TOP,RIGHT,BOTTOM; ValueError for anything but four numbers that make a box."""
        try:
            edges = tuple(round(float(part), DIGITS) + 0.0 for part in text.split(","))
        except ValueError:
            edges = ()
        if len(edges) != 4 or not all(map(math.isfinite, edges)):
            raise ValueError(
                f"box {text!r} is not four numbers; give LEFT,TOP,RIGHT,BOTTOM in fractions of the picture's "
                "width and height, such as 0.25,0.25,0.75,0.75"
            )
        return cls(*edges)

    def to_text(self) -> str:
        """Return the box as `from_text` reads it, in its shortest form."""
        return ",".join(f"{edge:.{DIGITS}f}".rstrip("0").rstrip(".") for edge in astuple(self))

    def on(self, width: float, height: float) -> Box:
        """Return its edges on a picture of this width and height."""
        return self.left * width, self.top * height, self.right * width, self.bottom * height


def box_in_crop(box: PictureBox, preprocessing: Preprocessing, size: tuple[int, int]) -> Box:
    """Return the part of a box that the network sees, in pixels of its crop.

    size: width and height of the photograph.
    ValueError for a box that lies beyond that part.
    """
    height, width = preprocessing.size
    left, top, right, bottom = preprocessing.from_original(box.on(*size), *size)
    seen = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    if not (seen[0] < seen[2] and seen[1] < seen[3]):
        whole = seen_of_picture(preprocessing, size).to_text()
        raise ValueError(
            f"box {box.to_text()} lies beyond what the network sees of this image; choose within {whole}"
        )
    return seen


def seen_of_picture(preprocessing: Preprocessing, size: tuple[int, int]) -> PictureBox:
    """Return what the network sees of a photograph of (width, height) as a box on it."""
    height, width = preprocessing.size
    edges = np.divide(preprocessing.to_original((0, 0, width, height), *size), [*size, *size])
    return PictureBox(*np.round(np.clip(edges, 0, 1), DIGITS).tolist())


def units_in(box: Box, centers: Mapping[str, Centers], size: tuple[int, int]) -> dict[str, Units]:
    """Return the units of each layer that stand in a box of the crop.

    box: edges in pixels of the crop.
    centers: by layer, see `Model.centers`.
    size: height and width of the crop; what stands beyond its border counts as at the border.
    """
    left, top, right, bottom = box
    return {
        layer: (
            _within(found.y.clip(0, size[0]), top, bottom),
            _within(found.x.clip(0, size[1]), left, right),
        )
        for layer, found in centers.items()
    }


def _within(places: np.ndarray, low: float, high: float) -> np.ndarray:
    """The indices of the places from low to high, or of the one nearest to their middle."""
    inside = np.flatnonzero((places >= low) & (places <= high))
    return inside if len(inside) else np.array([np.abs(places - (low + high) / 2).argmin()])
