"""The network run as it is, for those that can't be traced: activations are read by forward hooks.

A hook is there only while one forward pass runs. It hands on a copy of what it records, since an in-place
operation behind a convolution would change the recorded tensor (captum#156). Passes through one network take
turns.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import torch
from torch import nn

from compute.network.traced import FEATURES, LOGITS, PRE
from compute.runtime.suggestions import did_you_mean

Recorded = dict[str, torch.Tensor]


class HookedNetwork:
    """Same `run` as `TracedNetwork`, without knowing what lies between the layers.

    A layer's value is the raw convolution's, of its first call; a softmax that is not a module stays in the
    logits; receptive fields are unknown.
    """

    graph = None

    def __init__(self, module: nn.Module, example: torch.Tensor):
        self.module = module
        self._lock = threading.Lock()
        self._named = dict(module.named_modules())
        self._called = self._calls(example)
        kinds = [(name, self._named[name]) for name in self._called]
        self.convolutions = {name: each for name, each in kinds if isinstance(each, nn.Conv2d)}
        weighted = [name for name, each in kinds if isinstance(each, nn.Linear | nn.Conv2d)]
        if not weighted:
            raise ValueError(f"{type(module).__name__} has neither a linear layer nor a convolution")
        self._classifier = weighted[-1]
        self._softmax = next(
            (name for name, each in kinds[-1:] if isinstance(each, nn.Softmax | nn.LogSoftmax)), None
        )
        with torch.no_grad():
            self._shapes = {
                name: tuple(value.shape) for name, value in self.run(example, self.convolutions).items()
            }

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> Recorded:
        """Values of `sites` for normalised `inputs` (N, C, H, W)."""
        wanted, seen = set(sites), {}
        with self._lock, ExitStack() as hooks:
            for site in wanted - {LOGITS, FEATURES}:
                hooks.callback(
                    self.convolution(site.partition(PRE)[0])
                    .register_forward_hook(_record_output(seen, site))
                    .remove
                )
            if FEATURES in wanted:
                hooks.callback(self._hook_input(self._classifier, seen, FEATURES).remove)
            if self._softmax:
                hooks.callback(self._hook_input(self._softmax, seen, LOGITS).remove)
            scores = self.module(inputs)
        seen.setdefault(LOGITS, scores)
        if FEATURES in wanted:
            seen[FEATURES] = self._pooled(seen[FEATURES])
        return {site: seen[site] for site in wanted}

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, in the order in which they run."""
        return tuple(self.convolutions)

    def convolution(self, name: str) -> nn.Conv2d:
        """A layer's module; raises ValueError for a name that is not a layer."""
        if name not in self.convolutions:
            raise ValueError(f"unknown layer {name!r}{did_you_mean(name, self.names)}")
        return self.convolutions[name]

    def tap(self, name: str) -> str:
        """Where a layer's value is read: right behind the convolution."""
        return "conv"

    def shape(self, name: str) -> tuple[int, ...]:
        """(1, channels, height, width) of a layer's value for the example."""
        return self._shapes[name]

    def _hook_input(self, name: str, seen: Recorded, site: str):
        return self._named[name].register_forward_pre_hook(_record_input(seen, site))

    def _pooled(self, features: torch.Tensor) -> torch.Tensor:
        dimensions = tuple(range(features.ndim))
        over = dimensions[2:] if self._classifier in self.convolutions else dimensions[1:-1]
        return features.mean(over) if over else features

    def _calls(self, example: torch.Tensor) -> list[str]:
        """Names of the modules without children, in the order of their last calls."""
        called: dict[str, None] = {}

        def note(name: str) -> Callable:
            return lambda *_: called.update({name: called.pop(name, None)})

        with ExitStack() as hooks, torch.no_grad():
            for name, each in self._named.items():
                if not any(True for _ in each.children()):
                    hooks.callback(each.register_forward_hook(note(name)).remove)
            self.module(example)
        return list(called)


def _record_output(seen: Recorded, site: str) -> Callable:
    def hook(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        seen.setdefault(site, output)
        return output.clone()

    return hook


def _record_input(seen: Recorded, site: str) -> Callable:
    def hook(_module: nn.Module, inputs: tuple) -> tuple:
        seen[site] = inputs[0]
        return (inputs[0].clone(), *inputs[1:])

    return hook
