"""Which block of which map a group of window positions recomputes, along one axis at a time.

Positions are grouped into a few segments an axis, so that the blocks of one group are of one size and run as
one batch. The segments are chosen by least work.
"""

from dataclasses import dataclass
from functools import cache

from torch import fx

from compute.occlusion.incremental.program import Pointwise, Program, WholeMap, Windowed, extent
from compute.occlusion.incremental.regions import AxisBlocks, cover, union

DENSE_ABOVE = 0.9
# More segments need fewer multiply-adds, but run in smaller batches.
MAX_SEGMENTS = 3
POSITIONS_A_SEGMENT = 3
# Places among the positions, sorted by their work, where a segment may begin.
MAX_CUTS = 24


@dataclass(frozen=True)
class AxisPlan:
    """What is recomputed for some windows along one axis.

    positions: indices of the windows among the axis's window starts
    blocks: by node; nodes that have no map, and what comes behind them, are missing
    """

    positions: tuple[int, ...]
    blocks: dict[fx.Node, AxisBlocks]

    def part(self, first: int, last: int) -> "AxisPlan":
        """Return the plan with the same blocks for some of the windows."""
        blocks = {
            node: AxisBlocks(each.starts[first:last], each.size, each.extent)
            for node, each in self.blocks.items()
        }
        return AxisPlan(self.positions[first:last], blocks)


def axis_plan(
    program: Program, axis: int, starts: tuple[int, ...], patch: int, positions: tuple[int, ...]
) -> AxisPlan:
    """Return the blocks of every map for the windows [start, start + patch) at `positions` of `starts`.

    axis: 0 is down, 1 is across
    """
    size = extent(program.start)[axis]
    windows = [(starts[each], min(starts[each] + patch, size)) for each in positions]
    blocks = {program.start: cover(windows, size, 2.0)}
    for each in program.instructions:
        if (made := _blocks(each, axis, blocks)) is not None:
            blocks[each.output] = made
    return AxisPlan(positions, blocks)


def segments(
    program: Program, axis: int, starts: tuple[int, ...], patch: int, positions: tuple[int, ...]
) -> list[AxisPlan]:
    """At most `MAX_SEGMENTS` groups of `positions` with the least sum of recomputed units, by recursion.

    Blocks of one group are of one size, wherever they lie, so positions are grouped in the order of their own
    work: the two borders go together, and so do the places in the middle.
    """

    @cache
    def plan(first: int, last: int) -> AxisPlan:
        return axis_plan(program, axis, starts, patch, tuple(sorted(order[first:last])))

    @cache
    def cost(first: int, last: int) -> float:
        return (last - first) * _work(program, plan(first, last))

    @cache
    def best(first: int, groups: int) -> tuple[float, tuple[tuple[int, int], ...]]:
        whole = (cost(first, count), ((first, count),))
        if groups == 1 or first == cuts[-1]:
            return whole
        splits = (
            (cost(first, cut) + best(cut, groups - 1)[0], ((first, cut), *best(cut, groups - 1)[1]))
            for cut in cuts
            if cut > first
        )
        return min(whole, *splits)

    alone = {each: _work(program, axis_plan(program, axis, starts, patch, (each,))) for each in positions}
    order = sorted(positions, key=alone.__getitem__)
    count = len(order)
    most = max(1, min(MAX_SEGMENTS, count // POSITIONS_A_SEGMENT))
    cuts = (
        sorted({round(count * each / MAX_CUTS) for each in range(MAX_CUTS)})
        if count > MAX_CUTS
        else range(count)
    )
    return [plan(first, last) for first, last in best(0, most)[1]]


def _blocks(
    each: Windowed | Pointwise | WholeMap, axis: int, blocks: dict[fx.Node, AxisBlocks]
) -> AxisBlocks | None:
    shape = extent(each.output)
    if isinstance(each, WholeMap) or any(node not in blocks for node in each.inputs):
        return None if shape is None else AxisBlocks(_origins(blocks), shape[axis], shape[axis])
    if isinstance(each, Pointwise):
        return union([blocks[node] for node in each.inputs], DENSE_ABOVE)
    window = each.windows[axis]
    touched = [window.touched(start, end, shape[axis]) for start, end in blocks[each.inputs[0]].intervals()]
    return cover(touched, shape[axis], DENSE_ABOVE)


def _origins(blocks: dict[fx.Node, AxisBlocks]) -> tuple[int, ...]:
    return (0,) * len(next(iter(blocks.values())).starts)


def _work(program: Program, plan: AxisPlan) -> float:
    """Multiply-adds a position, taking the other axis' block to be of the same share of its map."""
    total = 0.0
    for each in program.instructions:
        if isinstance(each, Windowed) and each.output in plan.blocks:
            block = plan.blocks[each.output]
            height, width = extent(each.output)
            total += each.macs_a_unit * height * width * (block.size / block.extent) ** 2
    return total
