"""The networks of the two embedded demos, what they expect of their input, and their shipped weights."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from safetensors import safe_open
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from compute.demo.images import CROP_SIZE, DIGIT_SIZE, PHOTOGRAPHS


@dataclass(frozen=True)
class InputFacts:
    """A network's input: height = width in pixels, and the training pixels' mean and standard deviation in
    [0, 1], an entry a channel."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


PREPROCESSING = {
    "demo": InputFacts(CROP_SIZE, (0.472, 0.404, 0.378), (0.270, 0.226, 0.234)),
    "digits": InputFacts(DIGIT_SIZE, (0.309,), (0.348,)),
}
CLASSES = {
    "demo": tuple(sorted(photograph.label for photograph in PHOTOGRAPHS)),
    "digits": tuple("0123456789"),
}


class Chain(nn.Module):
    """Named modules applied in turn."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, values: Tensor) -> Tensor:
        for module in self.children():
            values = module(values)
        return values


class DemoNet(Chain):
    """Five convolutions, each with batch norm and ReLU, then global average pooling and one linear layer:
    (N, 3, H, W) normalised images of any size from 16 up -> (N, 17) logits. Receptive field 59, stride 8."""

    def __init__(self, classes: int = len(CLASSES["demo"])) -> None:
        super().__init__(
            _convolution(1, 3, 32, kernel=7, stride=2)
            | {"pool": nn.MaxPool2d(3, stride=2, padding=1)}
            | _convolution(2, 32, 64)
            | _convolution(3, 64, 96, stride=2)
            | _convolution(4, 96, 128)
            | _convolution(5, 128, 128)
            | _head(128, classes)
        )


class DigitsNet(Chain):
    """Three convolutions on one channel: (N, 1, H, W) normalised grey images -> (N, 10) logits."""

    def __init__(self, classes: int = len(CLASSES["digits"])) -> None:
        super().__init__(
            _convolution(1, 1, 16, kernel=7)
            | {"pool": nn.MaxPool2d(2)}
            | _convolution(2, 16, 32, stride=2)
            | _convolution(3, 32, 64)
            | _head(64, classes)
        )


NETWORKS: dict[str, type[nn.Module]] = {"demo": DemoNet, "digits": DigitsNet}


def load_demo_weights(name: str) -> dict[str, Tensor]:
    """The shipped state_dict of `demo` or `digits`."""
    return load_safetensors(_weights_file(name).read_bytes())


@lru_cache(maxsize=len(NETWORKS))
def demo_metadata(name: str) -> dict:
    """What is known of the shipped weights: `recipe` (as in compute.demo.training.Recipe), `train_accuracy`,
    `test_accuracy` (the listed held-out images', never trained on), `test_images`, `parameters`."""
    with safe_open(str(_weights_file(name)), framework="numpy") as file:
        return json.loads(file.metadata()["facts"])


def check_name(name: str) -> str:
    """The name itself; ValueError if no demo network has it."""
    if name not in NETWORKS:
        raise ValueError(f"no demo network {name!r}; there are {', '.join(NETWORKS)}")
    return name


def _weights_file(name: str) -> Traversable:
    return files("compute.demo") / "weights" / f"{check_name(name)}.safetensors"


def _convolution(
    number: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1
) -> dict[str, nn.Module]:
    return {
        f"conv{number}": nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        f"norm{number}": nn.BatchNorm2d(outputs),
        f"relu{number}": nn.ReLU(),
    }


def _head(features: int, classes: int) -> dict[str, nn.Module]:
    return {
        "average": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": nn.Linear(features, classes),
    }
