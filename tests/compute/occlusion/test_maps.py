"""Occlusion maps against one forward pass a position, and the numerics around them."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.methods.attribution.occlusion import Occlusion
from compute.methods.base import Inputs
from compute.models.model import Model
from compute.occlusion.coarse_to_fine import interpolated
from compute.occlusion.incremental import IncrementalInference
from compute.occlusion.maps import BASELINES, baseline_image, occlusion_maps, occlusion_progress, windows
from compute.occlusion.passes import PLANS, choose_pass
from compute.runtime.vision import models
from tests.support.networks import tiny as tiny_networks

pytestmark = pytest.mark.slow

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def tiny_model(height: int = 17, width: int = 23) -> Model:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
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


def test_progress_is_coarse_first_and_refined_in_place(model, image):
    whole = occlusion_maps(model, image, 0, 3, 2)
    assert whole.exact.all() and [len(each) for each in whole.stages] == [6, 12, 30, 88]
    states = list(occlusion_progress(model, image, 0, 3, 2, batch=7))
    assert [state.done for state in states] == sorted({state.done for state in states})
    assert {6, 12, 30, 88} <= {state.done for state in states}
    for state in states:
        for name in ("probability", "logit"):
            found, expected = (getattr(each, name) for each in (state, whole))
            assert np.allclose(found[state.exact], expected[state.exact], atol=1e-6)
            if state.complete_stages:
                coarse = interpolated(expected, whole.stages[state.complete_stages - 1], whole.ys, whole.xs)
                assert np.allclose(found[~state.exact], coarse[~state.exact], atol=1e-6)
            else:
                assert (found[~state.exact] == np.float32(getattr(state, f"unoccluded_{name}"))).all()


def test_finished_map_says_how_far_off_its_stages_were(model, image):
    *_, before, last = Occlusion(patch=3, stride=2, value="logit").steps(model, Inputs(image=image, target=1))
    maps = occlusion_maps(model, image, 1, 3, 2)
    said = last.numbers["stages_against_exact"]
    assert (
        list(said) == ["6 positions", "12 positions", "30 positions"]
        and last.numbers["exact_positions"] == "88 of 88"
    )
    for stage, errors in zip(maps.stages, said.values(), strict=False):
        difference = np.abs(interpolated(maps.logit, stage, maps.ys, maps.xs) - maps.logit)
        assert errors["mean error"] == pytest.approx(difference.mean(), abs=1e-6)
        assert errors["maximum error"] == pytest.approx(difference.max(), abs=1e-6)
        assert errors["share"] == len(stage) / 88
        assert -1 <= errors["rank correlation"] <= 1
    assert "stages_against_exact" not in before.numbers and "stages_against_exact_so_far" in before.numbers


def test_stages_of_classes_are_nearest_and_count_what_is_wrong(model, image):
    last = Occlusion(patch=3, stride=2, value="argmax").run(model, Inputs(image=image))
    for errors in last.numbers["stages_against_exact"].values():
        assert set(errors) == {"share", "wrong share"} and 0 <= errors["wrong share"] <= 1


@pytest.mark.parametrize(
    ("name", "way"), [("plain", "incremental, "), ("untraceable", "dense because the network can't")]
)
def test_numbers_say_which_way_was_taken(name, way):
    model = tiny_networks.tiny_model(name)
    step = Occlusion(patch=6).run(model, Inputs(image=tiny_networks.tiny_image(model)))
    assert step.numbers["computed"].startswith(way)


def test_dense_where_more_work_or_another_size(model, image):
    starts = ((0,), (0,))
    assert choose_pass(tiny_model(17, 17), (17, 17), starts, 17).way.startswith(
        "dense because 100% of the multiply-adds"
    )
    assert "another size" in choose_pass(model, (18, 23), starts, 4).way
    larger = torch.rand(3, 20, 25)
    assert occlusion_maps(model, larger, 0, 4, 4).logit.shape == (5, 7)


def test_gated_network_says_so():
    module = models.mobilenet_v3_small(weights=None, num_classes=2).eval()
    gated = Model(module, Preprocessing((64, 64), None, MEAN, STD), "ab", "gated")
    starts = windows(64, 24, 20)
    assert "gated" in choose_pass(gated, (64, 64), (starts, starts), 24).way


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_out_of_memory_halves_the_batch(model, image, error, monkeypatch):
    whole, sizes, run = occlusion_maps(model, image, 0, 3, 2), [], IncrementalInference._run

    def small_memory(self, groups, maps, fill):
        sizes.append(sum(map(len, groups)))
        if sizes[-1] > 3:
            raise error
        return run(self, groups, maps, fill)

    monkeypatch.setattr(IncrementalInference, "_run", small_memory)
    maps = occlusion_maps(model, image, 0, 3, 2)
    assert max(sizes) > 3 and sizes[-1] <= 3
    assert np.allclose(maps.logit, whole.logit, atol=1e-6) and maps.exact.all()


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_out_of_memory_halves_the_dense_batch(image, error, monkeypatch):
    model = tiny_networks.tiny_model("untraceable")
    image, run, sizes = tiny_networks.tiny_image(model), model.network.run, []
    whole = occlusion_maps(model, image, 0, 5, 4)

    def small_memory(inputs, sites):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise error
        return run(inputs, sites)

    monkeypatch.setattr(model.network, "run", small_memory)
    maps = occlusion_maps(model, image, 0, 5, 4)
    assert max(sizes) > 3 and sizes[-1] <= 3
    assert np.allclose(maps.logit, whole.logit, atol=1e-6)


def test_other_errors_are_not_swallowed(model, image, monkeypatch):
    def broken(*_):
        raise RuntimeError("weights on another device")

    monkeypatch.setattr(IncrementalInference, "_run", broken)
    with pytest.raises(RuntimeError, match="another device"):
        occlusion_maps(model, image, 0, 5, 4)


def test_agrees_with_captum(model, image):
    captum = pytest.importorskip("captum.attr")
    maps = occlusion_maps(model, image, 3, 5, 5)
    occlusion = captum.Occlusion(lambda images: model.probabilities(images))
    difference = occlusion.attribute(
        image[None],
        sliding_window_shapes=(3, 5, 5),
        strides=(3, 5, 5),
        target=3,
        baselines=baseline_image(model, image)[None],
    )[0, 0]
    for row, y in enumerate(maps.ys[:-1]):
        for col, x in enumerate(maps.xs[:-1]):
            expected = maps.unoccluded_probability - maps.probability[row, col]
            assert difference[y, x].item() == pytest.approx(expected, abs=1e-6)


def test_the_plan_for_some_windows_is_made_once(image, monkeypatch):
    """The next image has it, other windows have their own, and none is shared by two networks."""
    made, whole = [], IncrementalInference.__init__

    def counted(self, network, *geometry):
        made.append(network)
        whole(self, network, *geometry)

    monkeypatch.setattr(IncrementalInference, "__init__", counted)
    one, two = tiny_model(), tiny_model()
    with torch.no_grad():
        for weight in two.module.parameters():
            weight.mul_(0.5)
    two = Model(two.module, two.preprocessing, "abcd", "half")
    first = occlusion_maps(one, image, 0, 3, 2)
    again, flipped = occlusion_maps(one, image, 0, 3, 2), occlusion_maps(one, image.flip(2), 0, 3, 2)
    assert len(made) == 1 and np.array_equal(first.logit, again.logit)
    assert not np.allclose(first.logit, flipped.logit, atol=1e-6)
    other = occlusion_maps(two, image, 0, 3, 2)
    assert made == [one.network, two.network] and not np.allclose(first.logit, other.logit, atol=1e-6)
    for patch in range(4, 4 + PLANS):
        occlusion_maps(one, image, 0, patch, 2)
    occlusion_maps(one, image, 0, 3, 2)
    assert len(made) == 2 + PLANS + 1  # the first was the one asked for longest ago


def test_plans_go_with_their_network(image):
    model = tiny_model()
    occlusion_maps(model, image, 0, 3, 2)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
