"""The program that reads every layer on the way gives what the network gives, though it writes over its
maps."""

import pytest
import torch
from torch import nn

from compute.network.folded import FoldedNetwork, channels_last
from compute.network.layers.streamed import reading_program
from compute.network.traced import FEATURES, LOGITS
from compute.pipeline.stages.feature_map_statistics import _by_torch, map_statistics
from compute.runtime.vision import models
from tests.support.networks.odd import (
    PREPROCESSING,
    Base,
    Discarding,
    Functional,
    Residual,
    Shared,
    Tokens,
    noise,
    seeded,
)

pytestmark = pytest.mark.slow

ARCHITECTURES = (
    "resnet18",
    "squeezenet1_1",
    "mobilenet_v3_small",
    "densenet121",
    "googlenet",
    "shufflenet_v2_x0_5",
)


class Viewed(Base):
    """What is added in place is a view of what it is added to; the sum is read twice."""

    def forward(self, x):
        x = self.conv1(x)
        half = x[:, :1]
        x = torch.relu(x + half)
        return self.head(x + self.conv2(x)) + self.head(x)


def copied(maps: torch.Tensor) -> torch.Tensor:
    return maps.clone()


def expect_same(module: nn.Module, images: torch.Tensor) -> str:
    network = FoldedNetwork(module, images[:1])
    expected = network.run(images, {LOGITS, FEATURES, *network.names})
    program = reading_program(network, network.names, copied)
    with torch.inference_mode():
        found = program(channels_last(images))
        again = program(channels_last(images))
    assert set(found) == set(expected)
    for site, value in expected.items():
        torch.testing.assert_close(found[site], value, rtol=1e-5, atol=1e-6)
        assert torch.equal(found[site], again[site])
    return program


@pytest.mark.parametrize("kind", [Functional, Residual, Discarding, Shared, Tokens, Viewed])
def test_odd_networks(kind):
    expect_same(seeded(kind), PREPROCESSING.normalize(noise(3)))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_known_architectures(name):
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "googlenet" else {}
    module = models.get_model(name, weights=None, **options).eval().requires_grad_(False)
    program = expect_same(module, torch.randn(2, 3, 64, 75))
    overwriting = any(getattr(each, "inplace", False) for each in program.modules())
    assert overwriting or any(form in program.code for form in ("iadd", "relu_("))


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (1, 1, 1, 1), (2, 70, 13, 11), (4, 3, 1, 200)])
@pytest.mark.parametrize("threads", [1, 2])
def test_statistics_are_torchs(shape, threads):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(1)).round(decimals=1)  # full of ties
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = map_statistics(maps)
    finally:
        torch.set_num_threads(before)
    maximum, position, mean, active = (each.numpy() for each in _by_torch(maps))
    assert (found[0] == maximum).all() and (found[1] == position).all() and (found[3] == active).all()
    torch.testing.assert_close(torch.from_numpy(found[2]), torch.from_numpy(mean), rtol=1e-5, atol=1e-6)


def test_what_is_not_a_number_shows_in_the_mean():
    maps = torch.zeros(1, 2, 3, 3)
    maps[0, 1, 2, 2] = torch.nan
    mean = map_statistics(maps)[2]
    assert mean[0, 0] == 0 and mean[0, 1] != mean[0, 1]
