"""Where in the image the rows and columns of a map stand, by the middle of what their units see."""

from dataclasses import dataclass

import numpy as np
import torch

from compute.network.layers.sites import is_map
from compute.network.receptive_field.axis import AxisField


@dataclass(frozen=True)
class Centers:
    """The places of a map's H rows and W columns in the crop, as pixel edges: 0 is its border.

    y: (H,) float64
    x: (W,) float64
    """

    y: np.ndarray
    x: np.ndarray


def of_fields(y: AxisField, x: AxisField, height: int, width: int) -> Centers | None:
    """Return the middles of what units see; None where all rows, or all columns, see the same.

    A map of a single unit has no places either: what it says is of the whole image.
    """
    if (height, width) == (1, 1) or not (_moves(y, height) and _moves(x, width)):
        return None
    return Centers(_middles(y, height, y.size), _middles(x, width, x.size))


def of_grid(y: AxisField, x: AxisField, height: int, width: int) -> Centers:
    """Return the middles of the parts of the image that a token grid's rows and columns stand for."""
    return Centers(_middles(y, height, y.stride), _middles(x, width, x.stride))


def of_places(y: torch.Tensor | None, x: torch.Tensor | None) -> Centers | None:
    """Return what `places.follow` found of a map (1, C, H, W); None where it has no rows and columns."""
    if y is None or x is None or not is_map(y, x):
        return None
    return Centers(y[0, 0, :, 0].double().numpy(), x[0, 0, 0].double().numpy())


def _moves(axis: AxisField, length: int) -> bool:
    return length == 1 or axis.stride != 0


def _middles(axis: AxisField, length: int, size: float) -> np.ndarray:
    return axis.offset + axis.stride * np.arange(length, dtype=np.float64) + size / 2
