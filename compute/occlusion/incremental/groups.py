"""Groups of windows that run as one batch, and what each instruction reads for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from torch import fx

from compute.occlusion.incremental.plan import AxisPlan, segments
from compute.occlusion.incremental.program import Instruction, Program, WholeMap, Windowed
from compute.occlusion.incremental.regions import AxisBlocks

Positions = tuple[int, ...]
Grid = tuple[Positions, Positions]
"""Windows at every one of some rows and every one of some columns."""

Region = tuple[tuple[tuple[int, ...], int], tuple[tuple[int, ...], int]]
"""(starts, length) along each axis."""


@dataclass(frozen=True, eq=False)
class Group:
    """Windows that run as one batch: every one of some rows at every one of some columns.

    y, x: their plans down and across
    stage: the stage of a coarse-to-fine map that they belong to
    """

    y: AxisPlan
    x: AxisPlan
    stage: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y.positions), len(self.x.positions)

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def is_whole(self, node: fx.Node) -> bool:
        return node not in self.y.blocks or (self.y.blocks[node].whole and self.x.blocks[node].whole)

    def blocks(self, node: fx.Node) -> tuple[AxisBlocks, AxisBlocks] | None:
        return (self.y.blocks[node], self.x.blocks[node]) if node in self.y.blocks else None

    def halves(self) -> "tuple[Group, Group]":
        """Return two groups of half the windows each, cut across the longer axis."""
        down, across = self.shape
        if down >= across:
            half = down // 2
            return replace(self, y=self.y.part(0, half)), replace(self, y=self.y.part(half, down))
        half = across // 2
        return replace(self, x=self.x.part(0, half)), replace(self, x=self.x.part(half, across))


def groups_of(
    program: Program,
    starts: tuple[Positions, Positions],
    patch: int,
    stages: Sequence[Sequence[Grid]],
    most: int,
) -> list[Group]:
    """Groups of at most `most` windows, stage after stage. starts: first pixels of the windows along both
    axes."""

    @cache
    def along(axis: int, positions: Positions) -> list[AxisPlan]:
        return segments(program, axis, starts[axis], patch, positions)

    whole = [
        Group(y, x, stage)
        for stage, grids in enumerate(stages)
        for rows, columns in grids
        for y in along(0, rows)
        for x in along(1, columns)
    ]
    return [part for group in whole for part in parts(group, most)]


def parts(group: Group, most: int) -> list[Group]:
    """Return the group in pieces of at most `most` windows."""
    if len(group) <= max(1, most):
        return [group]
    return [part for half in group.halves() for part in parts(half, most)]


def wanted_of(each: Instruction, group: Group) -> dict[fx.Node, Region | None]:
    """Return the region that an instruction reads of each of its inputs.

    A region is (starts, length) along each axis; None where it is the recomputed block itself.
    """
    return {node: _region(node, each, group) for node in each.inputs}


def _region(node: fx.Node, each: Instruction, group: Group) -> Region | None:
    have = group.blocks(node)
    if have is None or (isinstance(each, Windowed) and runs_whole(each, group)):
        return None
    if isinstance(each, WholeMap):
        y, x = (((0,) * len(axis.starts), axis.extent) for axis in have)
    else:
        y, x = (_read(each, axis, blocks) for axis, blocks in enumerate(group.blocks(each.output)))
    return None if (y, x) == tuple((axis.starts, axis.size) for axis in have) else (y, x)


def _read(each: Instruction, axis: int, blocks: AxisBlocks) -> tuple[tuple[int, ...], int]:
    if not isinstance(each, Windowed):
        return blocks.starts, blocks.size
    reads = [each.windows[axis].read(start, blocks.size) for start in blocks.starts]
    return tuple(start for start, _ in reads), reads[0][1]


def runs_whole(each: Windowed, group: Group) -> bool:
    pair = group.blocks(each.inputs[0])
    return pair is None or all(axis.whole for axis in (*pair, *group.blocks(each.output)))
