"""How much work a pass of a network is, by counting: the same on every machine, and at every visit."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

VALUE = 300
"""Multiply-adds that take as long as bringing one value of a convolution's output to memory and back.

Fitted to input gradients on a CPU of EfficientNet-Lite0, MobileNetV2, ResNet-18 and a small network, whose
seconds follow from it within 10 %: those of few multiply-adds, with depthwise convolutions, are bound by
memory.
"""


class Counting(TorchDispatchMode):
    """Counts what convolutions and matrix products do while it is entered.

    multiply_adds: of all of them.
    values: how many they give.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = self.values = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else PyTorch imports its compiler, a second of every start, to be sure not to compile this.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        operations = flop_registry.get(func._overloadpacket)
        if operations is not None:
            # One multiplication and one addition each.
            self.multiply_adds += operations(*args, **(kwargs or {}), out_val=result) // 2
            tensors = torch.utils._pytree.tree_leaves(result)
            self.values += sum(each.numel() for each in tensors if isinstance(each, torch.Tensor))
        return result


def work(run: Callable[[], Any]) -> int:
    """Return the work of what `run` runs, in multiply-adds, with that of memory traffic as multiply-adds."""
    with torch.no_grad(), Counting() as counting:
        run()
    return counting.multiply_adds + VALUE * counting.values
