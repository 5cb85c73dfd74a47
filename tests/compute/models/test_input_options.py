"""What a person says of a network's input, and the preprocessing that follows."""

import argparse
import json
from types import SimpleNamespace

import pytest

from compute.images.preprocessing import Preprocessing
from compute.models.input_options import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputOptions,
    input_preprocessing,
    numbers,
    size,
    value_range,
)
from compute.models.zoo import ModelSpec, add_model_arguments

KNOWN = Preprocessing((224, 224), 256, IMAGENET_MEAN, IMAGENET_STD, "bicubic")


def said(**options) -> InputOptions:
    names = InputOptions.__annotations__
    return SimpleNamespace(**{**dict.fromkeys(names), **options})


def made(known: Preprocessing | None = None, stem: int | None = None, **options) -> Preprocessing:
    return input_preprocessing(said(**options), known, "net", stem)


class TestSizes:
    @pytest.mark.parametrize("text, wanted", [("64", 64), ("64x128", (64, 128)), ("64,128", (64, 128))])
    def test_one_number_or_two(self, text, wanted):
        assert size(text) == wanted

    @pytest.mark.parametrize("text", ["", "64x", "64x128x3", "-3", "large"])
    def test_what_is_no_size(self, text):
        with pytest.raises(argparse.ArgumentTypeError, match=r"64x128 \(height x width\)"):
            size(text)

    def test_a_square_is_scaled_as_ever(self):
        assert made(size=32) == Preprocessing((32, 32), 32, IMAGENET_MEAN, IMAGENET_STD)
        assert made(size=(32, 32)) == made(size=32)
        assert made(KNOWN, size=32).resize == 32 and made(KNOWN).resize == 256

    def test_what_is_not_square_is_covered(self):
        assert made(size=(64, 128)).resize == (64, 128) and made(KNOWN, size=(64, 128)).size == (64, 128)

    def test_resize_and_crop_fraction(self):
        assert made(size=32, resize=36).resize == 36
        assert made(size=(64, 128), resize=(70, 140)).resize == (70, 140)
        assert made(size=224, crop_fraction=0.875).resize == 256
        assert made(size=(64, 128), crop_fraction=0.875).resize == (73, 146)
        assert made(KNOWN, crop_fraction=0.95).resize == 235
        with pytest.raises(ValueError, match="give one of them"):
            made(size=32, resize=36, crop_fraction=0.9)
        with pytest.raises(ValueError, match=r"crop fraction 1\.5"):
            made(size=32, crop_fraction=1.5)

    def test_letterbox_and_squash_take_the_whole_image(self):
        for fit in ("letterbox", "squash"):
            found = made(KNOWN, fit=fit)
            assert (found.fit, found.resize) == (fit, (224, 224))
        assert made(size=32, fit="letterbox", pad_value=(0.0,)).pad == (0.0, 0.0, 0.0)
        with pytest.raises(ValueError, match="unknown fit 'stretch'"):
            made(size=32, fit="stretch")

    def test_without_a_size(self):
        with pytest.raises(ValueError, match="net doesn't say how large its input is; give --size"):
            made()

    def test_interpolation(self):
        assert made(KNOWN, interpolation="nearest").interpolation == "nearest"
        with pytest.raises(ValueError, match="unknown interpolation 'cubic'; choose from bilinear"):
            made(size=32, interpolation="cubic")


class TestChannels:
    @pytest.mark.parametrize(
        "channels, count, colors", [("4", 4, None), ("rgba", 4, "RGBA"), ("13", 13, None)]
    )
    def test_a_number_or_colors(self, channels, count, colors):
        found = made(size=32, input_channels=channels, mean=(0.5,), std=(0.25,))
        assert (found.channels, found.colors) == (count, colors)
        assert found.mean == (0.5,) * count and found.std == (0.25,) * count

    def test_follow_from_mean_and_std_or_the_first_convolution(self):
        assert made(size=32, mean=(0.5,) * 4, std=(0.2,)).channels == 4
        assert made(size=32, mean=(0.5,), std=(0.2,), stem=4).channels == 4
        assert made(size=32, mean=(0.5,), std=(0.2,)).channels == 1

    def test_must_be_normalised_by_what_is_said(self):
        with pytest.raises(ValueError, match="net takes 4 channels; give --mean and --std"):
            made(size=32, input_channels="RGBA")
        with pytest.raises(ValueError, match="mean has 2 values, but the network takes 4 channels"):
            made(size=32, input_channels="4", mean=(0.5, 0.5), std=(0.2,))
        with pytest.raises(ValueError, match="mean has 4 values and std 3"):
            made(size=32, mean=(0.5,) * 4, std=(0.2,) * 3)

    @pytest.mark.parametrize("channels", ["0", "HSV", "-1", "three"])
    def test_what_is_neither(self, channels):
        with pytest.raises(ValueError, match="neither a number nor one of L, LA, RGB, RGBA, CMYK"):
            made(size=32, input_channels=channels)


class TestValues:
    def test_fractions(self):
        assert numbers("1/255, 0.5,2/4") == (1 / 255, 0.5, 0.5)
        for text in ("a,b", "1/0", ""):
            with pytest.raises(argparse.ArgumentTypeError, match="not a list of numbers"):
                numbers(text)
        assert value_range("-80,0") == (-80, 0)
        with pytest.raises(argparse.ArgumentTypeError, match="two numbers such as -80,0"):
            value_range("1")

    def test_a_mean_of_values_that_go_to_255_is_refused_with_the_right_one(self):
        with pytest.raises(ValueError) as error:
            made(size=32, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
        assert "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" in str(error.value)
        with pytest.raises(ValueError, match=r"from -80 to 0, give --mean 0.5 --std 0.25"):
            made(size=32, input_channels="1", mean=(-40.0,), std=(20.0,), value_range=(-80.0, 0.0))

    def test_networks_of_other_ranges(self):
        wide = made(size=32, mean=(0.0,), std=(1 / 255,), input_channels="3")
        assert wide.std == (1 / 255,) * 3
        assert made(size=32, mean=(0.5,), std=(0.5,), input_channels="3").mean == (0.5,) * 3


def test_the_options_of_the_command_line_are_the_specs():
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    words = (
        "--model x.py:net --size 64x128 --resize 70x140 --interpolation nearest --letterbox --pad-value 0 "
        "--channels RGBA --mean 0.5 --std 1/4 --value-max 4095 --value-range=-1,1"
    )
    spec = ModelSpec.from_args(parser.parse_args(words.split()))
    assert spec == ModelSpec(
        "x.py:net", size=(64, 128), resize=(70, 140), interpolation="nearest", fit="letterbox",
        pad_value=(0.0,),
        input_channels="RGBA", mean=(0.5,), std=(0.25,), value_max=4095, value_range=(-1.0, 1.0),
    )  # fmt: skip
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
