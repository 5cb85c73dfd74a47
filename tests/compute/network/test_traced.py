"""The traced network gives what the network gives, at every site, and leaves the network as it is."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.network.outputs import LOG_PROBABILITIES, PROBABILITIES, Output
from compute.network.traced import FEATURES, LOGITS, MAPS, PRE, TracedNetwork
from compute.runtime.vision import ops
from tests.support.networks.odd import (
    CLASSES,
    PREPROCESSING,
    AllConvolutional,
    Base,
    Discarding,
    EndsInLogSoftmax,
    EndsInSoftmax,
    Functional,
    Optional,
    Residual,
    Shared,
    Tokens,
    model_of,
    noise,
    seeded,
)

TRACEABLE = (Functional, Residual, Discarding, Optional, Shared, Tokens, AllConvolutional)


def inputs(number: int = 2, seed: int = 0) -> torch.Tensor:
    return PREPROCESSING.normalize(noise(number, seed))


def traced(kind) -> TracedNetwork:
    return TracedNetwork(seeded(kind), inputs(1, seed=9))


def by_hooks(network: nn.Module, names: tuple[str, ...], images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Copies of what modules return, by name."""
    seen, handles = {}, []
    for name in names:
        module = network.get_submodule(name)
        handles.append(
            module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.clone()}))
        )
    network(images)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("kind", TRACEABLE)
def test_logits_are_the_networks_own_bit_for_bit(kind):
    assert torch.equal(traced(kind).run(inputs(3), {LOGITS})[LOGITS], seeded(kind)(inputs(3)))


@pytest.mark.parametrize("kind", TRACEABLE)
def test_the_network_itself_is_not_touched(kind):
    network, untouched = seeded(kind), seeded(kind)
    graph = TracedNetwork(network, inputs(1))
    graph.run(inputs(), {LOGITS, FEATURES, *graph.names})
    assert torch.equal(network(inputs()), untouched(inputs()))
    assert {name: vars(each).get("inplace") for name, each in network.named_modules()} == {
        name: vars(each).get("inplace") for name, each in untouched.named_modules()
    }
    assert list(network.state_dict()) == list(untouched.state_dict())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in network.modules())
    assert not any(each.training for each in network.modules())


@pytest.mark.parametrize("kind", [Functional, Residual])
def test_sites_are_what_hooks_see(kind):
    graph = traced(kind)
    sites = graph.run(inputs(), {"conv1", "conv1" + PRE, "conv2", "conv2" + PRE, FEATURES})
    seen = by_hooks(seeded(kind), ("bn1", "bn2", "fc"), inputs())
    assert torch.equal(sites["conv1" + PRE], seen["bn1"])
    assert torch.equal(sites["conv1"], seen["bn1"].relu())
    assert torch.equal(sites["conv2" + PRE], seen["bn2"])
    # The residual network's second convolution is followed by an addition, not by its ReLU.
    assert torch.equal(sites["conv2"], seen["bn2"] if kind is Residual else seen["bn2"].relu())
    assert torch.equal(seeded(kind).fc(sites[FEATURES]), seeded(kind)(inputs()))
    assert {name: graph.tap(name) for name in graph.names} == {
        "conv1": "conv+bn+relu",
        "conv2": "conv+bn" if kind is Residual else "conv+bn+relu",
    }


def test_an_in_place_operation_behind_a_site_does_not_change_it():
    graph = traced(Discarding)
    sites = graph.run(inputs(), {"conv1" + PRE, "conv1", LOGITS})
    assert torch.equal(sites["conv1" + PRE], seeded(Discarding).conv1(inputs()))
    assert torch.equal(sites["conv1"], seeded(Discarding).conv1(inputs()).relu())


class OneFollower(Base):
    """A convolution, what `follow` puts behind it, and the head."""

    follow: nn.Module

    def forward(self, x):
        return self.head(self.follow(self.conv1(x)) if self.follow else self.conv1(x))


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


FOLLOWERS = [
    (nn.Sequential(nn.BatchNorm2d(6), nn.SiLU()), "conv+bn+silu"),
    (nn.Sequential(nn.BatchNorm2d(6), nn.Identity(), nn.ReLU6(inplace=True)), "conv+bn+relu6"),
    (nn.Sequential(nn.Dropout2d(), nn.PReLU(6)), "conv+prelu"),
    (nn.Sequential(ops.FrozenBatchNorm2d(6), nn.ReLU()), "conv+bn+relu"),
    (nn.Sequential(nn.GroupNorm(2, 6), nn.ELU()), "conv+groupnorm+elu"),
    (nn.InstanceNorm2d(6), "conv+instancenorm2d"),
    (nn.Sequential(ops.misc.Permute([0, 2, 3, 1]), nn.LayerNorm(6), ops.misc.Permute([0, 3, 1, 2])), "conv"),
    (nn.Sequential(nn.MaxPool2d(2), nn.ReLU()), "conv"),
    (nn.ReLU(), "conv+relu"),
    (Swish(), "conv"),
]


@pytest.mark.parametrize(
    "follow, tap", FOLLOWERS, ids=[f"{index} {tap}" for index, (_, tap) in enumerate(FOLLOWERS)]
)
def test_tap_is_what_directly_follows(follow, tap):
    network = seeded(OneFollower)
    network.follow = follow.eval()
    graph = TracedNetwork(network, inputs(1))
    assert graph.tap("conv1") == tap
    value = network.conv1(inputs()) if tap == "conv" else follow(network.conv1(inputs()))
    assert torch.equal(graph.run(inputs(), {"conv1"})["conv1"], value)
    assert torch.equal(graph.run(inputs(), {LOGITS})[LOGITS], network(inputs()))


def test_a_convolution_that_runs_twice_is_listed_twice_and_one_that_never_runs_not_at_all():
    class Unreached(Shared):
        def __init__(self):
            super().__init__()
            self.never = nn.Conv2d(3, 3, 1)

    graph, network = traced(Unreached), seeded(Unreached)
    assert graph.names == ("conv1", "conv2", "conv2#2")
    assert [graph.tap(name) for name in graph.names] == ["conv", "conv+relu", "conv+silu"]
    first = network.conv2(network.conv1(inputs())).relu()
    sites = graph.run(inputs(), {"conv2", "conv2#2"})
    assert torch.equal(sites["conv2"], first)
    assert torch.equal(sites["conv2#2"], F.silu(network.conv2(first)))
    assert graph.convolution("conv2#2") is graph.convolution("conv2")


def test_a_convolution_that_two_read_is_taken_raw():
    class TwoReaders(Base):
        def forward(self, x):
            x = self.conv1(x)
            return self.head(self.conv2(x.relu()) + x)

    graph = traced(TwoReaders)
    assert graph.tap("conv1") == "conv"
    assert torch.equal(graph.run(inputs(), {"conv1"})["conv1"], seeded(TwoReaders).conv1(inputs()))


@pytest.mark.parametrize("kind", [EndsInSoftmax, EndsInLogSoftmax])
def test_logits_are_those_before_a_softmax_at_the_end(kind):
    meaning = LOG_PROBABILITIES if kind is EndsInLogSoftmax else PROBABILITIES
    network = seeded(kind)
    graph = TracedNetwork(network, inputs(1, seed=9), Output(count=len(CLASSES), meaning=meaning))
    found = graph.run(inputs(), {LOGITS})[LOGITS]
    assert torch.equal(found, network.head(network.relu(network.conv1(inputs()))))
    expected = network(inputs()).exp() if kind is EndsInLogSoftmax else network(inputs())
    assert torch.allclose(found.softmax(1), expected)


class PositionsFromTheSize(Base):
    """A convolution of what follows from the image's height and width alone."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Conv2d(2, 6, 1)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        _, _, height, width = x.shape
        rows, columns = torch.arange(height, dtype=x.dtype), torch.arange(width, dtype=x.dtype)
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
        return self.head(self.conv2(x + self.positions(grid)))


def test_what_follows_from_the_size_alone_is_no_layer():
    model = model_of(PositionsFromTheSize)
    assert list(model.layers) == ["conv1", "conv2"]
    images = noise(2)
    assert torch.allclose(model.logits(images), model.module(model.normalize(images)), atol=1e-6)


def test_features_of_a_network_without_a_linear_layer():
    network = seeded(AllConvolutional)
    found = traced(AllConvolutional).run(inputs(), {FEATURES})[FEATURES]
    assert torch.equal(found, network.conv1(inputs()).relu().mean((2, 3)))


def test_features_where_something_follows_the_linear_layer_and_places_are_pooled_after_it():
    network = seeded(Tokens)
    found = traced(Tokens).run(inputs(), {FEATURES})[FEATURES]
    assert found.shape == (2, 6)
    assert torch.allclose(network.scale * network.fc(found), network(inputs()), atol=1e-6)


def test_features_are_the_last_linear_layers_not_those_of_a_gate():
    class Gated(Base):
        def __init__(self):
            super().__init__()
            self.gate = nn.Linear(6, 6)
            self.classes = nn.Conv2d(6, 5, 1)

        def forward(self, x):
            x = self.conv1(x)
            x = x * self.gate(x.mean((2, 3)))[..., None, None]
            return self.classes(x).mean((2, 3))

    network = seeded(Gated)
    found = traced(Gated).run(inputs(), {FEATURES})[FEATURES]
    assert torch.allclose(network.classes(found[..., None, None])[..., 0, 0], network(inputs()), atol=1e-6)


def test_last_maps_are_those_after_the_last_addition():
    network = seeded(Residual)
    maps = traced(Residual).run(inputs(), {MAPS})[MAPS]
    assert torch.equal(network.head(maps), network(inputs()))


def test_a_pass_ends_at_the_last_site_that_is_asked_for():
    class Deep(Base):
        def __init__(self):
            super().__init__()
            self.conv2 = nn.Conv2d(6, 6, 1)

        def forward(self, x):
            return self.head(self.conv2(self.conv1(x)))

    graph = traced(Deep)
    calls: list[str] = []
    graph.module.conv2.register_forward_hook(lambda *_: calls.append("conv2"))
    graph.run(inputs(), {"conv1"})
    assert calls == []
    graph.run(inputs(), {"conv1", "conv2"})
    assert calls == ["conv2"]


def test_gradients_pass_from_one_site_to_another():
    graph = traced(Residual)
    images = inputs().requires_grad_()
    sites = graph.run(images, {LOGITS, "conv2", "conv1" + PRE})
    gradients = torch.autograd.grad(sites[LOGITS][:, 0].sum(), [sites["conv2"], sites["conv1" + PRE], images])
    assert all(each.abs().sum() > 0 for each in gradients)


def test_a_program_made_in_inference_mode_gives_gradients_later():
    graph = traced(Tokens)
    with torch.inference_mode():
        graph.run(inputs(), {LOGITS})
    images = inputs().requires_grad_()
    graph.run(images, {LOGITS})[LOGITS].sum().backward()
    assert images.grad.abs().sum() > 0


def test_a_network_that_normalises_its_input_in_place():
    class Normalising(Base):
        def forward(self, x):
            x -= 0.5
            x.mul_(2)
            return self.head(self.conv1(x))

    images = inputs()
    assert torch.equal(traced(Normalising).run(images, {LOGITS})[LOGITS], seeded(Normalising)(images.clone()))
    assert torch.equal(images, inputs())


def test_any_size_of_image():
    images = torch.rand(1, 3, 37, 51)
    assert torch.equal(traced(Functional).run(images, {LOGITS})[LOGITS], seeded(Functional)(images))


def test_many_threads_at_once():
    """Programs are made while others run."""
    graph = traced(Residual)
    choices = [[LOGITS], ["conv1"], ["conv2" + PRE, FEATURES], ["conv1", "conv2", LOGITS], [MAPS]]
    jobs = [(random.Random(index).choice(choices), inputs(1, seed=index % 7)) for index in range(60)]
    expected = [TracedNetwork(graph.module, inputs(1)).run(images, sites) for sites, images in jobs]
    with torch.no_grad(), ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda job: graph.run(job[1], job[0]), jobs))
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(one[site], other[site]) for site in other)


def test_an_unknown_site_is_named_with_what_is_near():
    with pytest.raises(ValueError, match=r"unknown layer 'conv3'; did you mean conv.*conv"):
        traced(Residual).run(inputs(), {"conv3"})
    with pytest.raises(ValueError, match="unknown layer 'xyz'; choose from conv1, conv2"):
        traced(Residual).run(inputs(), {"xyz" + PRE})
