"""Scores of one or more images with a window replaced, for every window, computing only what the window
changes."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import fx

from compute.network.traced import TracedNetwork, is_tensor
from compute.occlusion.incremental.dense import drop, run_whole, with_last_reads
from compute.occlusion.incremental.gather import Maps, area, clean_maps, row_indices
from compute.occlusion.incremental.groups import (
    Grid,
    Group,
    Positions,
    Region,
    groups_of,
    parts,
    runs_whole,
    wanted_of,
)
from compute.occlusion.incremental.program import (
    Instruction,
    Program,
    WholeMap,
    Windowed,
    compile_program,
    extent,
)
from compute.runtime.batches import is_out_of_memory

BATCH = 64
"""Windows that run together once every map is whole: wide linear layers are bound by reading their
weights."""

MOST_INDICES = 2**24
"""Gather indices kept for the next image: 128 MiB."""

Found = tuple[Positions, Positions, torch.Tensor]


class IncrementalInference:
    """Windows of `patch` pixels at `ys` x `xs` over images of the size that the network was traced with.

    stages: in which order, each some products of indices into `ys` and `xs`; every window occurs in one of
    them. batch: most windows that are kept at once. The plan belongs to the geometry alone and serves every
    image.
    """

    def __init__(
        self,
        network: TracedNetwork,
        ys: tuple[int, ...],
        xs: tuple[int, ...],
        patch: int,
        stages: Sequence[Sequence[Grid]] | None = None,
        batch: int | None = None,
    ):
        self.program: Program = compile_program(network)
        self.ys, self.xs, self.batch = ys, xs, batch or BATCH
        stages = stages or [[(tuple(range(len(ys))), tuple(range(len(xs))))]]
        self.groups = groups_of(self.program, (ys, xs), patch, stages, self.batch)
        head, tail = _split(self.program, self.groups)
        self._head, self._tail = with_last_reads(head, tail), with_last_reads(tail, ())
        self._indices: dict[tuple, torch.Tensor] = {}
        self._indices_kept = 0
        self._sources = self._gather_sources()

    @property
    def share(self) -> float:
        """Multiply-adds of all windows over those of running every window densely: what caps the speed-up."""
        done = sum(len(group) * self._macs(group) for group in self.groups)
        return done / (len(self.ys) * len(self.xs) * self._macs(None))

    def logits(self, images: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
        """(N, rows, columns, classes) for normalised `images` (N, C, H, W) and `fill`, broadcastable to
        them."""
        result = None
        for ys, xs, scores in chain.from_iterable(self.batches(images, fill)):
            if result is None:
                result = scores.new_empty(len(images), len(self.ys), len(self.xs), scores.shape[-1])
            result[:, torch.tensor(ys)[:, None], torch.tensor(xs)] = scores
        return result

    def batches(self, images: torch.Tensor, fill: torch.Tensor) -> Iterator[list[Found]]:
        """Batch after batch, none across stages: positions down, positions across, scores (N, down, across,
        classes).

        Where memory runs out, groups are halved and the work goes on; with a single window the error stands.
        """
        groups, maps = self._with_clean_maps(images.contiguous(memory_format=torch.channels_last))
        fill = fill.expand_as(images)
        queue, most = deque(groups), self.batch
        while queue:
            taken = _take(queue, most, len(images))
            try:
                with torch.inference_mode():
                    found = self._run(taken, maps, fill)
            except RuntimeError as error:
                windows = sum(map(len, taken))
                if windows == 1 or not is_out_of_memory(error):
                    raise
                most = max(1, windows // 2)
                queue.extendleft(reversed(taken))
                continue
            yield found

    def _with_clean_maps(self, images: torch.Tensor) -> tuple[list[Group], dict[fx.Node, Maps]]:
        """The clean maps with room for the blocks of the largest group; groups are halved until they fit."""
        groups = self.groups
        while True:
            try:
                with torch.inference_mode():
                    return groups, self._clean_maps(images, groups)
            except RuntimeError as error:
                most = max(map(len, groups))
                if most == 1 or not is_out_of_memory(error):
                    raise
            groups = [part for group in groups for part in parts(group, most // 2)]

    def _clean_maps(self, images: torch.Tensor, groups: list[Group]) -> dict[fx.Node, Maps]:
        values, maps = {self.program.start: images}, dict[fx.Node, Maps]()
        self._keep_clean(self.program.start, images, maps, groups)
        for each, done in self._head:
            values[each.output] = run_whole(each, values)
            self._keep_clean(each.output, values[each.output], maps, groups)
            drop(values, done)
        return maps

    def _keep_clean(
        self, node: fx.Node, value: torch.Tensor, maps: dict[fx.Node, Maps], groups: list[Group]
    ) -> None:
        if node in self._sources:
            most = max(len(group) * area(group.blocks(node)) for group in groups)
            maps[node] = clean_maps(value, len(value) * most)

    def _run(self, groups: list[Group], maps: dict[fx.Node, Maps], fill: torch.Tensor) -> list[Found]:
        """Each group by itself while its blocks are of its own size, all together from there on."""
        heads = [self._run_head(group, maps, fill) for group in groups]
        values = {node: torch.cat([each[node] for each in heads]) for node in heads[0]}
        del heads
        for each, done in self._tail:
            values[each.output] = run_whole(each, values)
            drop(values, done)
        scores = values[self.program.end].split([len(fill) * len(group) for group in groups])
        return [
            (group.y.positions, group.x.positions, each.view(len(fill), *group.shape, -1))
            for group, each in zip(groups, scores, strict=True)
        ]

    def _run_head(
        self, group: Group, maps: dict[fx.Node, Maps], fill: torch.Tensor
    ) -> dict[fx.Node, torch.Tensor]:
        """Values that the tail reads, for all windows of the group."""
        values = {self.program.start: self._filled_windows(group, fill)}
        for each, done in self._head:
            values[each.output] = self._apply(each, group, values, maps, len(fill))
            drop(values, done)
        return values

    def _apply(self, each: Instruction, group: Group, values: dict, maps: dict, images: int) -> torch.Tensor:
        wanted = wanted_of(each, group)
        inputs = [
            values[node]
            if wanted[node] is None
            else self._gather(node, wanted[node], each, group, values[node], maps[node], images)
            for node in each.inputs
        ]
        if isinstance(each, Windowed):
            return each.whole(*inputs) if runs_whole(each, group) else each.valid(*inputs)
        return each.run(*inputs)

    def _gather(
        self,
        node: fx.Node,
        wanted: Region,
        each: Instruction,
        group: Group,
        value: torch.Tensor,
        maps: Maps,
        images: int,
    ) -> torch.Tensor:
        """The wanted region of a node's map: recomputed block over clean surroundings over padding."""
        maps.fill(group, value)
        lowest = isinstance(each, Windowed) and each.pad_value != 0
        indices = self._row_indices((node, wanted, group, lowest, images), maps.rows.device)
        height, width = wanted[0][1], wanted[1][1]
        return (
            maps.rows.index_select(0, indices)
            .view(images * len(group), height, width, -1)
            .permute(0, 3, 1, 2)
        )

    def _row_indices(self, key: tuple, device: torch.device) -> torch.Tensor:
        """On the network's device, where they stay for the next image."""
        node, wanted, group, lowest, images = key
        if key in self._indices:
            return self._indices[key]
        indices = row_indices(group.blocks(node), wanted, lowest, images).to(device)
        if self._indices_kept + len(indices) <= MOST_INDICES:
            self._indices[key] = indices
            self._indices_kept += len(indices)
        return indices

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
            for node, wanted in wanted_of(each, group).items()
            if wanted is not None
        }

    def _macs(self, group: Group | None) -> float:
        """Multiply-adds of one window; of a whole pass where group is None."""
        return sum(_macs(each, group) for each in self.program.instructions)


def _macs(each: Instruction, group: Group | None) -> float:
    if not isinstance(each, Windowed):
        return each.macs if isinstance(each, WholeMap) else 0.0
    blocks = None if group is None else group.blocks(each.output)
    return each.macs_a_unit * (math.prod(extent(each.output)) if blocks is None else area(blocks))


def _take(queue: deque[Group], most: int, images: int) -> list[Group]:
    """The next groups of one stage: pieces of at most `most` windows, as many as fill a batch of the tail."""
    taken: list[Group] = []
    stage = queue[0].stage
    while queue and queue[0].stage == stage and (not taken or sum(map(len, taken)) * images < most):
        while len(queue[0]) > most:
            queue.extendleft(reversed(queue.popleft().halves()))
        taken.append(queue.popleft())
    return taken


def _split(program: Program, groups: list[Group]) -> tuple[tuple[Instruction, ...], tuple[Instruction, ...]]:
    """Head and tail: the tail begins where everything that is still read is one whole tensor for every
    group."""
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
