"""Feature inversion: the error it reports, and what can be got back."""

import numpy as np
import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.methods.base import Inputs
from compute.methods.synthesis.inversion import Inversion, relative_error
from compute.models.model import Model
from tests.support.networks.tiny import tiny_image, tiny_model

pytestmark = pytest.mark.slow


def pointwise_model() -> Model:
    """Its layer is an invertible mixture of each pixel's colours: nothing is lost."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 6, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    return Model(network, Preprocessing((16, 16), None, (0.5,) * 3, (0.25,) * 3), ("a", "b"), "pointwise")


@pytest.mark.parametrize("parameterization", ["fourier", "pixels"])
@pytest.mark.parametrize("name", ["plain", "grey", "wide", "untraceable"])
def test_the_error_falls_and_is_that_of_the_saved_picture(name, parameterization):
    model = tiny_model(name)
    image, layer = tiny_image(model, 2), list(model.layers)[1]
    brief, longer = (
        Inversion(iterations=count, parameterization=parameterization).run(
            model, Inputs(image=image, layer=layer)
        )
        for count in (1, 80)
    )
    assert longer.numbers["error"] < 0.7 * brief.numbers["error"]
    with torch.inference_mode():
        wanted = model.activations(image[None], {layer})[layer]
        found = model.activations(torch.from_numpy(longer.data).permute(2, 0, 1)[None], {layer})[layer]
    expected = float((found - wanted).norm() / wanted.norm())
    assert longer.numbers["error"] == pytest.approx(expected, rel=1e-4)
    difference = longer.data - image.permute(1, 2, 0).numpy()
    assert longer.numbers["pixel_error"] == pytest.approx(float(np.sqrt((difference**2).mean())), rel=1e-4)


@pytest.mark.parametrize("parameterization", ["fourier", "pixels"])
def test_what_a_layer_keeps_comes_back(parameterization):
    model = pointwise_model()
    image = 0.3 + 0.4 * tiny_image(model, 3)
    method = Inversion(iterations=400, parameterization=parameterization, total_variation=0.0, alpha=0.0)
    numbers = method.run(model, Inputs(image=image, layer="0")).numbers
    assert numbers["error"] < 0.05 and numbers["pixel_error"] < 0.02


def test_total_variation_makes_it_smoother():
    model = tiny_model("plain")
    inputs = Inputs(image=tiny_image(model, 2), layer="3")
    rough, smooth = (
        np.abs(
            np.diff(Inversion(iterations=60, total_variation=weight).run(model, inputs).data, axis=1)
        ).mean()
        for weight in (0.0, 50.0)
    )
    assert smooth < 0.5 * rough


def test_the_relative_error_of_the_image_itself_is_zero():
    model = tiny_model("plain")
    image = tiny_image(model)
    error = relative_error(model, Inputs(image=image, layer="3"))
    assert float(error(image[None])) == 0
    assert float(error(torch.zeros_like(image)[None])) > 0.1


def test_nothing_can_be_made_of_a_silent_layer():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    network[0].weight.data.zero_()
    network[0].bias.data.fill_(-1)
    model = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "dead")
    with pytest.raises(ValueError, match="nothing to invert"):
        Inversion().run(model, Inputs(image=torch.zeros(3, 8, 8), layer="0"))


def test_seeds():
    model = tiny_model("plain")
    inputs = Inputs(image=tiny_image(model), layer="3")
    first, again, other = (Inversion(iterations=3, seed=seed).run(model, inputs).data for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match="invert needs an image of 24x24, not 30x20"):
        Inversion().run(tiny_model("plain"), Inputs(image=torch.zeros(3, 20, 30), layer="3"))
