"""What a network is compared with when it is loaded: a gradient in float64 that was confirmed."""

import torch
from torch import nn

from compute.network.self_test import exact_gradient, in_float64, mixture

IMAGE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Scores(nn.Module):
    """Two scores of a weighted sum of all pixels: offset + rise * sin(frequency * sum)."""

    def __init__(self, frequency: float, rise: float, offset: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1)) / 28)
        self.frequency, self.rise, self.offset = frequency, rise, offset

    def forward(self, x):
        found = self.offset + self.rise * torch.sin(self.frequency * (x * self.weight).sum((1, 2, 3)))
        return torch.stack([found, -found], 1)

    def slope(self, x):
        """d mixture / d x by hand."""
        inner = self.frequency * (x * self.weight).sum()
        weights = mixture(torch.tensor([[1.0, -1.0]], dtype=x.dtype))
        return weights * self.rise * self.frequency * torch.cos(inner) * self.weight[None]


class CutOff(Scores):
    def forward(self, x):
        return super().forward(x * 0.5 + x.detach() * 0.5)


def _confirmed(module: Scores) -> bool:
    found = exact_gradient(module, lambda network: network, IMAGE)
    if found is None:
        return False
    expected = in_float64(module).slope(IMAGE.double())
    return bool((found - expected).norm() < 1e-9 * expected.norm())


def test_gradients_that_change_quickly_are_confirmed():
    assert _confirmed(Scores(frequency=3000.0, rise=1.0, offset=0.0))


def test_gradients_that_are_small_beside_the_scores_are_confirmed():
    assert _confirmed(Scores(frequency=1.0, rise=1e-3, offset=1e5))


def test_gradients_that_are_not_those_of_the_scores_are_not():
    assert exact_gradient(CutOff(1.0, 1.0, 0.0), lambda network: network, IMAGE) is None


def test_networks_that_cannot_be_copied_have_no_exact_gradient():
    module = Scores(1.0, 1.0, 0.0)
    module.held = (each for each in ())
    assert in_float64(module) is None
    assert exact_gradient(module, lambda network: network, IMAGE) is None
