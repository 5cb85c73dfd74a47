"""Saliency against code written straight from the papers, against Captum, and by identities."""

from itertools import pairwise

import captum.attr as captum
import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.methods.attribution import saliency
from compute.methods.attribution.deletion_insertion import deletion, insertion, ranks
from compute.methods.attribution.gradcam import gradcam, last_maps
from compute.methods.attribution.gradients import integrated_gradients, smoothgrad
from compute.methods.attribution.saliency import Saliency, rank_correlation
from compute.methods.base import Inputs, Step
from compute.models.model import Model
from compute.network.traced import LOGITS, MAPS
from compute.occlusion.maps import baseline_image
from tests.support.methods import same
from tests.support.networks.tiny import tiny_image, tiny_model

pytestmark = pytest.mark.slow

NETWORKS = ("plain", "reused", "grey", "wide", "untraceable", "gelu")


@pytest.fixture(params=NETWORKS)
def model(request):
    return tiny_model(request.param)


@pytest.fixture
def image(model):
    return tiny_image(model)


def close(ours, theirs, relative: float = 1e-5) -> bool:
    """Largest difference over the largest value."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return ours.shape == theirs.shape and np.abs(ours - theirs).max() <= relative * np.abs(theirs).max()


def in_double(model):
    """The network alone, on pixels in [0, 1], in double precision: (N, C, H, W) -> logits."""
    network = tiny_model(model.name).module.double()
    return lambda images: network(model.preprocessing.normalize(images))


def last(partials):
    *_, partial = partials
    return partial.values


def test_gradient_is_the_slope_of_the_logit(model, image):
    """Central differences in double precision: at the pixels that matter most and at some others."""
    network, step = in_double(model), 1e-5
    gradient = last(smoothgrad(model, image, 2))
    order = gradient.abs().flatten().argsort(descending=True)
    for index in [*order[:5].tolist(), *order[::97].tolist()]:
        change = torch.zeros(image.numel(), dtype=torch.float64)
        change[index] = step
        change = change.view_as(image)
        slope = (network((image + change)[None]) - network((image - change)[None]))[0, 2] / (2 * step)
        assert gradient.flatten()[index].item() == pytest.approx(slope.item(), rel=1e-3, abs=1e-5)


def test_map_is_the_largest_channel_of_the_absolute_gradient(model, image):
    step = Saliency(variant="gradient").run(model, Inputs(image=image, target=3))
    pixels = image[None].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(in_double(model)(pixels.double())[0, 3], pixels)
    assert close(step.data, gradient[0].abs().amax(0))


def test_target_is_the_predicted_class_by_default(model, image):
    logits = model.logits(image[None])[0]
    default = Saliency(variant="gradient").run(model, Inputs(image=image))
    assert default.numbers["class"] == model.classes[logits.argmax()]
    assert default.numbers["logit"] == default.score == pytest.approx(logits.max().item(), rel=1e-5)
    assert default.numbers["probability"] == pytest.approx(logits.softmax(0).max().item(), rel=1e-5)
    chosen = Saliency(variant="gradient").run(model, Inputs(image=image, target=int(logits.argmin())))
    assert chosen.numbers["class"] == model.classes[logits.argmin()]
    assert not np.array_equal(chosen.data, default.data)


def test_agrees_with_captum_saliency(model, image):
    theirs = captum.Saliency(model.logits).attribute(image[None].requires_grad_(True), target=1, abs=True)
    assert close(
        Saliency(variant="gradient").run(model, Inputs(image=image, target=1)).data,
        theirs[0].amax(0).detach(),
    )


@pytest.mark.parametrize("points", [1, 7, 50])
def test_agrees_with_captum_integrated_gradients(model, image, points):
    baseline = baseline_image(model, image, "black")
    theirs = captum.IntegratedGradients(model.logits).attribute(
        image[None], baseline[None], target=4, n_steps=points, method="gausslegendre"
    )
    ours = last(integrated_gradients(model, image, baseline, 4, points))
    assert close(ours, theirs[0].detach().float())


def test_agrees_with_captum_gradcam():
    model = tiny_model("plain")
    image, relu = tiny_image(model), model.module[8]
    theirs = captum.LayerGradCam(lambda images: model.module(model.normalize(images)), relu).attribute(
        image[None], target=2, relu_attributions=True
    )
    theirs = F.interpolate(theirs, model.input_size, mode="bilinear", align_corners=False)[0, 0]
    assert theirs.any()
    assert close(gradcam(model, image, 2), theirs.detach())
    assert close(gradcam(model, image, 2, "7"), theirs.detach())


@pytest.mark.parametrize(("module", "layer"), [("relu", None), ("conv2", "conv2")])
def test_agrees_with_captum_gradcam_behind_in_place_relus(module, layer):
    """Of a ReLU module that runs twice Captum can only give the last call, here the residual sum's: our last
    maps."""
    model, captums = tiny_model("reused"), tiny_model("reused")
    image = tiny_image(model)
    attribution = captum.LayerGradCam(
        lambda images: captums.module(model.normalize(images)), captums.module.get_submodule(module)
    )
    theirs = attribution.attribute(image[None], target=2, relu_attributions=True)
    theirs = F.interpolate(theirs, model.input_size, mode="bilinear", align_corners=False)[0, 0].detach()
    assert theirs.any() and close(gradcam(model, image, 2, layer), theirs)


def test_smoothgrad_of_one_quiet_sample_is_the_gradient_exactly(model, image):
    plain = Saliency(variant="gradient").run(model, Inputs(image=image)).data
    smooth = Saliency(variant="smoothgrad", samples=1, noise=0.0).run(model, Inputs(image=image)).data
    assert np.array_equal(plain, smooth)


def test_usual_is_smoothgrad_of_networks_that_are_quick_enough(model, image, monkeypatch):
    inputs = Inputs(image=image, target=1)

    def usual(allowed: float) -> Step:
        monkeypatch.setattr(saliency, "QUICK", allowed * model.work)
        return Saliency(samples=4).run(model, inputs)

    quick, slow = usual(4), usual(3.99)
    assert (quick.numbers["variant"], slow.numbers["variant"]) == ("smoothgrad", "gradient")
    for found, variant in ((quick, "smoothgrad"), (slow, "gradient")):
        assert same(found, Saliency(variant=variant, samples=4).run(model, inputs))


def test_smoothgrad_is_the_mean_over_noisy_copies(model, image):
    ours = last(smoothgrad(model, image, 1, samples=23, noise=0.2, seed=5))
    expected = torch.zeros(image.shape, dtype=torch.float64)
    for k in range(23):
        noise = np.random.default_rng((5, k)).standard_normal(image.shape, np.float32)
        noisy = (image + 0.2 * torch.from_numpy(noise))[None].requires_grad_(True)
        (gradient,) = torch.autograd.grad(model.logits(noisy)[0, 1], noisy)
        expected += gradient[0] / 23
    assert close(ours, expected)


def test_smoothgrad_follows_its_seed():
    model = tiny_model("plain")
    image = tiny_image(model)
    one, two = (
        Saliency(variant="smoothgrad", samples=4, seed=seed).run(model, Inputs(image=image))
        for seed in (0, 1)
    )
    assert not np.array_equal(one.data, two.data)


@pytest.mark.parametrize("baseline", ["black", "mean", "blurred"])
def test_integrated_gradients_are_complete(model, image, baseline):
    method = Saliency(variant="integrated", points=300, baseline=baseline, channels="sum")
    step = method.run(model, Inputs(image=image, target=0))
    difference = (
        model.logits(image[None])[0, 0] - model.logits(baseline_image(model, image, baseline)[None])[0, 0]
    )
    assert step.numbers["logit_difference"] == pytest.approx(difference.item(), abs=1e-5)
    assert step.data.sum() == pytest.approx(step.numbers["attribution_sum"], rel=1e-4, abs=1e-5)
    assert step.numbers["attribution_sum"] == pytest.approx(difference.item(), abs=0.01)


def test_gradcam_against_the_paper(model, image):
    site = last_maps(model)
    with torch.enable_grad():
        values = model.activations(image[None].requires_grad_(True), {site, LOGITS})
        (gradient,) = torch.autograd.grad(values[LOGITS][0, 1], values[site])
    maps, gradient = values[site][0].detach(), gradient[0]
    coarse = torch.zeros(maps.shape[1:])
    for k in range(len(maps)):
        alpha = gradient[k].sum() / gradient[k].numel()
        coarse += alpha * maps[k]
    coarse = coarse.clamp(min=0)
    ours = gradcam(model, image, 1)
    expected = F.interpolate(coarse[None, None], model.input_size, mode="bilinear", align_corners=False)[0, 0]
    assert ours.shape == model.input_size and ours.min() >= 0
    assert torch.allclose(ours, expected, atol=1e-6)


def test_last_maps_come_after_the_residual_sum():
    network = tiny_model("reused").network
    node = network.node(MAPS)
    assert node.name.startswith("relu") and "add" in node.args[0].name


def test_sanity_control_compares_with_random_weights(model, image):
    step = Saliency(variant="gradient", sanity=True, seed=3).run(model, Inputs(image=image, target=1))
    random = (
        Saliency(variant="gradient").run(model.with_random_weights(3), Inputs(image=image, target=1)).data
    )
    ours, theirs = rankdata(step.data), rankdata(random)
    expected = np.corrcoef(ours, theirs)[0, 1]
    assert step.numbers["rank_correlation_with_random_weights"] == pytest.approx(expected, abs=1e-6)
    assert step.pictures["random weights"].shape == (*model.input_size, 3)


def test_rank_correlation_of_a_map_with_itself_and_with_nothing():
    values = np.random.default_rng(0).random((6, 7))
    assert rank_correlation(values, values) == pytest.approx(1)
    assert rank_correlation(values, -(values**3)) == pytest.approx(1)
    assert rank_correlation(values, np.zeros((6, 7))) is None


@pytest.mark.parametrize("curve", [deletion, insertion])
def test_curves_against_one_pass_a_step(model, image, curve):
    saliency = Saliency(variant="gradient").run(model, Inputs(image=image, target=1)).data
    *_, found = curve(model, image, saliency, 1, 8)
    hidden, blurred = (baseline_image(model, image, name) for name in ("mean", "blurred"))
    before, after = (image, hidden) if curve is deletion else (blurred, image)
    order = sorted(range(saliency.size), key=lambda place: (-saliency.ravel()[place], place))
    expected = []
    for step in range(9):
        changed = before.clone()
        places = order[: round(saliency.size * step / 8)]
        changed.flatten(1)[:, places] = after.flatten(1)[:, places]
        expected.append(model.probabilities(changed[None])[0, 1].item())
    assert found.probability == pytest.approx(expected, abs=1e-5)
    assert found.area == pytest.approx(sum((a + b) / 2 / 8 for a, b in pairwise(expected)), abs=1e-5)
    assert found.shares == pytest.approx([step / 8 for step in range(9)])


def test_ties_are_ranked_in_the_order_of_reading():
    assert ranks(np.array([[1.0, 2.0], [2.0, 1.0]])).tolist() == [[2, 0], [1, 3]]


def test_curves_are_reported():
    model = tiny_model("plain")
    step = Saliency(curves=True, curve_steps=4).run(model, Inputs(image=tiny_image(model)))
    assert len(step.numbers["deletion_curve"]) == len(step.numbers["insertion_curve"]) == 5
    assert step.numbers["deletion_curve"][0] == pytest.approx(step.numbers["probability"], abs=1e-6)
    assert step.numbers["insertion_curve"][-1] == pytest.approx(step.numbers["probability"], abs=1e-6)
    assert 0 <= step.numbers["deletion_area"] <= 1 and 0 <= step.numbers["insertion_area"] <= 1


def test_a_layer_of_ones_own_choice():
    model = tiny_model("plain")
    image = tiny_image(model)
    default = Saliency(variant="gradcam").run(model, Inputs(image=image))
    first = Saliency(variant="gradcam").run(model, Inputs(image=image, layer="0"))
    assert default.numbers["layer"] == "the last maps" and first.numbers["layer"] == "0"
    assert not np.array_equal(default.data, first.data)


def test_gradcam_of_a_patch_embedding_is_an_error():
    embedding = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 4, stride=4), torch.nn.GELU(), torch.nn.Flatten(), torch.nn.Linear(32, 2)
    )
    model = Model(embedding, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), "ab", "patchy")
    with pytest.raises(ValueError, match="behind the patches, and patchy shows none"):
        Saliency(variant="gradcam").run(model, Inputs(image=torch.rand(3, 8, 8)))
    assert Saliency(variant="gradient").run(model, Inputs(image=torch.rand(3, 8, 8))).data.any()
