"""What is maximised or explained: a score per image from the network's activations.

An objective names the sites that it reads, so that a forward pass computes no more, and composes with + and
*: `0.7 * channel("layer3", 5) + logit(2)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from compute.network.traced import LOGITS

Activations = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Objective:
    """sites: what `score` reads. score: activations (N, …) by site -> (N,)."""

    sites: frozenset[str]
    score: Callable[[Activations], torch.Tensor]
    name: str

    def __call__(self, activations: Activations) -> torch.Tensor:
        return self.score(activations)

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(
            self.sites | other.sites, lambda a: self.score(a) + other.score(a), f"{self.name} + {other.name}"
        )

    def __mul__(self, factor: float) -> "Objective":
        return Objective(self.sites, lambda a: factor * self.score(a), f"{factor:g} * ({self.name})")

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __sub__(self, other: "Objective") -> "Objective":
        return self + (-other)


def logit(index: int) -> Objective:
    """Pre-softmax score of class `index`."""
    return Objective(frozenset({LOGITS}), lambda a: a[LOGITS][:, index], f"logit {index}")


def channel(site: str, index: int) -> Objective:
    """Spatial mean of one channel."""
    return Objective(frozenset({site}), lambda a: a[site][:, index].mean((1, 2)), f"{site} channel {index}")


def neuron(site: str, index: int, y: int, x: int) -> Objective:
    """One unit of a channel at row y, column x of its map."""
    return Objective(
        frozenset({site}), lambda a: a[site][:, index, y, x], f"{site} neuron ({index}, {y}, {x})"
    )


def direction(site: str, vector: torch.Tensor) -> Objective:
    """Mean projection of a map's channel vectors on `vector` (channels,)."""
    return Objective(
        frozenset({site}),
        lambda a: torch.einsum("nchw,c->nhw", a[site], vector).mean((1, 2)),
        f"{site} direction",
    )


def energy(site: str, index: int | None = None) -> Objective:
    """Half the squared L2 norm of a layer, or of one of its channels.

    DeepDream maximizes it: its gradient with respect to the activation is the activation itself.
    """
    selected = slice(None) if index is None else slice(index, index + 1)
    return Objective(
        frozenset({site}),
        lambda a: a[site][:, selected].square().flatten(1).sum(1) / 2,
        f"{site} energy" if index is None else f"{site} channel {index} energy",
    )
