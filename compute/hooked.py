"""The network run as it is, for those that can't be traced: activations are read by forward hooks.

A hook is there only while one forward pass runs, and clones what it sees, since an in-place operation behind a
convolution would change the recorded tensor (captum#156). Passes through one network take turns.
"""

import threading
from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch import nn

from compute.graph import FEATURES, LOGITS, PRE


class HookedNetwork:
    """Same interface as `TracedNetwork.run`, without knowing what lies between the layers.

    A layer's tap is the raw convolution, receptive fields are unknown, "features" is the last linear layer's input.
    """

    graph = None

    def __init__(self, module: nn.Module, example: torch.Tensor):
        self.module = module
        self.convolutions = {name: each for name, each in module.named_modules() if isinstance(each, nn.Conv2d)}
        linears = [each for each in module.modules() if isinstance(each, nn.Linear)]
        if not linears:
            raise ValueError("the network can't be traced and has no linear layer to take features from")
        self.last_linear = linears[-1]
        self._lock = threading.Lock()
        with torch.inference_mode():
            self.shapes = {name: tuple(value.shape) for name, value in self.run(example, self.convolutions).items()}

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        wanted, seen = set(sites), {}
        with self._lock, ExitStack() as hooks:
            for name in wanted - {LOGITS, FEATURES}:
                self._listen(hooks, name, seen)
            if FEATURES in wanted:
                handle = self.last_linear.register_forward_pre_hook(lambda _, args: seen.update(features=args[0]))
                hooks.callback(handle.remove)
            seen[LOGITS] = self.module(inputs)
        return {name: seen[name] for name in wanted}

    def _listen(self, hooks: ExitStack, site: str, seen: dict[str, torch.Tensor]) -> None:
        name = site.partition(PRE)[0]
        if name not in self.convolutions:
            raise ValueError(f"unknown layer {name!r}; choose from {', '.join(self.convolutions)}")
        handle = self.convolutions[name].register_forward_hook(
            lambda _, __, output: seen.update({site: output.clone()})
        )
        hooks.callback(handle.remove)
