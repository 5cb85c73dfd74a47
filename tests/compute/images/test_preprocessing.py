"""From a photograph to the network's input and back."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from compute.images.preprocessing import Preprocessing
from compute.images.raster import Raster
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


def test_no_picture_has_five_channels():
    with pytest.raises(ValueError, match="5 channels"):
        Preprocessing((8, 8), 8, (0.5,) * 5, (0.5,) * 5).crop(picture(9, 9))


def cut(image: Image.Image, size: tuple[int, int]) -> torch.Tensor:
    """The centre (height, width) as torchvision cuts it, in [0, 1]."""
    return transforms.functional.to_tensor(transforms.functional.center_crop(image, list(size)))


@pytest.mark.parametrize("width, height", [(97, 61), (61, 97), (300, 40), (40, 300), (128, 64), (20, 17)])
@pytest.mark.parametrize("box", [(64, 128), (73, 146)])
def test_a_box_that_is_not_square_is_covered_as_timm_covers_it(width, height, box):
    image, ours = picture(width, height), preprocessing((64, 128), box)
    if (width, height) == (128, 64):
        assert torch.equal(ours.tensor(image), transforms.functional.to_tensor(image))
        return
    ratio = min(height / box[0], width / box[1])
    scaled = transforms.functional.resize(image, [round(height / ratio), round(width / ratio)])
    assert scaled.height >= box[0] and scaled.width >= box[1]
    assert torch.equal(ours.tensor(image), cut(scaled, (64, 128)))


def test_squashed_as_torchvision_resizes_to_two_sides():
    image, ours = picture(97, 61), preprocessing((64, 128), (70, 140), fit="squash")
    scaled = transforms.functional.resize(image, [70, 140])
    assert torch.equal(ours.tensor(image), cut(scaled, (64, 128)))


@pytest.mark.parametrize("width, height", [(97, 61), (61, 97), (300, 40), (9, 9)])
def test_a_letterbox_holds_all_of_the_image_on_the_mean(width, height):
    image, ours = picture(width, height), preprocessing((64, 128), (64, 128), fit="letterbox")
    ratio = max(height / 64, width / 128)
    rows, columns = round(height / ratio), round(width / ratio)
    left, top = (128 - columns) // 2, (64 - rows) // 2
    seen = ours.tensor(image)
    scaled = transforms.functional.to_tensor(transforms.functional.resize(image, [rows, columns]))
    assert torch.equal(seen[:, top : top + rows, left : left + columns], scaled)
    outside = torch.ones(64, 128, dtype=bool)
    outside[top : top + rows, left : left + columns] = False
    assert (ours.normalize(seen[None])[0][:, outside].abs() < 0.5 / 255 / min(STD) + 1e-6).all()
    black = preprocessing((64, 128), (64, 128), fit="letterbox", pad=(0.0, 0.0, 0.0)).tensor(image)
    assert (black[:, outside] == 0).all()
    assert ours.to_original((left, top, left + columns, top + rows), width, height) == pytest.approx(
        (0, 0, width, height)
    )


@pytest.mark.parametrize("fit", ["crop", "letterbox", "squash"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos"])
def test_values_of_other_kinds_are_scaled_as_pictures_are(fit, interpolation):
    """A raster of bytes gives the picture's pixels, and one of decimal numbers nearly so (of little contrast,
    since Pillow clips bytes between the two axes)."""
    image = picture(97, 61).point(lambda level: 80 + level // 3)
    ours = preprocessing((30, 50), (33, 55), fit=fit, interpolation=interpolation, pad=(0.2, 0.4, 0.6))
    wanted = ours.tensor(image)
    assert torch.equal(ours.tensor(Raster(np.asarray(image))), wanted)
    exact = ours.tensor(Raster(np.asarray(image, np.float32) / 255))
    assert (exact - wanted).abs().max() < 1.6 / 255


def test_other_channels_are_scaled_one_by_one():
    values = np.random.default_rng(0).random((40, 60, 5), np.float32)
    ours = Preprocessing((16, 24), (16, 24), (0.5,) * 5, (0.5,) * 5)
    alone = Preprocessing((16, 24), (16, 24), (0.5,), (0.5,))
    seen = ours.tensor(Raster(values))
    for channel in range(5):
        assert torch.equal(seen[channel], alone.tensor(Raster(values[..., channel, None]))[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_normalised_in_full_precision_and_rounded_once(dtype):
    ours, images = preprocessing(), torch.rand(2, 3, 4, 5)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))
    found = ours.normalize(images, dtype)
    assert found.dtype == dtype
    assert torch.equal(found.float(), ((images - mean) / std).to(dtype).float()) or dtype == torch.float64
    exact = (images.double() - torch.tensor(MEAN, dtype=float).view(1, 3, 1, 1)) / torch.tensor(
        STD, dtype=float
    ).view(1, 3, 1, 1)
    assert (found.double() - exact).abs().max() <= 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"fit": "stretch"}, "unknown fit 'stretch'; choose from crop, letterbox, squash"),
        ({"fit": "letterbox"}, "resize 32 is one side; letterbox needs height and width"),
        ({"pad": (0.5,)}, "pad (0.5,) is not 3 values in [0, 1]"),
        ({"colors": "HSV"}, "unknown colors 'HSV'; choose from L, LA, RGB, RGBA, CMYK"),
        ({"colors": "RGBA"}, "RGBA has 4 channels, but mean and std have 3 values"),
        ({"value_max": 0}, "value_max 0 must be at least 1"),
        ({"value_range": (1.0, 0.0)}, "value_range (1.0, 0.0) must be two finite numbers"),
    ],
)
def test_wrong_choices_are_named(changes, words):
    with pytest.raises(ValueError) as error:
        preprocessing(resize=32, **changes)
    assert words in str(error.value)


def test_what_is_as_ever_is_not_said_so_that_fingerprints_stay():
    assert set(preprocessing().to_dict()) == {"size", "resize", "mean", "std", "interpolation"}
    ours = preprocessing((32, 48), (36, 54), fit="squash", value_range=(-1.0, 1.0), pad=(0.1, 0.2, 0.3))
    assert Preprocessing.from_dict(json.loads(json.dumps(ours.to_dict()))) == ours


@pytest.mark.parametrize(
    "ours, words",
    [
        (preprocessing(), "32 x 32 pixels, cut from a shorter side of 36, bilinear"),
        (
            preprocessing((64, 128), (73, 146)),
            "64 x 128 pixels, cut from a picture that covers 73 x 146, bilinear",
        ),
        (preprocessing(resize=None), "32 x 32 pixels, nothing is scaled, bilinear"),
        (
            Preprocessing(
                (8, 9), (8, 9), (0.5,) * 4, (0.5,) * 4, fit="letterbox", colors="RGBA", value_max=4095
            ),
            "8 x 9 pixels, the whole picture fitted into 8 x 9, bilinear, 4 channels (RGBA), white is 4095",
        ),
    ],
)
def test_in_words(ours, words):
    assert ours.in_words() == words


def test_a_strip_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="too long and narrow"):
        preprocessing((224, 224), 256).crop(Image.new("RGB", (1, 20_000)))


def test_an_input_of_any_size_is_not_taken_from_a_store():
    made = Preprocessing((32, 32), None, (0.5,) * 3, (0.5,) * 3).to_dict()
    assert Preprocessing.from_dict(made | {"size": [4096, 4096]}).size == (4096, 4096)
    with pytest.raises(
        ValueError, match="100000 x 100000 pixels in 3 channels has 30,000,000,000 values, and at most"
    ):
        Preprocessing.from_dict(made | {"size": [100000, 100000]})
    with pytest.raises(ValueError, match="in 1000000 channels has 1,024,000,000 values"):
        Preprocessing.from_dict(made | {"mean": [0.5] * 10**6, "std": [0.5] * 10**6})
    for size in ([32], ["32", "32"], [32.5, 32], [float("inf"), 32], [32, 0]):
        with pytest.raises(ValueError, match="is not a size in pixels"):
            Preprocessing.from_dict(made | {"size": size})
