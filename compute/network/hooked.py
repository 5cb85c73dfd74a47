"""The network run as it is, for those that can't be traced: activations are read by forward hooks.

A hook is there only while one forward pass runs. It hands on a copy of what it records, since an in-place
operation behind a convolution would change the recorded tensor (captum#156). Passes through one network take
turns.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from compute.network.layers.centers import Centers
from compute.network.outputs import NONE, Output
from compute.network.outputs.before import BeforeSquashing
from compute.network.traced import FEATURES, LOGITS, PRE, TAKEN_BACK
from compute.runtime.suggestions import did_you_mean

Recorded = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Batching:
    """How images may be handed to a network.

    alone: each by itself, since what it gives for one depends on the others of its batch.
    twice: in two copies, since it takes no single image.
    channels_last: in this order in memory, since PyTorch's gradients are wrong in the other one.
    """

    alone: bool = False
    twice: bool = False
    channels_last: bool = False

    def run(self, network: Callable[[torch.Tensor], Any], images: torch.Tensor, taken: Callable) -> Recorded:
        """taken: gives what was recorded of a batch by name, once it has run."""
        batches = images.split(1) if self.alone or (self.twice and len(images) == 1) else (images,)
        return _joined([self._batch(network, batch, taken) for batch in batches])

    def _batch(self, network: Callable, batch: torch.Tensor, taken: Callable) -> Recorded:
        given = torch.cat([batch, batch]) if self.twice and len(batch) == 1 else batch
        if self.channels_last:
            given = given.contiguous(memory_format=torch.channels_last)
        found = taken(network(given))
        if len(given) == len(batch):
            return found
        return {name: value[: len(batch)] for name, value in found.items()}


class HookedNetwork:
    """Same `run` as `TracedNetwork`, without knowing what lies between the layers.

    A layer's value is the raw convolution's, of its first call; receptive fields are unknown. A TorchScript
    module takes no hooks: it has no layers, and its feature is what it returns.
    """

    graph = None
    opaque: ClassVar[dict[str, str]] = {}

    def __init__(
        self, module: nn.Module, example: torch.Tensor, output: Output, batching: Batching = Batching()
    ):
        self.module, self.example, self.output, self.batching = module, example, output, batching
        self.feature_layer: str | None = None
        self._lock = threading.Lock()
        self._named = dict(module.named_modules())
        called = [] if isinstance(module, torch.jit.ScriptModule) else self._calls()
        kinds = [(name, self._named[name]) for name in called]
        self.convolutions = {name: each for name, each in kinds if isinstance(each, nn.Conv2d)}
        weighted = [name for name, each in kinds if isinstance(each, nn.Linear | nn.Conv2d)]
        self._classifier = weighted[-1] if weighted and output.meaning != NONE else None
        self.logits_because = None if output.meaning == NONE else self._logits_because()
        with torch.no_grad():
            self._shapes = {
                name: tuple(value.shape) for name, value in self.run(example, self.convolutions).items()
            }
        # One without height and width (a list of others, say) is no map.
        self.convolutions = {
            name: each for name, each in self.convolutions.items() if len(self._shapes[name]) == 4
        }

    def take_feature(self, layer: str) -> None:
        """Makes a layer's value, pooled over its map, the feature."""
        self.feature_layer = layer

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> Recorded:
        """Values of `sites` for normalised `inputs` (N, C, H, W)."""
        wanted = set(sites)
        seen: Recorded = {}
        with self._lock, ExitStack() as hooks:
            layers = wanted - {LOGITS, FEATURES}
            if FEATURES in wanted and self.feature_layer:
                layers = layers | {self.feature_layer}
            for site in layers:
                convolution = self.convolution(site.partition(PRE)[0])
                hooks.callback(convolution.register_forward_hook(_record_output(seen, site)).remove)
            if FEATURES in wanted and self._classifier and not self.feature_layer:
                hooks.callback(self._hook_input(self._classifier, seen, FEATURES).remove)
            squashing = BeforeSquashing(self.output)
            if LOGITS in wanted and squashing.names:
                hooks.enter_context(squashing)

            def taken(returned: Any) -> Recorded:
                if LOGITS in wanted:
                    seen[LOGITS] = self._scores(squashing, returned)
                found = self._completed(seen, returned, wanted)
                seen.clear()
                return found

            return self.batching.run(self.module, inputs, taken)

    def _completed(self, seen: Recorded, returned: Any, wanted: set[str]) -> Recorded:
        if FEATURES in wanted:
            own = seen.get(FEATURES, self.output.raw(returned))
            seen[FEATURES] = self._pooled(seen[self.feature_layer] if self.feature_layer else own)
        return {site: seen[site] for site in wanted}

    def _scores(self, squashing: BeforeSquashing, returned: Any) -> torch.Tensor:
        if self.output.meaning == NONE:
            raise ValueError("the network has no class scores")
        return squashing.logits(returned)[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, in the order in which they run."""
        return tuple(self.convolutions)

    @property
    def usual(self) -> tuple[str, ...]:
        """The layers that are listed where none are asked for: all."""
        return self.names

    def layer_module(self, name: str) -> nn.Conv2d:
        """What computes a layer."""
        return self.convolution(name)

    def grid(self, name: str) -> None:
        """Every layer's value is a map as it is."""

    def centers(self, names: Iterable[str]) -> dict[str, Centers]:
        """Nothing is known of where a map's units stand: without a graph nobody knows what they see."""
        return {}

    def kind(self, name: str) -> str:
        """Every layer is a convolution."""
        return "conv"

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

    def _hook_input(self, name: str, seen: Recorded, site: str) -> RemovableHandle:
        return self._named[name].register_forward_pre_hook(_record_input(seen, site))

    def _pooled(self, features: torch.Tensor) -> torch.Tensor:
        dimensions = tuple(range(features.ndim))
        over = dimensions[2:] if features.ndim == 4 else dimensions[1:-1]
        return features.mean(over) if over else features

    def _logits_because(self) -> str | None:
        seen: list[bool] = []
        with torch.no_grad(), BeforeSquashing(self.output) as squashing:
            self.batching.run(
                self.module, self.example.clone(), lambda each: seen.append(squashing.logits(each)[1]) or {}
            )
        return None if all(seen) else TAKEN_BACK

    def _calls(self) -> list[str]:
        """Names of the modules without children, in the order of their last calls."""
        called: dict[str, None] = {}

        def note(name: str) -> Callable:
            return lambda *_: called.update({name: called.pop(name, None)})

        with ExitStack() as hooks, torch.no_grad():
            for name, each in self._named.items():
                if not any(True for _ in each.children()):
                    hooks.callback(each.register_forward_hook(note(name)).remove)
            self.batching.run(self.module, self.example.clone(), lambda _: {})
        return list(called)


def _joined(batches: list[Recorded]) -> Recorded:
    if len(batches) == 1:
        return batches[0]
    return {name: torch.cat([each[name] for each in batches]) for name in batches[0]}


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
