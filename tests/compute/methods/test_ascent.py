"""Gradient ascent: what it reports is what the saved picture does, each term acts, and a dead channel wakes
up."""

import numpy as np
import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.methods.base import Inputs
from compute.methods.synthesis.ascent import Ascent, followed, measured
from compute.models.model import Model
from compute.network.traced import PRE
from tests.support.networks.tiny import tiny_image, tiny_model

PARAMETERIZATIONS = ("fourier", "phase", "pixels")
GOALS = {
    "logit": {"target": 2},
    "channel": {"layer": "3", "channel": 4},
    "neuron": {"layer": "3", "channel": 4, "y": 5, "x": 7},
}


def goal(name: str, model: Model) -> Inputs:
    if name == "direction":
        return Inputs(layer="3", image=tiny_image(model, 7))
    return Inputs(**GOALS[name])


def activation_of(model: Model, name: str, inputs: Inputs, data: np.ndarray) -> float:
    """Read off the network by hand."""
    image = torch.from_numpy(data).permute(2, 0, 1)[None]
    with torch.inference_mode():
        if name == "logit":
            return float(model.logits(image)[0, inputs.target])
        maps = model.activations(image, {"3"})["3"][0]
        if name == "channel":
            return float(maps[inputs.channel].mean())
        if name == "neuron":
            return float(maps[inputs.channel, inputs.y, inputs.x])
        vector = model.activations(inputs.image[None], {"3"})["3"][0].mean((1, 2))
        return float((maps * (vector / vector.norm())[:, None, None]).sum(0).mean())


@pytest.mark.slow
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("name", [*GOALS, "direction"])
def test_ascent_climbs_and_reports_the_saved_picture(name, parameterization):
    model = tiny_model("plain")
    inputs = goal(name, model)
    steps = list(Ascent(parameterization=parameterization, iterations=40).steps(model, inputs))
    first, last = steps[0], steps[-1]
    reached = activation_of(model, name, inputs, last.data)
    assert last.numbers["objective"] == name
    assert last.numbers["activation"] == pytest.approx(reached, abs=1e-4)
    assert reached > activation_of(model, name, inputs, first.data)
    assert np.array_equal(np.rint(last.data * 255) / np.float32(255), last.data)
    assert len(steps) == 40 and all(step.score is not None for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grey", "wide", "untraceable", "gelu"])
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_ascent_on_every_kind_of_network(name, parameterization):
    model = tiny_model(name)
    layer = list(model.layers)[1]
    method = Ascent(parameterization=parameterization, iterations=6)
    step = method.run(model, Inputs(layer=layer, channel=1))
    assert step.data.shape == (*model.input_size, model.in_channels)
    maps = model.activations(torch.from_numpy(step.data).permute(2, 0, 1)[None], {layer})[layer][0, 1]
    assert step.numbers["maximum"] == pytest.approx(float(maps.max()), abs=1e-4)
    assert step.numbers["activation"] == pytest.approx(float(maps.mean()), abs=1e-4)


@pytest.mark.slow
def test_a_dead_channel_is_followed_below_its_relu():
    """From far below 0 the channel's ReLU passes no gradient; what is followed wakes it up all the same."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    network[0].bias.data[1] = -0.3
    model = Model(network, Preprocessing((16, 16), None, (0.5,) * 3, (0.25,) * 3), ("a", "b"), "dull")
    grey, inputs = torch.full((1, 3, 16, 16), 0.5), Inputs(layer="0", channel=1)
    after, climbed = measured(model, "channel", inputs), followed(model, "channel", inputs)
    assert float(model.score(grey, after)) == 0 and not model.gradient(grey, after)[0].any()
    gradient, score = model.gradient(grey, climbed)
    assert gradient.any() and float(score) == pytest.approx(-0.3, abs=0.05)
    numbers = Ascent(iterations=60).run(model, inputs).numbers
    assert numbers["activation"] > 0 and not numbers["dead"]
    awake = tiny_image(model)[None] * 0 + torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    other = Inputs(layer="0", channel=0)
    assert float(model.score(awake, followed(model, "channel", other))) == float(
        model.score(awake, measured(model, "channel", other))
    )


def test_the_first_objective_that_the_inputs_name_is_taken():
    model, image = tiny_model("plain"), torch.zeros(3, 24, 24)
    full = Inputs(image=image, target=1, layer="3", channel=2, y=0, x=0)
    assert Ascent().chosen(full) == "neuron"
    assert Ascent().chosen(Inputs(image=image, target=1, layer="3", channel=2)) == "channel"
    assert Ascent().chosen(Inputs(image=image, target=1, layer="3")) == "direction"
    assert Ascent().chosen(Inputs(image=image, target=1)) == "logit"
    assert Ascent(objective="logit").chosen(full) == "logit"
    with pytest.raises(ValueError, match="needs a class"):
        Ascent().run(model, Inputs())
    with pytest.raises(ValueError, match="channel"):
        Ascent(objective="channel").run(model, Inputs(target=1))


def test_a_direction_that_is_nothing_is_an_error():
    model = tiny_model("plain")
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    network[0].weight.data.zero_()
    network[0].bias.data.fill_(-1)
    dead = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "dead")
    with pytest.raises(ValueError, match="no direction"):
        Ascent(iterations=2).run(dead, Inputs(layer="0", image=torch.zeros(3, 8, 8)))
    assert Ascent(iterations=2).run(model, goal("direction", model)).numbers["objective"] == "direction"


TERMS = {
    "fourier": (
        {"falloff": 1.0},
        {"correlated": False},
        {"rate": 0.5},
        {"scale": 0.3},
        {"rotate": 30.0},
        {"pad": 0},
        {"jitter": 30},
        {"perturbation": "none"},
        {"perturbation": "roll"},
        {"seed": 1},
        {"parameterization": "phase"},
    ),
    "pixels": (
        {"l2": 0.5},
        {"blur": 1.0},
        {"every": 2},
        {"clip_values": 0.5},
        {"clip_contributions": 0.5},
        {"roll": 0},
        {"perturbation": "robust"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameterization", "term"), [(name, term) for name, terms in TERMS.items() for term in terms]
)
def test_each_term_acts(parameterization, term):
    model, inputs = tiny_model("plain"), Inputs(target=0)
    options = {"parameterization": parameterization, "iterations": 4}
    usual, changed = Ascent(**options).run(model, inputs), Ascent(**options | term).run(model, inputs)
    assert not np.array_equal(usual.data, changed.data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameterization", "published"), [("fourier", "robust"), ("phase", "robust"), ("pixels", "roll")]
)
def test_each_parameterization_has_its_published_perturbation(parameterization, published):
    model, inputs = tiny_model("plain"), Inputs(target=0)
    options = {"parameterization": parameterization, "iterations": 3}
    usual, named = (
        Ascent(**options).run(model, inputs),
        Ascent(perturbation=published, **options).run(model, inputs),
    )
    np.testing.assert_array_equal(usual.data, named.data)


def test_the_lecture_in_pixels_by_a_slow_loop():
    """CS231n's loop without jitter: normalised pixels, step 25 at 3x224x224, L2 in the gradient, blur at
    steps 0, 2."""
    model, inputs = tiny_model("plain"), Inputs(target=3)
    step = Ascent(parameterization="pixels", iterations=4, roll=0, every=2, l2=0.01, seed=5).run(
        model, inputs
    )
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (model.preprocessing.mean, model.preprocessing.std)
    )
    low, high = -mean / std, (1 - mean) / std
    current = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(5)).clamp(low, high)
    weights = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / 0.5) ** 2)
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    for index in range(4):
        current = current.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model.module(current)[0, 3], current)
        uphill = gradient / gradient.norm() - 2 * 0.01 * current.detach()
        current = current.detach() + 25 * (24 / 224) * uphill / uphill.norm()
        if index % 2 == 0:
            padded = nn.functional.pad(current, [2] * 4, mode="reflect")
            current = nn.functional.conv2d(padded, kernel.expand(3, 1, 5, 5), groups=3)
        current = current.clamp(low, high)
    expected = (mean + std * current)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(step.data, expected, atol=0.51 / 255)


def test_only_what_the_goal_needs_is_computed(monkeypatch):
    model, seen = tiny_model("plain"), []
    run = model.network.run
    monkeypatch.setattr(
        model.network, "run", lambda inputs, sites: (seen.append(set(sites)), run(inputs, sites))[1]
    )
    list(Ascent(iterations=3).steps(model, goal("channel", model)))
    assert seen[:3] == [{"3", "3" + PRE}] * 3


def test_channels_that_are_no_picture_are_shown_in_false_colors():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    model = Model(network, Preprocessing((8, 9), None, (0.5,) * 2, (0.5,) * 2), ("a", "b"), "pairs")
    step = Ascent(iterations=3).run(model, Inputs(target=1))
    assert step.data.shape == (8, 9, 2) and step.pictures["result"].shape == (8, 9, 3)
    seen = torch.from_numpy(step.data).permute(2, 0, 1)[None]
    assert step.numbers["activation"] == pytest.approx(float(model.logits(seen)[0, 1]), abs=1e-5)
