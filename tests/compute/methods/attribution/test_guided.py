"""Guided backpropagation against a pass written out by hand, and against Captum where it is right."""

import warnings

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.methods.attribution.guided import Guided
from compute.methods.attribution.guided_backprop import energy_box, guided_gradients, undefined_because
from compute.methods.base import Inputs
from compute.models.model import Model
from compute.network.traced import PRE
from tests.support.networks.tiny import tiny_image, tiny_model


class GuidedReLU(torch.autograd.Function):
    """The rule as the paper writes it: R_in = (f > 0) (R_out > 0) R_out."""

    @staticmethod
    def forward(ctx, values):
        output = values.clamp(min=0)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, gradient):
        (output,) = ctx.saved_tensors
        return (output > 0) * (gradient > 0) * gradient


def by_hand_plain(model, image):
    """Pre-activations of the three convolutions of the plain network, every ReLU guided."""
    network, relu = model.module, GuidedReLU.apply
    first = network[1](network[0](model.normalize(image[None])))
    second = network[4](network[3](relu(first)))
    return {"0": first, "3": second, "7": network[7](network[6](relu(second)))}


def by_hand_reused(model, image):
    network, relu = model.module, GuidedReLU.apply
    stem = network.norm(network.stem(model.normalize(image[None])))
    branch = network.conv1(relu(stem))
    return {"stem": stem, "conv1": branch, "conv2": network.conv2(relu(branch))}


BY_HAND = {"plain": by_hand_plain, "grey": by_hand_plain, "wide": by_hand_plain, "reused": by_hand_reused}
CASES = [(network, layer) for network in BY_HAND for layer in tiny_model(network).layers]


@pytest.mark.parametrize(("network", "layer"), CASES)
def test_equals_the_rule_written_by_hand(network, layer):
    model = tiny_model(network)
    image = tiny_image(model)
    for channel, y, x in ((0, 0, 0), (5, 2, 4), (7, 4, 1)):
        pixels = image.clone().requires_grad_(True)
        value = BY_HAND[network](model, pixels)[layer][0, channel, y, x]
        (expected,) = torch.autograd.grad(value, pixels)
        (found,) = guided_gradients(model, image[None], layer, channel, [(y, x)])
        assert torch.allclose(found.gradient, expected, rtol=1e-5, atol=1e-7)
        assert found.value == pytest.approx(value.item(), abs=1e-5)


def test_untraceable_networks_are_guided_as_well():
    model, plain = tiny_model("untraceable"), tiny_model("plain")
    image = tiny_image(model)
    assert model.graph is None
    (found,) = guided_gradients(model, image[None], "7", 3, [(1, 1)])
    (expected,) = guided_gradients(plain, image[None], "7", 3, [(1, 1)])
    assert torch.allclose(found.gradient, expected.gradient, rtol=1e-4, atol=1e-6)


def test_agrees_with_captum_on_module_relus():
    model, captums = tiny_model("plain"), tiny_model("plain")
    image = tiny_image(model)
    network = nn.Sequential(Normalize(model), captums.module)
    for channel, y, x in ((1, 2, 3), (8, 0, 5)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attribution = captum.NeuronGuidedBackprop(network, captums.module[4])
            theirs = attribution.attribute(image[None].requires_grad_(True), (channel, y, x))[0].detach()
        (ours,) = guided_gradients(model, image[None], "3", channel, [(y, x)])
        assert theirs.any()
        assert (ours.gradient - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_where_captum_misses_functional_relus():
    """Captum puts its rule on ReLU modules. The functional ReLU before `conv2` keeps its plain gradient
    there."""
    model, captums = tiny_model("reused"), tiny_model("reused")
    image = tiny_image(model)
    pixels = image.clone().requires_grad_(True)
    (right,) = torch.autograd.grad(by_hand_reused(model, pixels)["conv2"][0, 4, 3, 3], pixels)
    (ours,) = guided_gradients(model, image[None], "conv2", 4, [(3, 3)])
    assert torch.allclose(ours.gradient, right, rtol=1e-5, atol=1e-7)
    captums.module.relu.inplace = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attribution = captum.NeuronGuidedBackprop(
            nn.Sequential(Normalize(model), captums.module), captums.module.conv2
        )
        theirs = attribution.attribute(image[None].requires_grad_(True), (4, 3, 3))[0].detach()
    assert (theirs - right).abs().max() > 0.1 * right.abs().max()


def test_many_images_at_once_give_what_each_gives_alone():
    model = tiny_model("reused")
    images = torch.stack([tiny_image(model, seed) for seed in range(4)])
    units = [(0, 1), (5, 5), (3, 2), (7, 7)]
    together = guided_gradients(model, images, "conv2", 1, units)
    for image, unit, found in zip(images, units, together, strict=True):
        (alone,) = guided_gradients(model, image[None], "conv2", 1, [unit])
        assert torch.allclose(found.gradient, alone.gradient, atol=1e-7) and (found.y, found.x) == unit


def test_without_a_unit_the_strongest_is_taken():
    model = tiny_model("plain")
    image = tiny_image(model)
    step = Guided().run(model, Inputs(image=image, layer="3", channel=6))
    maps = model.activations(image[None], {"3" + PRE})["3" + PRE][0, 6]
    assert step.score == pytest.approx(maps.max().item(), abs=1e-6)
    assert maps[step.numbers["y"], step.numbers["x"]] == maps.max()


def test_a_neuron_that_is_off_is_said_to_be():
    model = tiny_model("plain")
    image = tiny_image(model)
    maps = model.activations(image[None], {"3" + PRE})["3" + PRE][0, 6]
    y, x = divmod(int(maps.argmin()), maps.shape[1])
    off = Guided().run(model, Inputs(image=image, layer="3", channel=6, y=y, x=x))
    on = Guided().run(model, Inputs(image=image, layer="3", channel=6))
    assert off.numbers["off"] and off.numbers["value"] < 0 and off.data.any()
    assert not on.numbers["off"] and on.numbers["value"] > 0


def test_data_is_signed_and_in_the_images_orientation():
    model = tiny_model("wide")
    step = Guided().run(model, Inputs(image=tiny_image(model), layer="0", channel=2, y=1, x=12))
    assert step.data.shape == (20, 28, 3) and step.data.min() < 0 < step.data.max()
    rows, cols = np.nonzero(np.abs(step.data).sum(2))
    assert rows.max() <= 4 and cols.min() >= 22 and cols.max() <= 26
    assert step.pictures["patch"].shape == step.pictures["image patch"].shape == (5, 5, 3)


def network_with(nonlinearity) -> Model:
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, images):
            return self.head(nonlinearity(self.conv(images)).mean((2, 3)))

    return Model(Network(), Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), "ab", "network")


@pytest.mark.parametrize(
    ("nonlinearity", "said"),
    [
        (F.gelu, "GELU"),
        (F.silu, "SiLU"),
        (F.hardswish, "Hardswish"),
        (F.elu, "ELU"),
        (F.leaky_relu, "leaky ReLU"),
        (torch.sigmoid, "sigmoid"),
        (F.hardtanh, "Hardtanh"),
        (lambda values: values.clamp(-1, 1), "clamp"),
    ],
)
def test_other_nonlinearities_are_named(nonlinearity, said):
    model = network_with(nonlinearity)
    assert said in undefined_because(model)
    with pytest.raises(ValueError, match=said):
        Guided().run(model, Inputs(image=torch.zeros(3, 8, 8), layer="conv", channel=0))


@pytest.mark.parametrize(
    "nonlinearity",
    [
        F.relu,
        F.relu6,
        torch.relu_,
        lambda values: values.clamp(min=0),
        lambda values: F.threshold(values, 0, 0),
    ],
)
def test_everything_that_is_a_relu_counts_as_one(nonlinearity):
    assert undefined_because(network_with(nonlinearity)) is None


def test_energy_box_holds_the_middle_of_the_energy():
    gradient = torch.zeros(3, 20, 30)
    gradient[:, 4:9, 10:20] = 1.0
    assert energy_box(gradient, 0.9) == (10, 4, 20, 9)
    gradient[:, 0, 0] = 0.1
    assert energy_box(gradient, 0.9) == (10, 4, 20, 9)
    assert energy_box(torch.zeros(1, 5, 6)) == (0, 0, 6, 5)


class Normalize(nn.Module):
    def __init__(self, model: Model):
        super().__init__()
        self.normalize = model.normalize

    def forward(self, images):
        return self.normalize(images)
