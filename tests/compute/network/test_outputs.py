"""What a network's scores mean is found by its values, told, or refused; its own probabilities are never
squashed again."""

import pytest
import torch
from torch import nn

from compute.models.model import Model
from compute.network.outputs import (
    LOG_PROBABILITIES,
    LOGITS,
    NONE,
    PROBABILITIES,
    SIGMOID,
    find_output,
)
from tests.support.networks import scored
from tests.support.networks.odd import CLASSES, PREPROCESSING, noise, seeded

EXCLUSIVE = (
    scored.Softmax,
    scored.CastSoftmax,
    scored.ReshapedSoftmax,
    scored.ClampedSoftmax,
    scored.WidelyClampedSoftmax,
    scored.ExponentialOfLogSoftmax,
    scored.SoftmaxByHand,
    scored.Ensemble,
    scored.UntraceableSoftmax,
)
INDEPENDENT = (
    scored.Labels,
    scored.CastLabels,
    scored.LabelsByHand,
    scored.UntraceableLabels,
    scored.EnsembleOfLabels,
    scored.UnsureLabels,
    scored.UnknownLeftOut,
    scored.YesOrNo,
    scored.ZeroLabels,
)
LOGARITHMS = (scored.LogSoftmax, scored.UntraceableLogSoftmax)
SINGLE = (scored.OneLogit, scored.FlatLogit)
PROBABILITY = (scored.OneProbability, scored.UntraceableProbability, scored.SecondOfTwo)
PLAIN = (scored.Logits, scored.SmallLogits, scored.Gated, scored.UntraceableSoftmaxModule)
NO_SCORES = (scored.NamedEmbedding, scored.Pyramid, scored.Segmentation)


def names(number: int) -> tuple[str, ...]:
    return CLASSES[:number]


def model(kind: type[nn.Module], classes: int = 5, **told: str) -> Model:
    return Model(seeded(kind), PREPROCESSING, names(classes), kind.__name__, **told)


def plainly(found: Model, images: torch.Tensor) -> torch.Tensor:
    """What the network itself returns."""
    with torch.no_grad():
        return found.module(found.normalize(images))


@pytest.mark.parametrize("kind", (*EXCLUSIVE, *INDEPENDENT))
def test_probabilities_are_the_network_s_own(kind):
    found = model(kind)
    assert found.output.meaning == (PROBABILITIES if kind in EXCLUSIVE else SIGMOID)
    assert found.output.independent is (kind in INDEPENDENT)
    images = noise(3)
    with torch.no_grad():
        assert torch.allclose(found.probabilities(images), plainly(found, images), rtol=0, atol=3e-3)


@pytest.mark.parametrize("kind", LOGARITHMS)
def test_log_probabilities_are_the_logarithms_of_probabilities(kind):
    found = model(kind)
    assert found.output.meaning == LOG_PROBABILITIES
    images = noise(3)
    with torch.no_grad():
        assert torch.allclose(found.probabilities(images), plainly(found, images).exp(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", PLAIN)
def test_logits_stay_logits(kind):
    found = model(kind)
    assert found.output.meaning == LOGITS
    with torch.no_grad():
        assert torch.allclose(found.logits(noise()), plainly(found, noise()), rtol=1e-4, atol=1e-4)


def test_small_logits_are_said_to_be_taken_for_logits():
    assert any("--scores" in note for note in model(scored.SmallLogits).notes)
    assert not any("--scores" in note for note in model(scored.Logits).notes)


@pytest.mark.parametrize("kind", (*SINGLE, *PROBABILITY))
def test_a_single_score_is_of_the_second_of_two_classes(kind):
    found = model(kind, classes=2)
    assert found.output.meaning == (LOGITS if kind in SINGLE else SIGMOID)
    images = noise(3)
    raw = plainly(found, images).reshape(-1)
    second = raw.sigmoid() if kind in SINGLE else raw
    with torch.no_grad():
        assert torch.allclose(found.probabilities(images)[:, 1], second, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", (scored.UntraceableSoftmax, scored.UntraceableLabels, scored.Labels))
def test_logits_are_those_before_the_squashing(kind):
    """Behind it they have no slope where the network is sure."""
    found, images = model(kind), noise()
    with torch.no_grad():
        expected = found.module.z(found.normalize(images))
        assert torch.allclose(found.logits(images), expected, rtol=1e-4, atol=1e-3)
    assert not any("taken back" in note for note in found.notes)


@pytest.mark.parametrize("kind", (scored.Ensemble, scored.SoftmaxByHand, scored.LabelsByHand))
def test_logits_that_are_taken_back_are_said_to_be(kind):
    assert any("taken back" in note for note in model(kind).notes)


@pytest.mark.parametrize("kind", NO_SCORES)
def test_a_network_may_have_no_class_scores(kind):
    found = model(kind, classes=0)
    assert found.output.meaning == NONE and found.classes == ()
    with pytest.raises(ValueError, match="no class scores"):
        found.logits(noise())
    assert found.features(noise()).shape[0] == 2


def test_an_embedding_is_told():
    found = model(scored.Embedding, classes=0, scores="none")
    with torch.no_grad():
        assert torch.allclose(found.features(noise()), plainly(found, noise()), atol=1e-5)


def test_heads_of_training_are_left_alone():
    found = model(scored.Segmentation, classes=0)
    assert found.output.path == ("out",)


def test_what_is_told_goes_before_what_is_found():
    images = noise()
    found = model(scored.Logits, scores="sigmoid")
    assert found.output.independent
    with torch.no_grad():
        assert torch.allclose(found.probabilities(images), plainly(found, images).sigmoid(), atol=1e-5)
        told = model(scored.Labels, scores="logits")
        assert torch.allclose(told.probabilities(images), plainly(told, images).softmax(1), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "scores", "complaint"),
    [
        (scored.Logits, "probabilities", "lie between"),
        (scored.Logits, "log-probabilities", "go up to"),
        (scored.Labels, "probabilities", "add up to 1"),
        (scored.Pyramid, "logits", "shape"),
    ],
)
def test_what_the_values_contradict_is_refused(kind, scores, complaint):
    with pytest.raises(ValueError, match=complaint):
        model(kind, scores=scores)


def test_the_winning_class_is_that_of_the_greatest_score():
    found = model(scored.Labels)
    logits = torch.tensor([[30.0, 90.0, -3.0, 60.0, 0.0]])
    probabilities, indices = found.output.ranked(logits)
    assert indices[0].tolist() == [1, 3, 0, 4, 2]
    assert int(found.output.winning(logits)) == 1
    assert torch.equal(probabilities[0, :2], torch.ones(2))


def test_either_of_two_classes_has_a_score():
    found = model(scored.OneLogit, classes=2)
    logits = found.logits(noise())
    assert torch.equal(found.output.score(logits, 1), logits[:, 1])
    assert torch.equal(found.output.score(logits, 0), -logits[:, 1])


def test_a_network_that_refuses_strong_contrast_is_not_asked_twice():
    network = seeded(scored.Labels)

    def run(images):
        assert images.abs().amax() < 20
        return network(images)

    assert find_output(run, noise(3)).meaning == SIGMOID


def test_random_weights_mean_the_same():
    assert model(scored.UnsureLabels).with_random_weights(1).output.independent
