"""Token grids: the tokens of a transformer or an MLP that stand for places of the image, as a map.

A token grid is a tensor (N, T, C) of T tokens, or (N, H, W, C). Tokens without a place of their own (the
class token, registers) are not in its map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from compute.network.receptive_field.axis import PLACES, AxisField

EVEN = 0.26
"""How far the rows or columns of a grid may be from evenly spaced ones, as a share of their distance: where
an odd number of rows is merged in pairs, the last one stands for a single row."""

MOVED = 1e-2
"""Pixels by which two places differ at least."""


@dataclass(frozen=True)
class Grid:
    """A token grid's rows and columns.

    order: the tokens of the cells, row by row.
    y, x: the part of the image that each row or column stands for, in pixels.
    ndim: of the tensor, 3 or 4.
    """

    rows: int
    columns: int
    order: tuple[int, ...]
    y: AxisField
    x: AxisField
    ndim: int

    @property
    def of_any_size(self) -> bool:
        """Whether it is read the same way for images of any size."""
        return self.ndim == 4 and self.order == tuple(range(len(self.order)))

    @property
    def how(self) -> tuple[int, int, int | tuple[int, ...]] | None:
        """What `as_map` needs; None where rows and columns are dimensions already."""
        if self.of_any_size:
            return None
        first = self.order[0]
        if self.order == tuple(range(first, first + len(self.order))):
            return self.rows, self.columns, first
        return self.rows, self.columns, self.order


def as_map(values: torch.Tensor, how: tuple | None) -> torch.Tensor:
    """(N, T, C) or (N, H, W, C) -> (N, C, rows, columns). how: of its `Grid`."""
    if how is None:
        return values.permute(0, 3, 1, 2)
    rows, columns, order = how
    tokens = values.flatten(1, -2)
    if isinstance(order, int):
        cells = tokens[:, order : order + rows * columns]
    else:
        cells = tokens[:, torch.tensor(order, device=values.device)]
    return cells.transpose(1, 2).unflatten(2, (rows, columns))


def with_map(values: torch.Tensor, maps: torch.Tensor, how: tuple | None) -> torch.Tensor:
    """`values` with what `as_map` took out of them put back, so that a gradient goes through the map."""
    if how is None:
        return maps.permute(0, 2, 3, 1)
    rows, columns, order = how
    places = range(order, order + rows * columns) if isinstance(order, int) else order
    index = torch.tensor(tuple(places), device=values.device)
    tokens = values.flatten(1, -2).index_copy(1, index, maps.flatten(2).transpose(1, 2))
    return tokens.reshape(values.shape)


def find_grid(y: torch.Tensor, x: torch.Tensor, size: Sequence[int]) -> Grid | None:
    """The grid of a tensor (1, T, C) or (1, H, W, C) whose entries stand at y and x of an image.

    y, x: of the tensor's shape, in pixels; NaN for what has no place.
    size: height and width of the image.
    Returns None where its tokens are no full grid of at least two cells, or lie in windows, each an entry of
    the batch.
    """
    ndim = y.ndim
    if (
        ndim not in (3, 4)
        or len(y) != 1
        or not y.numel()
        or not (_is_same_of_channels(y) and _is_same_of_channels(x))
    ):
        return None
    y, x = (each[0, ..., 0].flatten().double().round(decimals=3) for each in (y, x))
    there = (~(y.isnan() | x.isnan())).nonzero().flatten()
    tops, row = y[there].unique(return_inverse=True)
    lefts, column = x[there].unique(return_inverse=True)
    if len(there) < 2 or len(tops) * len(lefts) != len(there):
        return None
    cell, order = (row * len(lefts) + column).sort()
    along_y, along_x = _cells(tops.tolist(), size[0]), _cells(lefts.tolist(), size[1])
    if along_y is None or along_x is None or not torch.equal(cell, torch.arange(len(there))):
        return None
    return Grid(len(tops), len(lefts), tuple(there[order].tolist()), along_y, along_x, ndim)


def _is_same_of_channels(places: torch.Tensor) -> bool:
    first = places[..., :1]
    if places.stride(-1) == 0:
        return True
    return bool(((places - first).abs() < MOVED).logical_or(places.isnan() & first.isnan()).all())


def _cells(middles: list[float], extent: int) -> AxisField | None:
    """What each row or column stands for, by their middles; None where these are not evenly spaced."""
    step = (middles[-1] - middles[0]) / (len(middles) - 1) if len(middles) > 1 else float(extent)
    even = [middles[0] + index * step for index in range(len(middles))]
    if any(abs(one - other) > EVEN * step for one, other in zip(middles, even, strict=True)):
        return None
    return AxisField(max(1, round(step)), step, round(middles[0] - step / 2, PLACES))
