"""The traced network as one dense pass with batch norms folded and channels last: the same scores, sooner."""

from collections.abc import Sequence

import torch
from torch import fx

from compute.occlusion.incremental.program import Instruction, Program, Windowed

Read = tuple[Instruction, set[fx.Node]]


def folded_logits(program: Program, images: torch.Tensor) -> torch.Tensor:
    """Return (N, classes) for normalised images (N, C, H, W) of the size the network was traced with."""
    values = {program.start: images.contiguous(memory_format=torch.channels_last)}
    for each, done in with_last_reads(program.instructions, ()):
        values[each.output] = run_whole(each, values)
        drop(values, done)
    return values[program.end]


def run_whole(each: Instruction, values: dict[fx.Node, torch.Tensor]) -> torch.Tensor:
    """Run an instruction on whole maps."""
    inputs = [values[node] for node in each.inputs]
    return each.whole(*inputs) if isinstance(each, Windowed) else each.run(*inputs)


def drop(values: dict[fx.Node, torch.Tensor], nodes: set[fx.Node]) -> None:
    """Forget the values of these nodes, so that their memory is free."""
    for node in nodes:
        del values[node]


def with_last_reads(now: Sequence[Instruction], later: Sequence[Instruction]) -> list[Read]:
    """Pair each instruction of `now` with those of its inputs that nothing reads after it."""
    read = {node for each in later for node in each.inputs}
    paired = []
    for each in reversed(now):
        paired.append((each, set(each.inputs) - read))
        read |= set(each.inputs)
    return paired[::-1]
