"""Model: everything between an image in [0, 1] and the scores."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image
from torch import nn

from compute.models.model import Model, unique_names
from compute.models.objectives import channel, logit
from compute.network.hooked import HookedNetwork
from compute.network.traced import FEATURES, LOGITS
from tests.support.networks.odd import (
    CLASSES,
    GREY,
    PREPROCESSING,
    SIZE,
    Aliased,
    AllConvolutional,
    Base,
    Branching,
    BranchingSoftmax,
    Discarding,
    Functional,
    OneChannel,
    Residual,
    Shared,
    Tokens,
    WritingToView,
    model_of,
    noise,
    seeded,
)

UNTRACEABLE = (Branching, WritingToView, Aliased)


def hooks_of(module: nn.Module) -> int:
    return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in module.modules())


@pytest.mark.parametrize("kind", [Functional, Residual, *UNTRACEABLE])
def test_logits_and_features_are_those_of_the_network_on_normalised_images(kind):
    model, network, images = model_of(kind), seeded(kind), noise(3)
    expected = network(PREPROCESSING.normalize(images))
    assert torch.allclose(model.logits(images), expected, atol=1e-6)
    assert torch.allclose(model.probabilities(images), expected.softmax(1), atol=1e-6)
    assert torch.allclose(network.fc(model.features(images)), expected, atol=1e-6)


@pytest.mark.parametrize(
    "kind, reason",
    [(Branching, "control flow"), (WritingToView, "writes over a tensor"), (Aliased, "writes over a tensor")],
)
def test_a_network_that_cannot_be_traced_says_why(kind, reason):
    model = model_of(kind)
    assert isinstance(model.network, HookedNetwork)
    assert model.graph is None
    assert reason in model.not_traced_because
    assert list(model.layers) == ["conv1", "conv2"]
    layer = model.layers["conv2"]
    assert (layer.tap, layer.channels, layer.height, layer.width) == ("conv", 6, *SIZE)
    assert layer.receptive_field.whole
    assert layer.receptive_field.box(3, 4) == (0, 0, 20, 24)


def test_untraced_layers_are_raw_convolutions_also_before_an_in_place_relu():
    model, network, images = model_of(Branching), seeded(Branching), noise()
    maps = network.conv1(PREPROCESSING.normalize(images))
    assert torch.equal(model.activations(images, {"conv1"})["conv1"], maps)
    second = network.conv2(network.bn1(maps).relu())
    assert torch.equal(model.activations(images, {"conv2", LOGITS})["conv2"], second)


@pytest.mark.parametrize("kind", [Residual, Branching])
def test_scores_can_be_differentiated_by_activations(kind):
    model, images = model_of(kind), noise().requires_grad_()
    sites = model.activations(images, {LOGITS, "conv2"})
    (gradient,) = torch.autograd.grad(sites[LOGITS][:, 1].sum(), sites["conv2"])
    assert gradient.abs().sum() > 0


def test_untraced_logits_are_those_before_a_softmax_module():
    model, network, images = model_of(BranchingSoftmax), seeded(BranchingSoftmax), noise()
    assert model.graph is None
    expected = network.head(network.conv1(PREPROCESSING.normalize(images)).relu())
    assert torch.equal(model.logits(images), expected)


def test_hooks_are_gone_after_a_pass_and_after_an_exception():
    model = model_of(Branching)
    model.activations(noise(), {"conv1", FEATURES})
    with pytest.raises(ValueError, match="unknown layer 'nothing'"):
        model.activations(noise(), {"conv1", FEATURES, "nothing"})
    with pytest.raises(RuntimeError):
        model.network.run(torch.zeros(1, 4, 8, 8), {"conv1"})
    assert hooks_of(model.module) == 0


def test_untraced_convolutions_that_run_twice_or_never():
    class BranchingShared(Shared):
        def forward(self, x):
            return super().forward(x if x.mean() > -1e9 else -x)

    class Unreached(BranchingShared):
        def __init__(self):
            super().__init__()
            self.never = nn.Conv2d(3, 3, 1)

    model, network, images = model_of(Unreached), seeded(Unreached), noise()
    assert model.graph is None
    assert list(model.layers) == ["conv1", "conv2"]
    first = network.conv2(network.conv1(PREPROCESSING.normalize(images)))
    assert torch.equal(model.activations(images, {"conv2"})["conv2"], first)


@pytest.mark.parametrize("kind", [Residual, Branching])
def test_two_threads_on_one_model(kind):
    model = model_of(kind)
    jobs = [(sites, noise(1, seed)) for seed in range(12) for sites in ({LOGITS}, {"conv1", FEATURES})]
    expected = [model.activations(images, sites) for sites, images in jobs]
    with torch.no_grad(), ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda job: model.activations(job[1], job[0]), jobs))
    for one, other in zip(found, expected, strict=True):
        assert all(torch.equal(one[site], other[site]) for site in other)


def test_gradient_agrees_with_finite_differences():
    """Of a smooth network, in units of pixels in [0, 1]."""

    class Smooth(Base):
        def forward(self, x):
            return self.head(torch.tanh(self.bn2(self.conv2(torch.tanh(self.bn1(self.conv1(x)))))))

    model, images, step = model_of(Smooth), noise(2), 1e-2
    objective = logit(3) - 0.5 * channel("conv1", 2)
    gradient, score = model.gradient(images, objective)
    assert gradient.shape == images.shape
    assert torch.equal(score, model.score(images, objective))
    for seed in range(5):
        direction = noise(1, seed)[0] - 0.5
        direction = direction / direction.norm()
        difference = (
            model.score(images + step * direction, objective)
            - model.score(images - step * direction, objective)
        ) / (2 * step)
        assert torch.allclose((gradient * direction).flatten(1).sum(1), difference, rtol=2e-2, atol=2e-4)


def test_gradient_works_where_gradients_are_off_and_leaves_the_images_alone():
    model, images = model_of(Residual), noise()
    with torch.no_grad():
        gradient, score = model.gradient(images, logit(0))
    assert gradient.abs().sum() > 0
    assert not (images.requires_grad or gradient.requires_grad or score.requires_grad)
    assert all(each.grad is None for each in model.module.parameters())


def test_the_network_is_frozen_and_in_eval_mode():
    model = Model(seeded(Residual).train(), PREPROCESSING, CLASSES, "trained")
    assert not model.module.training
    assert not any(each.requires_grad for each in model.module.parameters())
    assert torch.allclose(model.logits(noise(4))[:1], model.logits(noise(4)[:1]), atol=1e-6)


def test_weights_hash_changes_with_every_parameter_and_buffer():
    names = list(seeded(Residual).state_dict())
    hashes = {model_of(Residual).weights_hash, model_of(Residual).weights_hash}
    assert len(hashes) == 1
    for name in names:
        network = seeded(Residual)
        tensor = network.state_dict()[name]
        tensor.view(-1)[-1:].add_(1)
        hashes.add(Model(network, PREPROCESSING, CLASSES, "changed").weights_hash)
    assert len(hashes) == 1 + len(names)


def test_weights_hash_is_the_same_before_and_after_use():
    model = model_of(Residual)
    before = model.weights_hash
    model.gradient(noise(), logit(0))
    model.with_random_weights(1)
    assert Model(model.module, PREPROCESSING, CLASSES, "again").weights_hash == before


def test_random_weights_are_a_new_model():
    model = model_of(Residual)
    state, logits, before = torch.get_rng_state(), model.logits(noise()), model.weights_hash
    other, same, third = (model.with_random_weights(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert other.weights_hash == same.weights_hash
    assert len({before, other.weights_hash, third.weights_hash}) == 3
    assert model.weights_hash == before
    assert torch.equal(model.logits(noise()), logits)
    assert other.classes == model.classes
    assert other.name == "Residual (random weights)"
    expected = other.module(PREPROCESSING.normalize(noise()))
    assert torch.allclose(other.logits(noise()), expected, atol=1e-6)


def test_random_weights_also_where_a_parameter_has_no_initialisation_of_its_own():
    model = model_of(Tokens)
    before, after = model.module, model.with_random_weights(1).module
    assert not torch.equal(before.position, after.position)
    assert abs(before.position.std() - after.position.std()) < 0.2
    assert not torch.equal(before.fc.weight, after.fc.weight)


def test_layers_in_the_order_of_the_network():
    class Many(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.fc = nn.Conv2d(8, 4, (1, 3), stride=(1, 2)), nn.Linear(4, 5)
            self.wide = nn.Conv2d(3, 8, 3, dilation=2)
            self.depth, self.groups = nn.Conv2d(8, 8, 3, 2, groups=8), nn.Conv2d(8, 8, 1, groups=2)

        def forward(self, x):
            return self.fc(self.last(self.groups(self.depth(self.wide(x)))).mean((2, 3)))

    layers = list(model_of(Many).layers.values())
    assert [layer.name for layer in layers] == ["wide", "depth", "groups", "last"]
    assert [layer.position for layer in layers] == [0, 1, 2, 3]
    assert [layer.kind for layer in layers] == [
        "conv 3x3 dilation 2",
        "conv 3x3 /2 depthwise",
        "conv 1x1 2 groups",
        "conv 1x3 /1x2",
    ]
    assert (layers[-1].in_channels, layers[-1].channels, layers[-1].height, layers[-1].width) == (8, 4, 9, 3)
    assert (layers[0].receptive_field.y.size, layers[-1].receptive_field.x.size) == (5, 11)


def test_one_channel():
    model = model_of(OneChannel, preprocessing=GREY)
    assert model.in_channels == 1
    image = model.prepare(Image.new("RGB", (50, 60), (255, 0, 0)))
    assert image.shape == (1, *SIZE)
    gradient, _ = model.gradient(image[None], logit(2))
    assert gradient.shape == (1, 1, *SIZE)


def test_lazy_networks_get_their_shapes():
    class Lazy(Base):
        def __init__(self):
            super().__init__()
            self.conv1, self.fc = nn.LazyConv2d(6, 3), nn.LazyLinear(5)

        def forward(self, x):
            return self.head(self.conv1(x))

    model = model_of(Lazy)
    assert model.layers["conv1"].in_channels == 3
    assert not model.module.conv1.weight.requires_grad


class Returning(Base):
    def __init__(self, result):
        super().__init__()
        self.result = result

    def forward(self, x):
        return self.result(self.head(self.conv1(x)))


@pytest.mark.parametrize(
    "result, words",
    [
        (lambda x: "scores", "returns str, and no tensor of floats in it"),
        (lambda x: x[:, :3], "gives 3 scores for an image, but there are 5 class names"),
        (lambda x: x.view(7, 7), "doesn't run on an image of 3 x 24 x 20"),
    ],
)
def test_what_is_no_classification_network_is_refused(result, words):
    with pytest.raises(ValueError, match=words):
        Model(Returning(result), PREPROCESSING, CLASSES, "odd")


@pytest.mark.parametrize(
    "images",
    [noise()[0], noise(channels=1), (noise() * 255).byte()],
    ids=["3 dimensions", "1 channel", "bytes"],
)
def test_images_of_another_kind_are_refused(images):
    with pytest.raises(ValueError, match=r"takes floats of shape \(N, 3, H, W\) in \[0, 1\]"):
        model_of(Residual).logits(images)


def test_names_that_are_not_there():
    model = model_of(Residual)
    with pytest.raises(ValueError, match="unknown class 'bea'; did you mean bee"):
        model.class_index("bea")
    with pytest.raises(ValueError, match="unknown class 'xylophone'; choose from ant, bee, cow, dog, eel"):
        model.class_index("xylophone")
    with pytest.raises(ValueError, match="unknown layer 'conv9'; did you mean"):
        model.layer("conv9")
    with pytest.raises(ValueError, match="unknown layer 'conv9'; did you mean"):
        model.convolution("conv9")
    assert model.class_index("cow") == 2
    assert model.convolution("conv2") is model.module.conv2


def test_a_class_name_that_occurs_twice_gets_its_number():
    assert unique_names(["crane", "dog", "crane"]) == ("crane (0)", "dog", "crane (2)")


def test_discarded_in_place_results_survive_a_new_model_of_the_same_module():
    """Tracing leaves the modules in place, so that a copy of them is traced to the same network."""
    model = model_of(Discarding)
    again = Model(model.module, PREPROCESSING, CLASSES, "again")
    assert torch.equal(again.logits(noise()), model.logits(noise()))
    expected = seeded(Discarding)(PREPROCESSING.normalize(noise()))
    assert torch.allclose(model.logits(noise()), expected, atol=1e-6)


def test_features_without_a_linear_layer():
    model, network, images = model_of(AllConvolutional), seeded(AllConvolutional), noise()
    expected = network.conv1(PREPROCESSING.normalize(images)).relu().mean((2, 3))
    assert torch.allclose(model.features(images), expected, atol=1e-6)
