"""Maps as rows of channels, from which one gather makes a block with its surroundings and padding."""

from dataclasses import dataclass, field

import numpy as np
import torch

from compute.occlusion.incremental.groups import Group, Region
from compute.occlusion.incremental.regions import AxisBlocks

ZERO_ROW, LOWEST_ROW, FIRST_ROW = 0, 1, 2


@dataclass
class Maps:
    """A node's clean maps and the current group's blocks as rows of channels: padding, clean places, block
    places.

    rows: (2 + images * H * W + most block places, C). filled: the group whose blocks are in the tail.
    """

    rows: torch.Tensor
    tail: int
    filled: Group | None = field(default=None)

    def fill(self, group: Group, blocks: torch.Tensor) -> None:
        """Writes the group's blocks (windows, C, h, w) behind the clean places, once."""
        if self.filled is not group:
            rows = as_rows(blocks)
            self.rows[self.tail : self.tail + len(rows)] = rows
            self.filled = group


def clean_maps(value: torch.Tensor, most: int) -> Maps:
    """Of clean maps (N, C, H, W), with room for `most` places of blocks."""
    clean = as_rows(value)
    rows = value.new_empty(FIRST_ROW + len(clean) + most, clean.shape[1])
    rows[ZERO_ROW], rows[LOWEST_ROW] = 0.0, -torch.inf
    rows[FIRST_ROW : FIRST_ROW + len(clean)] = clean
    return Maps(rows, FIRST_ROW + len(clean))


def as_rows(maps: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) as (N * H * W, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def area(blocks: tuple[AxisBlocks, AxisBlocks] | None) -> int:
    return 0 if blocks is None else blocks[0].size * blocks[1].size


def row_indices(
    have: tuple[AxisBlocks, AxisBlocks], wanted: Region, lowest: bool, images: int
) -> torch.Tensor:
    """Rows of `Maps.rows` that make up the wanted regions, image by image, position by position, place by
    place."""
    (rows, columns), height, width = have, have[0].extent, have[1].extent
    y, dirty_y = _coordinates(wanted[0], rows)
    x, dirty_x = _coordinates(wanted[1], columns)
    # axes: image, position down, position across, place down, place across
    y, dirty_y = (each[None, :, None, :, None] for each in (y, dirty_y))
    x, dirty_x = (each[None, None, :, None, :] for each in (x, dirty_x))
    down, across = len(rows.starts), len(columns.starts)
    image = np.arange(images)[:, None, None, None, None]
    position = (np.arange(down)[:, None] * across + np.arange(across)[None, :])[None, :, :, None, None]
    clean = FIRST_ROW + (image * height + y) * width + x
    tail = FIRST_ROW + images * height * width
    block = tail + ((image * down * across + position) * rows.size + dirty_y) * columns.size + dirty_x
    pad_row = LOWEST_ROW if lowest else ZERO_ROW
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    dirty = (dirty_y >= 0) & (dirty_y < rows.size) & (dirty_x >= 0) & (dirty_x < columns.size)
    picked = np.where(inside, np.where(dirty, block, clean), pad_row)
    return torch.from_numpy(picked.reshape(-1))


def _coordinates(wanted: tuple[tuple[int, ...], int], have: AxisBlocks) -> tuple[np.ndarray, np.ndarray]:
    """(positions, places): coordinates in the map, and the same counted from the block's start."""
    places = np.asarray(wanted[0])[:, None] + np.arange(wanted[1])[None, :]
    return places, places - np.asarray(have.starts)[:, None]
