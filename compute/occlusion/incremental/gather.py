"""Cut recomputed blocks out of feature maps together with what lies around them, by one gather.

A convolution on a block needs the units around it too. Some of them were recomputed (they belong to the same
window's block of the map before), some are those of the clean image, some lie beyond the border. All three
kinds lie in one table, a row of C channels for each place of a map:

    row 0            zeros, the padding of convolutions and of average pooling
    row 1            -infinity, the padding of maximum pooling
    rows 2 …         the clean maps: image by image, row by row of the map
    rows after these the recomputed blocks of the current group of windows ("the tail")

so that one `index_select` makes the input of all windows of a group.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from compute.occlusion.incremental.groups import Group, Region
from compute.occlusion.incremental.regions import AxisBlocks

ZERO_ROW, LOWEST_ROW, FIRST_ROW = 0, 1, 2


@dataclass
class Maps:
    """The table of one node of the graph.

    rows: (2 + images * H * W + most places of blocks, C)
    tail: the first row of the recomputed blocks
    filled: the group whose blocks the tail holds now
    """

    rows: torch.Tensor
    tail: int
    filled: Group | None = field(default=None)

    def fill(self, group: Group, blocks: torch.Tensor) -> None:
        """Write the group's blocks (windows, C, h, w) into the tail, unless they are there already."""
        if self.filled is not group:
            rows = as_rows(blocks)
            self.rows[self.tail : self.tail + len(rows)] = rows
            self.filled = group


def clean_maps(value: torch.Tensor, most: int) -> Maps:
    """Return the table of clean maps (N, C, H, W), with room for `most` places of blocks."""
    clean = as_rows(value)
    rows = value.new_empty(FIRST_ROW + len(clean) + most, clean.shape[1])
    rows[ZERO_ROW], rows[LOWEST_ROW] = 0.0, -torch.inf
    rows[FIRST_ROW : FIRST_ROW + len(clean)] = clean
    return Maps(rows, FIRST_ROW + len(clean))


def as_rows(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (N, C, H, W) as (N * H * W, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def area(blocks: tuple[AxisBlocks, AxisBlocks] | None) -> int:
    return 0 if blocks is None else blocks[0].size * blocks[1].size


def row_indices(
    have: tuple[AxisBlocks, AxisBlocks], wanted: Region, lowest: bool, images: int
) -> torch.Tensor:
    """Return which rows of `Maps.rows` make up the wanted regions.

    have: the recomputed blocks of the map that is read, down and across
    wanted: the regions that are needed of it, down and across; they may pass the border
    lowest: whether the padding is -infinity, not 0
    Returns one number for each image, window and place of a region, in this order.
    """
    (rows, columns), height, width = have, have[0].extent, have[1].extent
    y, dirty_y = _coordinates(wanted[0], rows)
    x, dirty_x = _coordinates(wanted[1], columns)
    # What follows is broadcast over five axes: image, window down and across, place down and across.
    y, dirty_y = (each[None, :, None, :, None] for each in (y, dirty_y))
    x, dirty_x = (each[None, None, :, None, :] for each in (x, dirty_x))
    down, across = len(rows.starts), len(columns.starts)
    image = np.arange(images)[:, None, None, None, None]
    position = (np.arange(down)[:, None] * across + np.arange(across)[None, :])[None, :, :, None, None]
    # Where a place lies among the clean maps …
    clean = FIRST_ROW + (image * height + y) * width + x
    # … and where in the tail, whose blocks lie window by window.
    tail = FIRST_ROW + images * height * width
    block = tail + ((image * down * across + position) * rows.size + dirty_y) * columns.size + dirty_x
    pad_row = LOWEST_ROW if lowest else ZERO_ROW
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    dirty = (dirty_y >= 0) & (dirty_y < rows.size) & (dirty_x >= 0) & (dirty_x < columns.size)
    # A place that the window changes ("dirty") is read from its block, even where the clean map has it too.
    picked = np.where(inside, np.where(dirty, block, clean), pad_row)
    return torch.from_numpy(picked.reshape(-1))


def _coordinates(wanted: tuple[tuple[int, ...], int], have: AxisBlocks) -> tuple[np.ndarray, np.ndarray]:
    """Return, (windows, places) each, coordinates in the map and the same counted from the block's start."""
    places = np.asarray(wanted[0])[:, None] + np.arange(wanted[1])[None, :]
    return places, places - np.asarray(have.starts)[:, None]
