"""The folded network gives what the network gives, at every site and for every gradient, but for rounding."""

import pytest
import torch
from torch import nn

from compute.models.model import Model
from compute.network.folded import FoldedNetwork
from compute.network.traced import FEATURES, LOGITS, PRE, TracedNetwork
from compute.runtime.vision import models, ops
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

KINDS = (Functional, Residual, Discarding, Shared, Tokens)
ARCHITECTURES = (
    "resnet18",
    "squeezenet1_1",
    "mobilenet_v3_small",
    "densenet121",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "regnet_y_400mf",
    "alexnet",
)


def inputs(number: int = 2, seed: int = 0) -> torch.Tensor:
    return PREPROCESSING.normalize(noise(number, seed))


def norms(network: TracedNetwork) -> list[nn.Module]:
    modules = (network.module_of(node) for node in network.graph.nodes)
    return [each for each in modules if isinstance(each, nn.BatchNorm2d | ops.FrozenBatchNorm2d)]


def same_values(module: nn.Module, images: torch.Tensor) -> FoldedNetwork:
    plain, folded = TracedNetwork(module, images[:1]), FoldedNetwork(module, images[:1])
    sites = {LOGITS, FEATURES, *plain.names, *(name + PRE for name in plain.names)}
    with torch.no_grad():
        expected, found = plain.run(images, sites), folded.run(images, sites)
    for site in sites:
        error = (found[site] - expected[site]).abs().max()
        assert error <= 1e-5 * max(1e-3, float(expected[site].abs().max())), site
    assert [(name, folded.tap(name)) for name in folded.names] == [
        (name, plain.tap(name)) for name in plain.names
    ]
    return folded


@pytest.mark.parametrize("kind", KINDS)
def test_every_site_of_odd_networks(kind):
    assert norms(same_values(seeded(kind), inputs())) == []


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_site_of_known_architectures(name):
    torch.manual_seed(0)
    module = models.get_model(name, weights=None).eval().requires_grad_(False)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.normal_(each.running_mean, std=0.3)
            nn.init.uniform_(each.running_var, 0.5, 1.5)
    folded = same_values(module, torch.randn(2, 3, 75, 64))
    assert (norms(folded) == []) == (name != "densenet121"), "a norm before a convolution stays"


def test_gradients_are_the_same():
    plain, folded = TracedNetwork(seeded(Residual), inputs(1)), FoldedNetwork(seeded(Residual), inputs(1))
    found = []
    for network in (plain, folded):
        images = inputs().requires_grad_()
        sites = network.run(images, {LOGITS, "conv2" + PRE})
        found.append(torch.autograd.grad(sites[LOGITS][:, 1].sum(), [images, sites["conv2" + PRE]]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_network_itself_and_its_convolutions_stay_as_they_are():
    network, untouched = seeded(Residual), seeded(Residual)
    folded = FoldedNetwork(network, inputs(1))
    assert folded.convolution("conv1") is network.conv1
    assert all(map(torch.equal, network.state_dict().values(), untouched.state_dict().values()))
    assert torch.equal(network(inputs()), untouched(inputs()))


def test_what_is_not_a_fixed_affine_map_is_not_folded():
    class Counting(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + 1

    class Kept(Base):
        def __init__(self):
            super().__init__()
            self.conv1 = Counting(3, 6, 3)
            self.conv3 = nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 1))
            self.bn3 = nn.BatchNorm2d(6)

        def forward(self, x):
            x = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return self.head(self.bn3(self.conv3(x)))

    network = seeded(Kept)
    network.bn2 = nn.BatchNorm2d(6, track_running_stats=False).eval()
    folded = same_values(network, inputs())
    assert len(norms(folded)) == 2, "behind the 1 that is added, and the one with the images' own statistics"
    assert folded.tap("conv3") == "conv+bn"


def test_a_convolution_that_runs_twice_has_a_norm_each_time():
    class TwoNorms(Base):
        def forward(self, x):
            x = self.bn1(self.conv2(self.conv1(x))).relu()
            return self.head(self.bn2(self.conv2(x)))

    folded = same_values(seeded(TwoNorms), inputs())
    assert folded.names == ("conv1", "conv2", "conv2#2")
    assert norms(folded) == []


def test_frozen_norms_and_norms_as_the_last_thing():
    class Frozen(Base):
        def __init__(self):
            super().__init__()
            self.bn1 = ops.FrozenBatchNorm2d(6)
            self.bn1.running_var += 1
            self.classes, self.last = nn.Conv2d(6, 5, (24, 20)), nn.BatchNorm2d(5)

        def forward(self, x):
            return torch.flatten(self.last(self.classes(self.bn1(self.conv1(x)))), 1)

    assert norms(same_values(seeded(Frozen), inputs())) == []


def test_a_view_of_maps_needs_no_order_in_memory():
    class Viewing(Base):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6 * 24 * 20, 5)

        def forward(self, x):
            return self.fc(self.conv1(x).view(len(x), -1))

    model = Model(seeded(Viewing), PREPROCESSING, "abcde", "viewing")
    expected = seeded(Viewing)(inputs())
    torch.testing.assert_close(model.logits(noise()), expected, rtol=1e-4, atol=1e-5)
