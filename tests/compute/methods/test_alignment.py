"""Likeness to natural images: the distance against the best of all assignments, and what an ascent does with
it."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from compute.methods.base import Inputs
from compute.methods.optimize.alignment import alignment, quantiles
from compute.methods.synthesis.ascent import Ascent
from tests.support.networks.tiny import tiny_image, tiny_model

LAYERS = ("0", "3")


def references(model, count: int = 3) -> torch.Tensor:
    return torch.stack([tiny_image(model, 50 + index) for index in range(count)])


def maps(model, images: torch.Tensor, layer: str) -> np.ndarray:
    """(N, channels, places), in double precision."""
    with torch.no_grad():
        return model.activations(images, {layer})[layer].flatten(2).double().numpy()


def test_it_is_the_least_cost_of_bringing_the_values_to_those_of_a_reference():
    model = tiny_model("plain")
    image, reference = tiny_image(model)[None], references(model, 1)
    expected = []
    for layer in LAYERS:
        (ours,), (theirs,) = maps(model, image, layer), maps(model, reference, layer)
        cost = 0.0
        for mine, wanted in zip(ours, theirs, strict=True):
            costs = (mine[:, None] - wanted[None]) ** 2
            cost += costs[linear_sum_assignment(costs)].sum()
        expected.append(cost / (theirs**2).sum())
    found = model.score(image, alignment(model, reference, LAYERS))
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("count", [1, 9, 17])
def test_the_values_wanted_are_the_mean_of_the_references_sorted_ones(count):
    model = tiny_model("plain")
    images = references(model, count)
    wanted = quantiles(model, images, LAYERS)
    for layer in LAYERS:
        expected = np.mean([np.sort(each, axis=1) for each in maps(model, images, layer)], axis=0)
        np.testing.assert_allclose(wanted[layer], expected, atol=1e-5)


def test_of_the_reference_itself_it_is_nothing():
    model = tiny_model("plain")
    (image,) = references(model, 1)
    same = alignment(model, image[None], LAYERS)
    assert model.score(image[None], same).item() == pytest.approx(0, abs=1e-10)
    assert model.score(tiny_image(model)[None], same).item() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "goal",
    [{"target": 2}, {"layer": "3", "channel": 4}, {"layer": "3", "channel": 4, "y": 5, "x": 7}],
)
@pytest.mark.parametrize("parameterization", ["fourier", "phase", "pixels"])
def test_more_weight_brings_an_ascent_nearer_to_its_references(goal, parameterization):
    model = tiny_model("plain")
    inputs = Inputs(**goal, references=references(model))
    free, near = (
        Ascent(natural=natural, iterations=60, parameterization=parameterization).run(model, inputs).numbers
        for natural in (1e-6, 1000.0)
    )
    assert near["distance"] < free["distance"] and near["activation"] < free["activation"]
    assert near["references"] == free["references"] == 3


def test_the_distance_is_of_the_saved_picture_over_layers_up_to_the_channels_own():
    model = tiny_model("plain")
    inputs = Inputs(layer="3", channel=4, references=references(model))
    step = Ascent(natural=5.0, iterations=3).run(model, inputs)
    picture = torch.from_numpy(step.data).permute(2, 0, 1)[None]
    expected = model.score(picture, alignment(model, inputs.references, ("0", "3")))
    assert step.numbers["distance"] == pytest.approx(expected.item(), rel=1e-5)


def test_a_direction_is_led_by_its_own_image():
    model = tiny_model("plain")
    image = tiny_image(model, 7)
    alone = Ascent(natural=5.0, iterations=3).run(model, Inputs(layer="3", image=image))
    given = Inputs(layer="3", image=image, references=references(model))
    assert alone.numbers["references"] == 1
    assert np.array_equal(Ascent(natural=5.0, iterations=3).run(model, given).data, alone.data)


def test_without_natural_images_it_says_what_is_missing():
    with pytest.raises(ValueError, match=r"natural=5 needs natural images, those of a store \(--store\)"):
        Ascent(natural=5.0).run(tiny_model("plain"), Inputs(target=1))


def test_without_weight_references_change_nothing():
    model = tiny_model("plain")
    alone, beside = (
        Ascent(iterations=3).run(model, Inputs(target=1, references=each)).data
        for each in (None, references(model))
    )
    assert np.array_equal(alone, beside)
