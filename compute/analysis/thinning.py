"""Which points of a plane have room for a picture each, level of detail by level of detail.

At level z no two points that are shown are closer than 1 / (ACROSS * 2^z) in x and in y, so that squares of
that side about them don't overlap, and there is room for no further point. What a level shows, all finer ones
show: a picture never goes when one zooms in. Which of several points is shown follows from their order alone,
so it doesn't flicker as the view moves.

A level is filled by squares of the spacing's side, which are of four kinds, by the parity of row and column:
those of one kind are a spacing apart, and are decided at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

ACROSS = 8
"""Pictures that fit side by side at level 0, and in a tile at any level, which is 1 / 2^z wide."""

DEEPEST = 12
"""The finest level there is: 32,768 pictures side by side."""

LARGEST_PLANE = 2**24
"""Squares that a level may have at most to be all kept in memory (64 MB); of more, those that have points."""

NEVER = 255
"""Stands for the level of a point that has no room at the finest one either."""

SPREAD = np.uint32(2654435769)
"""2^32 over the golden ratio: its multiples take the points in an order that is even over all of them."""

BITS = 16
"""Of a coordinate in a point's place along the curve."""


@dataclass(frozen=True, eq=False)
class Thinned:
    """Points, each with the level from which it is shown; those of a square of the plane are found at once.

    level: (n,) uint8, NEVER where it isn't
    order, places: (n,) indices of points along a Z-curve, and where on it they are
    """

    level: np.ndarray
    order: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> "Thinned":
        """Thin points (n, 2) that lie in the unit square, up to but without 1."""
        places = _along_curve((points * 2**BITS).astype(np.uint32))
        order = np.argsort(places, kind="stable").astype(np.int32)
        level = np.empty(len(points), np.uint8)
        # What is near in the plane is then near in memory, which makes it several times as fast.
        level[order] = _first_levels(points[order], order.astype(np.uint32) * SPREAD)
        return cls(level, order, places[order])

    @property
    def deepest(self) -> int:
        """Return the finest level that shows more than the one before."""
        shown = self.level[self.level != NEVER]
        return int(shown.max(initial=0))

    def tile(self, level: int, column: int, row: int) -> np.ndarray:
        """Return the indices, ascending, of the points that `level` shows in one of its tiles.

        column, row: below 2^level each
        ValueError for a level or tile that is not there.
        """
        if not 0 <= level <= self.deepest:
            raise ValueError(f"level {level} is not in 0..{self.deepest}")
        if not (0 <= column < 2**level and 0 <= row < 2**level):
            raise ValueError(f"no tile {column}, {row} at level {level}")
        corner = np.array([[column, row]], np.uint32) << np.uint32(BITS - level)
        start = int(_along_curve(corner)[0])
        first, last = np.searchsorted(self.places, [start, start + 4 ** (BITS - level)])
        within = self.order[first:last]
        return np.sort(within[self.level[within] <= level])

    def shown(self, level: int) -> np.ndarray:
        """Return the indices, ascending, of all points that a level shows."""
        return np.flatnonzero(self.level <= level)


def _first_levels(points: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return the level (n,) uint8 from which each point (n, 2) is shown; the least rank goes first."""
    level = np.full(len(points), NEVER, np.uint8)
    for z in range(DEEPEST + 1):
        _fill(points, rank, level, z)
        if (level != NEVER).all():
            break
    return level


def _fill(points: np.ndarray, rank: np.ndarray, level: np.ndarray, z: int) -> None:
    """Set the level of those points that `z` is the first to show."""
    squares = ACROSS << z
    across = squares + 2  # a border saves asking whether a neighbor is there
    column, row = (np.floor(points * squares).astype(np.int64) + 1).T
    square = row * across + column
    place, places = _numbered(square, across * across)
    taken = np.full(places, -1, np.int32)
    before = np.flatnonzero(level != NEVER)
    taken[place(square[before])] = before
    left = np.flatnonzero(level == NEVER)
    kind = (row[left] & 1) * 2 + (column[left] & 1)
    for each in range(4):
        free = left[kind == each]
        for down, right in product((0, -1, 1), repeat=2):
            other = taken[place(square[free] + down * across + right)]
            there = np.flatnonzero(other >= 0)
            apart = np.abs(points[free[there]] - points[other[there]])
            free = np.delete(free, there[(apart[:, 0] < 1 / squares) & (apart[:, 1] < 1 / squares)])
        last_first = free[np.argsort(rank[free])[::-1]]
        own = place(square[last_first])
        taken[own] = last_first  # of several in a square the one that is written last stays
        level[taken[own]] = z


def _numbered(square: np.ndarray, squares: int) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Return where what is known of a square is kept, and how many such places there are.

    A square without points has the last place, which stays empty, where there are too many for one each.
    """
    if squares <= LARGEST_PLANE:
        return lambda asked: asked, squares
    known = np.append(np.unique(square), squares)

    def place(asked: np.ndarray) -> np.ndarray:
        found = np.searchsorted(known, asked)
        return np.where(known[found] == asked, found, len(known) - 1)

    return place, len(known)


def _along_curve(cells: np.ndarray) -> np.ndarray:
    """Return the place (n,) uint64 on the Z-curve of cells (n, 2): their bits, x and y in turn."""
    spread = cells.astype(np.uint64)
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
    return spread[:, 0] | (spread[:, 1] << np.uint64(1))
