"""Methods follow what a network's scores mean: independent labels, one score for two classes, none at all, or
scores that no gradient comes from."""

import numpy as np
import pytest
import torch

from compute.methods import METHODS
from compute.methods.attribution.occlusion import Occlusion
from compute.methods.attribution.saliency import Saliency
from compute.methods.base import Inputs
from compute.methods.capabilities import capabilities
from compute.methods.synthesis.ascent import Ascent
from compute.methods.synthesis.attack import Attack
from compute.methods.synthesis.dream import Dream
from compute.methods.synthesis.inversion import Inversion
from compute.methods.synthesis.style import StyleTransfer
from compute.models.model import Model
from tests.support.networks import scored
from tests.support.networks.odd import CLASSES, PREPROCESSING, noise, seeded

OF_CLASSES = ("saliency", "segment", "occlusion", "fool")
OF_LAYERS = ("dream", "invert", "style", "guided")


def model(kind, classes: int = 5, **told: str) -> Model:
    return Model(seeded(kind), PREPROCESSING, CLASSES[:classes], kind.__name__, **told)


def undecided(kind, classes: int = 5) -> Model:
    """Some images of noise have a label, and some have not."""
    network = seeded(kind)
    with torch.no_grad():
        pixels = model(kind, classes).normalize(noise(8))
        network.fc.bias -= (network.z(pixels) / 20).median(0).values
    return Model(network, PREPROCESSING, CLASSES[:classes], kind.__name__)


def slope(found: Model, image: torch.Tensor, index: int) -> np.ndarray:
    """Largest absolute gradient of a logit over the channels, by the plain network."""
    pixels = image[None].clone().requires_grad_(True)
    found.module.z(found.normalize(pixels))[0, index].backward()
    return pixels.grad[0].abs().amax(0).numpy()


@pytest.mark.parametrize(
    "kind", (scored.Labels, scored.UntraceableLabels, scored.Softmax, scored.UntraceableSoftmax)
)
def test_saliency_is_the_slope_of_the_logit_before_the_squashing(kind):
    found, (image,) = model(kind), noise(1)
    for target in (0, 3):
        step = Saliency(variant="gradient").run(found, Inputs(image=image, target=target))
        expected = slope(found, image, target)
        np.testing.assert_allclose(step.data, expected, atol=1e-3 * expected.max())
        with torch.no_grad():
            own = found.module(found.normalize(image[None]))[0, target]
        assert step.numbers["probability"] == pytest.approx(float(own), abs=1e-5)


def test_either_of_two_classes_is_explained_by_the_single_score():
    found, (image,) = model(scored.OneLogit, 2), noise(1)
    maps = [Saliency(variant="gradient").run(found, Inputs(image=image, target=target)) for target in (0, 1)]
    expected = slope(found, image, 0)
    for step in maps:
        np.testing.assert_allclose(step.data, expected, atol=1e-3 * expected.max())
    with torch.no_grad():
        z = float(found.module.z(found.normalize(image[None])))
    assert [step.numbers["logit"] for step in maps] == pytest.approx([-z, z], rel=1e-4)
    signed = [
        Saliency(variant="gradient", channels="sum").run(found, Inputs(image=image, target=target)).data
        for target in (0, 1)
    ]
    np.testing.assert_allclose(signed[0], -signed[1], atol=1e-6)


def test_occlusion_watches_either_of_two_classes():
    found, (image,) = model(scored.OneLogit, 2), noise(1)
    first, second = (
        Occlusion(value="logit", patch=8, stride=4).run(found, Inputs(image=image, target=target)).data
        for target in (0, 1)
    )
    np.testing.assert_allclose(first, -second, atol=1e-4)
    assert np.ptp(first) > 0


def test_occlusion_of_a_label_is_its_own_probability():
    found, (image,) = model(scored.Labels), noise(1)
    step = Occlusion(patch=8, stride=8).run(found, Inputs(image=image, target=2))
    hidden = found.normalize(image[None])
    hidden[:, :, :8, :8] = 0
    with torch.no_grad():
        assert step.data[0, 0] == pytest.approx(float(found.module(hidden)[0, 2]), abs=1e-4)


@pytest.mark.parametrize("kind", (scored.Labels, scored.UntraceableLabels))
@pytest.mark.parametrize("attack", ("pgd-linf", "gradient"))
def test_a_label_is_added_or_taken_away(kind, attack):
    found, (image,) = undecided(kind), noise(1)
    probabilities = found.probabilities(image[None])[0].detach()
    absent, given = int(probabilities.argmin()), int(probabilities.argmax())
    assert probabilities[absent] < 0.5 < probabilities[given]
    for target, wanted in ((absent, lambda p: p > 0.5), (None, lambda p: p < 0.5)):
        step = Attack(attack=attack, iterations=20).run(found, Inputs(image=image, target=target))
        numbers = step.numbers
        assert numbers["success"], numbers["note"]
        seen = torch.from_numpy(step.data).permute(2, 0, 1)
        with torch.no_grad():
            p = found.module(found.normalize(seen[None]))[0, given if target is None else target]
        assert wanted(float(p))
        assert numbers["probability"] == pytest.approx(float(1 - p if target is None else p), abs=1e-4)
        assert "probability" in numbers["note"] and numbers["margin"] > 0
        name = CLASSES[given if target is None else target]
        assert (name in numbers["labels"]) is (target is not None)
        assert (name in numbers["labels_before"]) is (target is None)


@pytest.mark.parametrize("target", (0, 1, None))
def test_a_single_score_is_fooled_towards_either_class(target):
    found, (image,) = undecided(scored.OneLogit, 2), noise(1)
    step = Attack(epsilon=64.0).run(found, Inputs(image=image, target=target))
    seen = torch.from_numpy(step.data).permute(2, 0, 1)[None]
    with torch.no_grad():
        z = float(found.module(found.normalize(seen)))
    assert step.numbers["success"]
    assert step.numbers["predicted"] == CLASSES[int(z > 0)]
    second = torch.sigmoid(torch.tensor(z)).item()
    wanted = {0: 1 - second, 1: second}.get(target)
    assert wanted is None or step.numbers["probability"] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("target", (0, 1))
def test_ascent_climbs_either_class(target):
    found = undecided(scored.OneLogit, 2)
    step = Ascent(iterations=60, perturbation="none").run(found, Inputs(target=target))
    assert step.numbers["predicted"] == CLASSES[target] and step.numbers["probability"] > 0.5


def test_a_network_without_classes_keeps_what_needs_none():
    found, (image, other) = model(scored.Pyramid, 0), noise()
    known = capabilities(found)
    assert all("no class scores" in known[name] for name in OF_CLASSES)
    assert all(known[name] is None for name in (*OF_LAYERS, "ascend", "neighbors", "maps", "filters"))
    layer = "conv2"
    for method, inputs in (
        (Ascent(iterations=2), Inputs(layer=layer, channel=1)),
        (Dream(iterations=1, octaves=1), Inputs(image=image, layer=layer)),
        (Inversion(iterations=2), Inputs(image=image, layer=layer)),
        (StyleTransfer(iterations=2), Inputs(image=image, second=other)),
    ):
        step = method.run(found, inputs)
        assert np.isfinite(step.data).all() and "predicted" not in step.numbers
    for name in OF_CLASSES:
        with pytest.raises(ValueError, match="no class scores"):
            METHODS[name]().run(found, Inputs(image=image))
    with pytest.raises(ValueError, match="no class scores"):
        found.class_index("ant")


@pytest.mark.parametrize("kind", (scored.Detached, scored.InInferenceMode))
def test_what_needs_a_gradient_of_the_scores_says_why_there_is_none(kind):
    found, (image,) = model(kind), noise(1)
    known = capabilities(found)
    for name in ("saliency", "segment", "fool"):
        assert "no gradient of the scores" in known[name]
        with pytest.raises(ValueError, match="no gradient of the scores"):
            METHODS[name]().run(found, Inputs(image=image))
    with pytest.raises(ValueError, match="no gradient of the scores"):
        Ascent(iterations=1).run(found, Inputs(target=1))
    assert known["occlusion"] is None
    step = Occlusion(patch=8, stride=8).run(found, Inputs(image=image))
    assert np.isfinite(step.data).all()


def test_layers_before_the_cut_are_followed_as_ever():
    found, (image,) = model(scored.Detached), noise(1)
    assert found.no_gradient_at("conv1") is None
    step = Inversion(iterations=2).run(found, Inputs(image=image, layer="conv1"))
    assert np.isfinite(step.data).all()


def test_layers_behind_a_cut_are_refused_with_the_reason():
    found, (image,) = model(scored.HalfDetached), noise(1)
    assert found.no_gradient_because is None and found.no_gradient_at("conv1") is None
    inputs = Inputs(image=image, layer="conv2", channel=0)
    for method in (Dream(iterations=1), Inversion(iterations=1), Ascent(iterations=1)):
        with pytest.raises(ValueError, match="no gradient of conv2 reaches the image"):
            method.run(found, inputs)


def test_no_layer_is_followed_in_inference_mode():
    known = capabilities(model(scored.InInferenceMode))
    assert all("gradient" in known[name] for name in (*OF_LAYERS, "ascend"))


@pytest.mark.filterwarnings("ignore:::torch")
def test_a_quantised_network_says_so_and_keeps_its_convolutions():
    found = Model(scored.quantised(), PREPROCESSING, CLASSES, "quantised")
    assert "quantised" in found.no_gradient_because
    known = capabilities(found)
    assert "quantised" in known["fool"] and known["dream"] is None and known["occlusion"] is None


def test_probabilities_fall_and_rise_as_the_network_s_own():
    found, (image,) = model(scored.Labels), noise(1)
    numbers = Saliency(curves=True, curve_steps=2).run(found, Inputs(image=image, target=1)).numbers
    with torch.no_grad():
        own = found.module(found.normalize(image[None]))[0, 1]
    assert numbers["deletion_curve"][0] == pytest.approx(float(own), abs=1e-4)
    assert numbers["insertion_curve"][-1] == pytest.approx(float(own), abs=1e-4)
