"""The logits that a network's own softmax or sigmoid is given, of networks that can't be traced.

What comes out of a softmax is 0 or 1 where the network is sure, and has no slope there; what goes in has.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from compute.network.outputs.meanings import LOG_PROBABILITIES, PROBABILITIES, SIGMOID
from compute.network.outputs.output import Output

CALLS = {
    PROBABILITIES: {"softmax", "log_softmax"},
    LOG_PROBABILITIES: {"softmax", "log_softmax"},
    SIGMOID: {"sigmoid", "sigmoid_", "expit"},
}
"""By what a network returns: PyTorch's functions and methods that make it of logits."""

SAME = 5e-3
"""How far a network's probabilities may be from the squashed logits, behind casts to half precision and
clamps."""


class BeforeSquashing(TorchFunctionMode):
    """While a network runs: keeps what the last call of a softmax or sigmoid is given."""

    def __init__(self, output: Output):
        super().__init__()
        self.output, self.names = output, CALLS.get(output.applied, set())
        self.given: torch.Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") in self.names and args and isinstance(args[0], torch.Tensor):
            self.given = args[0].clone() if func.__name__.endswith("_") else args[0]
        return func(*args, **(kwargs or {}))

    def logits(self, returned: Any) -> tuple[torch.Tensor, bool]:
        """(N, classes) scores of what the network has just returned, and whether they are the network's own
        logits: those before its last softmax or sigmoid where that made what it returned, else what its
        numbers say.
        """
        raw, given, self.given = self.output.raw(returned), self.given, None
        if not self.names:
            return self.output.logits(raw), True
        if given is None or given.numel() != raw.numel() or not given.is_floating_point():
            return self.output.logits(raw), False
        before = given.reshape(-1, self.output.count)
        if not self._squash_to(before.detach(), raw.detach()):
            return self.output.logits(raw), False
        return self.output.completed(before), True

    def _squash_to(self, before: torch.Tensor, raw: torch.Tensor) -> bool:
        found = before.sigmoid() if self.output.applied == SIGMOID else before.softmax(1)
        raw = raw.exp() if self.output.applied == LOG_PROBABILITIES else raw
        return bool(((found.float() - raw.float()).abs() <= SAME).all())
