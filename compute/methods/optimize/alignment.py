"""Likeness to natural images: what is made shall have features distributed as those of references.

    A(x) = mean over layers of |sort a(x) - q|² / |q|²,  q = mean over references r of sort a(r)

a: a layer's activations; `sort` puts each channel's values in ascending order, whatever their places, so that
|sort a - q|² is the least cost of bringing one distribution to the other (the squared 2-Wasserstein distance
of each channel, times the places). Reference: Görgün, Schiele & Fischer 2025, "VITAL: More Understandable
Feature Visualization through Distribution Alignment and Relevant Information Flow" (ICCV; arXiv:2503.22399).
The paper follows A alone, in pixels, and weighs channels of hidden neurons by their relevance. Here A is a
term beside what is maximised, in any parameterisation, and its division by |q|² makes one weight suit all
layers and networks.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from compute.models.model import Model
from compute.models.objectives import Activations, Objective

AT_ONCE = 8
"""References that are run at once."""


def alignment(model: Model, references: Tensor, layers: Iterable[str]) -> Objective:
    """Return A, an objective to be made small.

    references: (N, C, H, W) in [0, 1], of the size of the images that it is asked of
    """
    wanted = quantiles(model, references, tuple(layers))

    def score(activations: Activations) -> Tensor:
        return torch.stack([_distance(activations[layer], each) for layer, each in wanted.items()]).mean(0)

    return Objective(frozenset(wanted), score, "distance from references")


def quantiles(model: Model, references: Tensor, layers: tuple[str, ...]) -> Mapping[str, Tensor]:
    """Return q by layer, (channels, places): each channel's ascending values, their mean over references."""
    sums = {layer: torch.zeros(()) for layer in layers}
    with torch.no_grad():
        for batch in references.split(AT_ONCE):
            values = model.activations(batch, set(layers))
            sums = {layer: sums[layer].to(model.device) + _sorted(values[layer]).sum(0) for layer in layers}
    return {layer: total / len(references) for layer, total in sums.items()}


def _distance(activations: Tensor, wanted: Tensor) -> Tensor:
    """(N, channels, h, w) -> (N,): |sort a - q|² / |q|²; the numerator alone where q is 0."""
    norm = wanted.square().sum()
    differences = (_sorted(activations) - wanted).square().sum((1, 2))
    return differences / torch.where(norm > 0, norm, 1.0)


def _sorted(activations: Tensor) -> Tensor:
    """(N, channels, h, w) -> (N, channels, h * w), ascending."""
    return activations.flatten(2).sort(dim=2).values
