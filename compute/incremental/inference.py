"""Scores of one or more images with a window replaced, for every window, computing only what the window changes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import fx

from compute.graph import TracedNetwork
from compute.incremental.plan import AxisPlan, segments
from compute.incremental.program import Dense, Instruction, Program, Windowed, compile_program, extent, is_tensor
from compute.incremental.regions import AxisBlocks

ZERO_ROW, LOWEST_ROW, FIRST_ROW = 0, 1, 2
# Once every map is whole, groups run on together: wide linear layers are bound by reading their weights.
TAIL_BATCH = 64


@dataclass(frozen=True)
class Group:
    """Window positions that run as one batch: the product of a vertical and a horizontal segment."""

    y: AxisPlan
    x: AxisPlan

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y.positions), len(self.x.positions)

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def is_whole(self, node: fx.Node) -> bool:
        return node not in self.y.blocks or (self.y.blocks[node].whole and self.x.blocks[node].whole)

    def blocks(self, node: fx.Node) -> tuple[AxisBlocks, AxisBlocks] | None:
        return (self.y.blocks[node], self.x.blocks[node]) if node in self.y.blocks else None


@dataclass
class _Maps:
    """A node's clean maps and the current group's blocks as rows of channels: padding, clean places, block places.

    rows: (2 + images * H * W + most block places, C). filled: the group whose blocks are in the tail.
    """

    rows: torch.Tensor
    tail: int
    filled: Group | None = field(default=None)


class IncrementalInference:
    """Windows of `patch` pixels at `ys` x `xs` over images of the size that the network was traced with.

    The plan belongs to the geometry alone and is used again for every image.
    """

    def __init__(self, network: TracedNetwork, ys: tuple[int, ...], xs: tuple[int, ...], patch: int):
        self.program: Program = compile_program(network)
        self.ys, self.xs, self.patch = ys, xs, patch
        rows = segments(self.program, 0, ys, patch)
        columns = segments(self.program, 1, xs, patch)
        self.groups = [Group(y, x) for y in rows for x in columns]
        head, tail = _split(self.program, self.groups)
        self._head, self._tail = _with_last_reads(head, tail), _with_last_reads(tail, ())
        self._indices: dict[tuple, torch.Tensor] = {}
        self._sources = self._gather_sources()

    @property
    def share(self) -> float:
        """Multiply-adds of all windows over those of running every window densely: what caps the speed-up."""
        done = sum(len(group) * self._macs(group) for group in self.groups)
        return done / (len(self.ys) * len(self.xs) * self._macs(None))

    def logits(self, images: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
        """(N, rows, columns, classes) for normalised `images` (N, C, H, W) and `fill`, broadcastable to them."""
        result = None
        for ys, xs, scores in self.steps(images, fill):
            if result is None:
                result = scores.new_empty(len(images), len(self.ys), len(self.xs), scores.shape[-1])
            result[:, ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = scores
        return result

    def steps(
        self, images: torch.Tensor, fill: torch.Tensor
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], torch.Tensor]]:
        """One group after the other: positions down, positions across, scores (N, down, across, classes)."""
        with torch.inference_mode():
            images = images.contiguous(memory_format=torch.channels_last)
            maps = self._clean_maps(images)
            fill = fill.expand_as(images)
        waiting: list[tuple[Group, dict[fx.Node, torch.Tensor]]] = []
        for group in self.groups:
            with torch.inference_mode():
                waiting.append((group, self._run_head(group, maps, fill)))
            if group is self.groups[-1] or sum(len(each) for each, _ in waiting) * len(images) >= TAIL_BATCH:
                with torch.inference_mode():
                    finished = self._run_tail(waiting, len(images))
                yield from finished
                waiting = []

    def _clean_maps(self, images: torch.Tensor) -> dict[fx.Node, _Maps]:
        values, maps = {self.program.start: images}, {}
        self._keep_clean(self.program.start, images, maps)
        for each, done in self._head:
            values[each.output] = _run_whole(each, values)
            self._keep_clean(each.output, values[each.output], maps)
            _drop(values, done)
        return maps

    def _keep_clean(self, node: fx.Node, value: torch.Tensor, maps: dict[fx.Node, _Maps]) -> None:
        if node not in self._sources:
            return
        clean = _rows(value)
        most = max(len(value) * len(group) * _area(group.blocks(node)) for group in self.groups)
        rows = value.new_empty(FIRST_ROW + len(clean) + most, clean.shape[1])
        rows[ZERO_ROW], rows[LOWEST_ROW] = 0.0, -torch.inf
        rows[FIRST_ROW : FIRST_ROW + len(clean)] = clean
        maps[node] = _Maps(rows, FIRST_ROW + len(clean))

    def _run_head(self, group: Group, maps: dict[fx.Node, _Maps], fill: torch.Tensor) -> dict[fx.Node, torch.Tensor]:
        """Values that the tail reads, for all windows of the group."""
        values = {self.program.start: self._filled_windows(group, fill)}
        for each, done in self._head:
            values[each.output] = self._apply(each, group, values, maps, len(fill))
            _drop(values, done)
        return values

    def _run_tail(
        self, waiting: list[tuple[Group, dict[fx.Node, torch.Tensor]]], images: int
    ) -> list[tuple[tuple[int, ...], tuple[int, ...], torch.Tensor]]:
        values = {node: torch.cat([each[node] for _, each in waiting]) for node in waiting[0][1]}
        for each, done in self._tail:
            values[each.output] = _run_whole(each, values)
            _drop(values, done)
        scores = values[self.program.end].split([images * len(group) for group, _ in waiting])
        return [
            (group.y.positions, group.x.positions, each.view(images, *group.shape, -1))
            for (group, _), each in zip(waiting, scores, strict=True)
        ]

    def _apply(self, each: Instruction, group: Group, values: dict, maps: dict, images: int) -> torch.Tensor:
        wanted = _wanted(each, group)
        inputs = [
            values[node]
            if wanted[node] is None
            else self._gather(node, wanted[node], each, group, values[node], maps[node], images)
            for node in each.inputs
        ]
        if isinstance(each, Windowed):
            return each.whole(*inputs) if _runs_whole(each, group) else each.valid(*inputs)
        return each.run(*inputs)

    def _gather(self, node, wanted, each, group, value, maps: _Maps, images: int) -> torch.Tensor:
        """The wanted region of a node's map: recomputed block over clean surroundings over padding."""
        if maps.filled is not group:
            block = _rows(value)
            maps.rows[maps.tail : maps.tail + len(block)] = block
            maps.filled = group
        pad_row = LOWEST_ROW if isinstance(each, Windowed) and each.pad_value else ZERO_ROW
        key = (node, wanted, id(group), pad_row, images)
        if key not in self._indices:
            self._indices[key] = _row_indices(group.blocks(node), wanted, pad_row, images)
        height, width = wanted[0][1], wanted[1][1]
        picked = maps.rows.index_select(0, self._indices[key].to(maps.rows.device))
        return picked.view(images * len(group), height, width, -1).permute(0, 3, 1, 2)

    def _filled_windows(self, group: Group, fill: torch.Tensor) -> torch.Tensor:
        """(images * positions, C, patch, patch): what stands in each window."""
        rows, columns = group.blocks(self.program.start)
        windows = [
            fill[:, :, y : y + rows.size, x : x + columns.size] for y in rows.starts for x in columns.starts
        ]
        stacked = torch.stack(windows, 1).flatten(0, 1)
        return stacked.contiguous(memory_format=torch.channels_last)

    def _gather_sources(self) -> set[fx.Node]:
        return {
            node
            for group in self.groups
            for each, _ in self._head
            for node, wanted in _wanted(each, group).items()
            if wanted is not None
        }

    def _macs(self, group: Group | None) -> float:
        """Multiply-adds of one window; of a whole pass where group is None."""
        return sum(
            each.macs_a_unit * (np.prod(extent(each.output)) if group is None else _area(group.blocks(each.output)))
            for each in self.program.instructions
            if isinstance(each, Windowed)
        )


def _split(program: Program, groups: list[Group]) -> tuple[tuple[Instruction, ...], tuple[Instruction, ...]]:
    """Head and tail: the tail begins where everything that is still read is one whole tensor for every group."""
    instructions = program.instructions
    first = next(
        first
        for first in range(len(instructions) + 1)
        if all(
            is_tensor(node) and all(group.is_whole(node) for group in groups)
            for node in _read_across(instructions, first) or {program.end}
        )
    )
    return instructions[:first], instructions[first:]


def _read_across(instructions: tuple[Instruction, ...], first: int) -> set[fx.Node]:
    """Nodes made before instruction `first` and read by it or later."""
    made = {each.output for each in instructions[first:]}
    return {node for each in instructions[first:] for node in each.inputs} - made


def _run_whole(each: Instruction, values: dict[fx.Node, torch.Tensor]) -> torch.Tensor:
    inputs = [values[node] for node in each.inputs]
    return each.whole(*inputs) if isinstance(each, Windowed) else each.run(*inputs)


def _drop(values: dict[fx.Node, torch.Tensor], nodes: set[fx.Node]) -> None:
    for node in nodes:
        del values[node]


def _with_last_reads(
    now: tuple[Instruction, ...], later: tuple[Instruction, ...]
) -> list[tuple[Instruction, set[fx.Node]]]:
    """Each instruction of `now` with the inputs that nothing reads after it."""
    read = {node for each in later for node in each.inputs}
    paired = []
    for each in reversed(now):
        paired.append((each, set(each.inputs) - read))
        read |= set(each.inputs)
    return paired[::-1]


Region = tuple[tuple[tuple[int, ...], int], tuple[tuple[int, ...], int]]


def _wanted(each: Instruction, group: Group) -> dict[fx.Node, Region | None]:
    """For each input: the region that the instruction reads, (starts, length) an axis, or None if it is the block."""
    return {node: _region(node, each, group) for node in each.inputs}


def _region(node: fx.Node, each: Instruction, group: Group) -> Region | None:
    have = group.blocks(node)
    if have is None or (isinstance(each, Windowed) and _runs_whole(each, group)):
        return None
    if isinstance(each, Dense):
        wanted = tuple(((0,) * len(axis.starts), axis.extent) for axis in have)
    else:
        wanted = tuple(_read(each, axis, blocks) for axis, blocks in enumerate(group.blocks(each.output)))
    return None if wanted == tuple((axis.starts, axis.size) for axis in have) else wanted


def _read(each: Instruction, axis: int, blocks: AxisBlocks) -> tuple[tuple[int, ...], int]:
    if not isinstance(each, Windowed):
        return blocks.starts, blocks.size
    reads = [each.windows[axis].read(start, blocks.size) for start in blocks.starts]
    return tuple(start for start, _ in reads), reads[0][1]


def _runs_whole(each: Windowed, group: Group) -> bool:
    pair = group.blocks(each.inputs[0])
    return pair is None or all(axis.whole for axis in (*pair, *group.blocks(each.output)))


def _rows(maps: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) as (N * H * W, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _area(blocks: tuple[AxisBlocks, AxisBlocks] | None) -> int:
    return 0 if blocks is None else blocks[0].size * blocks[1].size


def _row_indices(have: tuple[AxisBlocks, AxisBlocks], wanted: Region, pad_row: int, images: int) -> torch.Tensor:
    """Rows of `_Maps.rows` that make up the wanted regions, image by image, position by position, place by place."""
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
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    dirty = (dirty_y >= 0) & (dirty_y < rows.size) & (dirty_x >= 0) & (dirty_x < columns.size)
    picked = np.where(inside, np.where(dirty, block, clean), pad_row)
    return torch.from_numpy(picked.reshape(-1))


def _coordinates(wanted: tuple[tuple[int, ...], int], have: AxisBlocks) -> tuple[np.ndarray, np.ndarray]:
    """(positions, places): coordinates in the map, and the same counted from the block's start."""
    places = np.asarray(wanted[0])[:, None] + np.arange(wanted[1])[None, :]
    return places, places - np.asarray(have.starts)[:, None]
