"""The embedded demos: where their crops come from, and what their shipped weights are worth."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import fx

from compute.demo import images as demo_images
from compute.demo.augmentation import photographs_sampler
from compute.demo.images import PHOTOGRAPHS, demo_crops, digit_images, is_flat, photograph, regions
from compute.demo.networks import CLASSES, NETWORKS, PREPROCESSING, demo_metadata, load_demo_weights
from compute.demo.training import (
    CROPS,
    RECIPES,
    accuracy,
    initial_network,
    normalize,
    pixels,
    save_weights,
    train,
)
from compute.demo.whitening import likeness, random_patches, whitening

pytestmark = pytest.mark.slow

NAMES = sorted(NETWORKS)
LIMIT_BYTES = 2 * 10**6


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of floats depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shipped(name: str) -> torch.nn.Module:
    network = NETWORKS[name]()
    network.load_state_dict(load_demo_weights(name))
    return network.eval()


def overlap(first: demo_images.Box, second: demo_images.Box) -> bool:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return across > 0 and down > 0


def test_crops_are_1700_in_17_balanced_classes():
    crops = demo_crops()
    assert len(crops) == 1700 and len({crop.path for crop in crops}) == 1700
    assert list(crops) == sorted(crops, key=lambda crop: crop.path)
    assert CLASSES["demo"] == tuple(sorted({crop.label for crop in crops})) and len(CLASSES["demo"]) == 17
    for label in CLASSES["demo"]:
        splits = [crop.split for crop in crops if crop.label == label]
        assert (splits.count("train"), splits.count("test")) == (70, 30)


def test_crops_are_the_same_every_time():
    first = demo_crops()
    demo_crops.cache_clear()
    assert demo_crops() == first
    chosen = first[::170]
    assert [crop.png() for crop in chosen] == [crop.png() for crop in chosen]


def test_a_crop_is_an_rgb_picture_of_the_network_size_and_its_png_keeps_the_pixels(tmp_path):
    crop = demo_crops()[500]
    image = crop.image()
    assert (image.mode, image.size) == ("RGB", (PREPROCESSING["demo"].size,) * 2)
    (tmp_path / "crop.png").write_bytes(crop.png())
    assert np.array_equal(np.asarray(Image.open(tmp_path / "crop.png")), np.asarray(image))


@pytest.mark.slow
def test_no_two_crops_are_the_same_picture_and_none_is_flat():
    crops = demo_crops()
    assert len({hashlib.sha256(crop.image().tobytes()).digest() for crop in crops}) == len(crops)
    assert not any(is_flat(crop.image()) for crop in crops)


@pytest.mark.parametrize("source", PHOTOGRAPHS, ids=lambda source: source.label)
def test_held_out_crops_touch_no_training_crop(source):
    crops = [crop for crop in demo_crops() if crop.source == source.name]
    training = [crop.box for crop in crops if crop.split == "train"] + list(regions(source, "train"))
    held_out = [crop.box for crop in crops if crop.split == "test"]
    assert not any(overlap(test, train) for test in held_out for train in training)
    width, height = photograph(source.name).size
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in training + held_out)


def test_random_training_crops_never_see_the_band(monkeypatch):
    def blackened(name: str) -> Image.Image:
        source = next(source for source in PHOTOGRAPHS if source.name == name)
        picture = original(name).copy()
        picture.paste((255, 0, 255), regions(source, "test")[0])
        return picture

    original = photograph
    plain = photographs_sampler()(np.random.default_rng(3), 64)
    monkeypatch.setattr("compute.demo.augmentation.photograph", blackened)
    masked = photographs_sampler()(np.random.default_rng(3), 64)
    assert torch.equal(plain[0], masked[0]) and torch.equal(plain[1], masked[1])
    assert plain[0].shape == (64, 3, 96, 96) and plain[0].min() >= 0 and plain[0].max() <= 1


def test_digits_are_grey_and_all_there():
    digits = digit_images()
    assert len(digits) == 1797 and sum(digit.split == "test" for digit in digits) == 382
    image = digits[0].image()
    assert (image.mode, image.size) == ("L", (PREPROCESSING["digits"].size,) * 2)
    assert {digit.label for digit in digits} == set(CLASSES["digits"])


def test_a_region_of_an_unknown_split_and_an_unknown_photograph_are_refused():
    with pytest.raises(ValueError, match="'valid'"):
        regions(PHOTOGRAPHS[0], "valid")
    with pytest.raises(ValueError, match=r"skimage.data:lena.png.*skimage.data:coffee.png"):
        photograph("skimage.data:lena.png")
    with pytest.raises(ValueError, match=r"'imagenet'.*demo, digits"):
        load_demo_weights("imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_is_the_training_pixels_mean_and_deviation(name):
    crops = [np.asarray(crop.image()) for crop in CROPS[name]() if crop.split == "train"]
    colours = np.stack(crops).reshape(-1, len(PREPROCESSING[name].mean)) / 255.0
    np.testing.assert_allclose(PREPROCESSING[name].mean, colours.mean(0), atol=6e-4)
    np.testing.assert_allclose(PREPROCESSING[name].std, colours.std(0), atol=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_are_small_and_reach_their_stated_accuracy(name):
    facts, tensors = demo_metadata(name), load_demo_weights(name)
    assert sum(tensor.nbytes for tensor in tensors.values()) < LIMIT_BYTES
    assert facts["parameters"] == sum(parameter.numel() for parameter in NETWORKS[name]().parameters())
    assert facts["recipe"] == vars(RECIPES[name])
    assert facts["test_images"] == sum(crop.split == "test" for crop in CROPS[name]())
    assert accuracy(shipped(name), name, "test") == facts["test_accuracy"] >= 0.85


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_traced_take_any_size_and_begin_with_a_7x7_convolution(name):
    network, facts = shipped(name), PREPROCESSING[name]
    traced = fx.symbolic_trace(network)
    for height, width in ((facts.size, facts.size), (40, 72)):
        images = torch.rand(2, len(facts.mean), height, width, generator=torch.Generator().manual_seed(0))
        assert network(images).shape == (2, len(CLASSES[name]))
        torch.testing.assert_close(traced(images), network(images))
    assert network.conv1.kernel_size == (7, 7)
    assert name == "digits" or network.conv1.out_channels >= 32


def low_frequency_share(filters: torch.Tensor) -> torch.Tensor:
    """(F, C, h, w) -> (F,): share of each filter's energy below 2.3 cycles a filter width."""
    energy = torch.fft.fft2(filters.double()).abs().square()
    cycles = torch.fft.fftfreq(filters.shape[-1], dtype=torch.float64) * filters.shape[-1]
    low = (cycles[:, None].square() + cycles.square()).sqrt() < 2.3
    return (energy * low).sum((1, 2, 3)) / energy.sum((1, 2, 3))


@pytest.mark.parametrize(("name", "least"), [("demo", 0.9), ("digits", 0.75)])
def test_first_layer_filters_are_smooth(name, least):
    filters = shipped(name).conv1.weight.detach()
    noise = torch.randn(filters.shape, generator=torch.Generator().manual_seed(0))
    assert low_frequency_share(filters).mean() > least
    assert low_frequency_share(noise).mean() < 0.6


def test_few_channels_of_the_demo_network_are_dead():
    network = shipped("demo")
    crops = [crop for crop in demo_crops() if crop.split == "test"][::3]
    values = normalize(torch.stack([pixels(crop) for crop in crops]), "demo")
    with torch.inference_mode():
        for layer, module in network.named_children():
            values = module(values)
            if layer.startswith("relu"):
                dead = values.amax((0, 2, 3)) <= 0
                assert dead.float().mean() < 0.2, layer


def test_training_lowers_the_loss_and_a_seed_gives_the_same_weights():
    recipe = replace(RECIPES["digits"], epochs=1, images_an_epoch=1280, whitening_patches=2000)
    runs = []
    for _ in range(2):
        network = initial_network(recipe)
        losses = [step.loss for step in train(network, recipe)]
        runs.append(network.state_dict())
    assert len(losses) == recipe.steps == 20
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    assert all(torch.equal(runs[0][key], runs[1][key]) for key in runs[0])
    other = initial_network(replace(recipe, seed=1)).state_dict()
    assert not torch.equal(other["conv2.weight"], initial_network(recipe).state_dict()["conv2.weight"])


def test_whitened_patches_have_even_components():
    rng = np.random.default_rng(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))[0]
    deviations = torch.tensor([10.0, 5.0, 3.0, 2.0, 1.5, 1e-3])
    patches = torch.from_numpy(rng.standard_normal((20_000, 6), dtype=np.float32)) * deviations @ basis.T
    spread = ((patches @ whitening(patches)) @ basis).std(0)
    assert spread[:5].max() / spread[:5].min() < 2, "6.7 before"
    assert spread[5] < 1e-3 * spread[0], "noise is held back"


def test_random_patches_are_windows_of_the_images():
    images = torch.arange(2 * 3 * 9 * 8, dtype=torch.float32).view(2, 3, 9, 8)
    patches = random_patches(np.random.default_rng(0), images, 7, 200).view(200, 3, 7, 7)
    places = [(image, y, x) for image in images for y in range(3) for x in range(2)]
    windows = {image[:, y : y + 7, x : x + 7].numpy().tobytes() for image, y, x in places}
    assert {patch.numpy().tobytes() for patch in patches} == windows


def test_likeness_is_zero_for_orthogonal_filters_and_counts_both_signs():
    orthogonal = torch.eye(12).view(12, 3, 2, 2)
    assert likeness(orthogonal).item() == pytest.approx(0, abs=1e-6)
    twins = torch.cat([orthogonal[:1], -3 * orthogonal[:1]])
    assert likeness(twins).item() == pytest.approx(1)


def test_recipes_are_validated():
    with pytest.raises(ValueError, match="epochs is 0"):
        replace(RECIPES["demo"], epochs=0)
    with pytest.raises(ValueError, match=r"'mnist'.*demo, digits"):
        replace(RECIPES["demo"], network="mnist")


def test_saved_weights_are_read_back(tmp_path):
    from safetensors import safe_open

    network = shipped("digits")
    save_weights(network, {"seconds": 1.5}, tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert file.metadata() == {"facts": '{"seconds": 1.5}'}
        assert torch.equal(file.get_tensor("conv1.weight"), network.conv1.weight)
