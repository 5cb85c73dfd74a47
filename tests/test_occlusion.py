"""Occlusion maps against one forward pass a position, and the numerics around them."""

import numpy as np
import pytest
import torch
from torch import nn

from compute.model import Model
from compute.occlusion import BASELINES, baseline_image, occlusion_maps, occlusion_progress, windows
from compute.preprocessing import Preprocessing

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def tiny_model(height: int = 17, width: int = 23) -> Model:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    return Model(network, Preprocessing((height, width), None, MEAN, STD), "abcd", "tiny")


@pytest.fixture
def model() -> Model:
    return tiny_model()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(3, 17, 23, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("size", "patch", "stride", "starts"),
    [
        (10, 4, 3, (0, 3, 6)),
        (11, 4, 3, (0, 3, 6, 7)),
        (5, 5, 2, (0,)),
        (7, 1, 5, (0, 5, 6)),
        (6, 2, 9, (0, 4)),
    ],
)
def test_last_window_reaches_the_border(size, patch, stride, starts):
    assert windows(size, patch, stride) == starts


@pytest.mark.parametrize(
    ("patch", "stride", "said"), [(11, 1, "larger than the image"), (0, 1, "patch 0"), (2, 0, "stride 0")]
)
def test_impossible_windows_are_errors(patch, stride, said):
    with pytest.raises(ValueError, match=said):
        windows(10, patch, stride)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("patch", "stride", "batch"), [(5, 3, 7), (4, 4, 100), (17, 1, 2)])
def test_equals_one_pass_a_position(model, image, baseline, patch, stride, batch):
    maps = occlusion_maps(model, image, 2, patch, stride, baseline, batch)
    hidden = baseline_image(model, image, baseline)
    for row, y in enumerate(maps.ys):
        for col, x in enumerate(maps.xs):
            occluded = image.clone()
            occluded[:, y : y + patch, x : x + patch] = hidden[:, y : y + patch, x : x + patch]
            logits = model.logits(occluded[None])[0]
            assert maps.logit[row, col] == pytest.approx(logits[2].item(), abs=1e-6)
            assert maps.probability[row, col] == pytest.approx(logits.softmax(0)[2].item(), abs=1e-6)
            assert maps.argmax[row, col] == logits.argmax()
    assert maps.ys[-1] + patch == 17 and maps.xs[-1] + patch == 23
    assert maps.done == maps.total == maps.logit.size


def test_unoccluded_values_are_the_models(model, image):
    maps = occlusion_maps(model, image, 1, 5, 5)
    logits = model.logits(image[None])[0]
    assert maps.unoccluded_logit == pytest.approx(logits[1].item(), abs=1e-6)
    assert maps.unoccluded_probability == pytest.approx(logits.softmax(0)[1].item(), abs=1e-6)
    assert maps.unoccluded_argmax == logits.argmax()


def test_mean_baseline_is_zero_after_normalisation(model, image):
    assert not model.normalize(baseline_image(model, image)[None]).any()


def test_unknown_baseline_names_the_choices(model, image):
    with pytest.raises(ValueError, match=r"'noise'.*mean, black, grey, white, blurred"):
        occlusion_maps(model, image, 0, 3, 3, "noise")


def test_unknown_class_is_an_error(model, image):
    with pytest.raises(ValueError, match="class 4"):
        occlusion_maps(model, image, 4, 3, 3)


def test_progress_fills_the_maps_in_place(model, image):
    whole = occlusion_maps(model, image, 0, 5, 4)
    states = list(occlusion_progress(model, image, 0, 5, 4, batch=6))
    assert whole.total == 24 and [state.done for state in states] == [6, 12, 18, 24]
    first = states[0]
    assert np.allclose(first.logit.ravel()[:6], whole.logit.ravel()[:6], atol=1e-6)
    assert (first.logit.ravel()[6:] == np.float32(first.unoccluded_logit)).all()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_batch(model, image, error, monkeypatch):
    whole = occlusion_maps(model, image, 0, 5, 4)
    run, sizes = model.network.run, []

    def small_memory(inputs, sites):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise error
        return run(inputs, sites)

    monkeypatch.setattr(model.network, "run", small_memory)
    maps = occlusion_maps(model, image, 0, 5, 4, batch=16)
    assert sizes[1:5] == [16, 8, 4, 2]
    assert np.allclose(maps.logit, whole.logit, atol=1e-6)


def test_other_errors_are_not_swallowed(model, image, monkeypatch):
    def broken(inputs, sites):
        raise RuntimeError("weights on another device")

    monkeypatch.setattr(model.network, "run", broken)
    with pytest.raises(RuntimeError, match="another device"):
        occlusion_maps(model, image, 0, 5, 4)


def test_agrees_with_captum(model, image):
    captum = pytest.importorskip("captum.attr")
    maps = occlusion_maps(model, image, 3, 5, 5)
    occlusion = captum.Occlusion(lambda images: model.probabilities(images))
    difference = occlusion.attribute(
        image[None], sliding_window_shapes=(3, 5, 5), strides=(3, 5, 5), target=3,
        baselines=baseline_image(model, image)[None],
    )[0, 0]  # fmt: skip
    for row, y in enumerate(maps.ys[:-1]):
        for col, x in enumerate(maps.xs[:-1]):
            expected = maps.unoccluded_probability - maps.probability[row, col]
            assert difference[y, x].item() == pytest.approx(expected, abs=1e-6)
