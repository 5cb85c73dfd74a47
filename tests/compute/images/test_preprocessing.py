"""From a photograph to the network's input and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from compute.images.preprocessing import Preprocessing
from compute.runtime.vision import models, transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def preprocessing(size=(32, 32), resize=36, **changes) -> Preprocessing:
    return Preprocessing(size, resize, MEAN, STD, **changes)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(
    "width, height", [(97, 61), (61, 97), (36, 36), (35, 90), (33, 200), (301, 36), (20, 17), (5, 64)]
)
def test_same_as_torchvisions_preset_bit_for_bit(width, height, interpolation):
    ours = preprocessing(interpolation=interpolation)
    mode = transforms.InterpolationMode(interpolation)
    theirs = transforms._presets.ImageClassification(
        crop_size=32, resize_size=36, mean=MEAN, std=STD, interpolation=mode
    )
    image = picture(width, height)
    tensor = ours.tensor(image)
    assert torch.equal(ours.normalize(tensor[None])[0], theirs(image))
    assert tensor.dtype == torch.float32
    assert torch.equal((tensor * 255).round() / 255, tensor)


def test_crop_larger_than_the_scaled_photograph_is_padded_like_torchvisions():
    image = picture(50, 41)
    theirs = transforms._presets.ImageClassification(crop_size=40, resize_size=31, mean=MEAN, std=STD)
    ours = preprocessing((40, 40), 31)
    assert torch.equal(ours.normalize(ours.tensor(image)[None])[0], theirs(image))


def test_agrees_with_a_networks_own_weights():
    theirs = models.EfficientNet_B0_Weights.DEFAULT.transforms()
    ours = Preprocessing((224, 224), 256, MEAN, STD, "bicubic")
    image = picture(301, 257)
    assert torch.equal(ours.normalize(ours.tensor(image)[None])[0], theirs(image))


def test_a_picture_of_the_inputs_size_is_taken_as_it_is():
    image = picture(24, 32)
    ours = preprocessing((32, 24), 50)
    assert torch.equal(ours.tensor(image), torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255)
    assert ours.to_original((1, 2, 3, 4), 24, 32) == (1, 2, 3, 4)


def test_without_scaling_the_centre_is_cut_out():
    image = picture(41, 37)
    assert np.array_equal(np.array(preprocessing((20, 30), None).crop(image)), np.array(image)[8:28, 6:36])


@pytest.mark.parametrize("size, resize", [((32, 32), 36), ((32, 24), 40), ((40, 40), 31), ((30, 30), None)])
@pytest.mark.parametrize("width, height", [(363, 181), (181, 363), (220, 219), (300, 90)])
def test_to_original_finds_the_marked_place(size, resize, width, height):
    """A black image with one bright square: where the crop shows it, `to_original` says where it was."""
    ours = preprocessing(size, resize)
    marked = np.zeros((height, width, 3), np.uint8)
    pixel = 1 if resize is None else min(width, height) / resize
    top, left, side = round(height / 2 - 9 * pixel), round(width / 2 + pixel), round(7 * pixel)
    marked[top : top + side, left : left + side] = 255
    seen = np.array(ours.crop(Image.fromarray(marked)))[..., 0] / 255
    # The centre of gravity isn't moved by the smoothing of the scaling.
    y = float((seen.sum(1) * (np.arange(seen.shape[0]) + 0.5)).sum() / seen.sum())
    x = float((seen.sum(0) * (np.arange(seen.shape[1]) + 0.5)).sum() / seen.sum())
    left_found, top_found, right_found, bottom_found = ours.to_original((x, y, x, y), width, height)
    assert (left_found, top_found) == (right_found, bottom_found)
    assert abs(left_found - (left + side / 2)) < 0.15 * pixel
    assert abs(top_found - (top + side / 2)) < 0.15 * pixel


def test_to_original_of_the_whole_crop_is_the_cut_out_part():
    assert preprocessing((32, 32), 32).to_original((0, 0, 32, 32), 200, 100) == (50, 0, 150, 100)


def test_grey_network():
    ours = Preprocessing((32, 32), 32, (0.5,), (0.25,))
    tensor = ours.tensor(picture(50, 40))
    assert tensor.shape == (1, 32, 32)
    assert torch.equal(ours.normalize(tensor[None]), (tensor[None] - 0.5) / 0.25)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_any_mode_of_picture(mode):
    assert preprocessing().tensor(picture(50, 40).convert(mode)).shape == (3, 32, 32)


def test_survives_a_journey_through_json():
    ours = preprocessing((32, 24), None, interpolation="bicubic")
    assert Preprocessing.from_dict(ours.to_dict()) == ours
    assert Preprocessing.from_dict({**ours.to_dict(), "size": [32, 24], "mean": list(MEAN)}) == ours


@pytest.mark.parametrize(
    "arguments, words",
    [
        (((32, 32), 32, (0.5, 0.5), (0.5,)), "mean has 2 values and std 1"),
        (((0, 32), 32, (0.5,), (0.5,)), "size (0, 32)"),
        (((32, 32), 32, (0.5,), (0.0,)), "std (0.0,) must be positive"),
        (((32, 32), 0, (0.5,), (0.5,)), "resize 0"),
        (((32, 32), 32, (0.5,), (0.5,), "magic"), "'magic'"),
    ],
)
def test_wrong_parameters_are_named(arguments, words):
    with pytest.raises(ValueError) as error:
        Preprocessing(*arguments)
    assert words in str(error.value)


def test_no_photograph_has_five_channels():
    with pytest.raises(ValueError, match="5 channels"):
        Preprocessing((8, 8), 8, (0.5,) * 5, (0.5,) * 5).crop(picture(9, 9))


def test_a_strip_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="too long and narrow"):
        preprocessing((224, 224), 256).crop(Image.new("RGB", (1, 20_000)))
