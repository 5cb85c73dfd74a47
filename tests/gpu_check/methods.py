"""The live methods on the device against the CPU's, and again for the same bytes."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from compute.images.loading import read_picture
from compute.images.sources import open_source, sample
from compute.methods import METHODS
from compute.methods.base import Inputs, Method, Step
from compute.models.model import Model
from compute.models.zoo import ModelSpec, load
from tests.gpu_check.check import Check, apart, different
from tests.gpu_check.size import Size
from tests.support.methods import brief, inputs_for
from tests.support.networks.tiny import tiny_image, tiny_model

GRADIENT = 1e-2
"""Of the map's norm: rounding switches some ReLUs that are all but 0, and the gradient jumps there."""
PROBABILITY = 1e-3
LEVELS = 255
PICTURE = 2.0
"""Mean difference of a value, in 1/255. A step by the sign of a gradient goes the other way where that is all
but 0, and the next step starts from there: two pictures that are as good, and not the same."""
PATCH = 24


@dataclass(frozen=True)
class Comparison:
    """How far two results of a method may be apart.

    method: its name
    chosen: its parameters, where they are not the method's own
    measure: how far a result of the device and one of the CPU are apart
    at_most, unit: of that
    """

    method: str
    chosen: dict
    measure: Callable[[Step, Step], float]
    at_most: float
    unit: str


def by_norm(found: Step, expected: Step) -> float:
    """Of the difference, over that of the CPU's."""
    apart(found.data, expected.data)
    difference = found.data.astype(np.float64) - expected.data
    return float(np.linalg.norm(difference) / np.linalg.norm(expected.data))


def by_value(found: Step, expected: Step) -> float:
    """The largest difference."""
    return apart(found.data, expected.data)


def by_mean_level(found: Step, expected: Step) -> float:
    """The mean difference of two pictures, in 1/255."""
    apart(found.data, expected.data)
    return float(LEVELS * np.abs(found.data.astype(np.float64) - expected.data).mean())


COMPARISONS = {
    **{
        f"saliency, {variant}": Comparison("saliency", {"variant": variant}, by_norm, GRADIENT, "of the norm")
        for variant in ("gradient", "smoothgrad", "integrated", "gradcam")
    },
    "occlusion": Comparison("occlusion", {"patch": PATCH}, by_value, PROBABILITY, "probability"),
    **{
        f"fooling image, {attack}": Comparison("fool", {"attack": attack}, by_mean_level, PICTURE, "/255")
        for attack in ("pgd-linf", "pgd-l2", "fgsm")
    },
    "dream": Comparison("dream", {}, by_mean_level, PICTURE, "/255"),
}


def found(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check]:
    """What there is to say of every method."""
    here, there = (load(ModelSpec("demo"), each) for each in ("cpu", device))
    pictures = demo_pictures(here)
    for label, each in COMPARISONS.items():
        method = parameters(each.method, size, **each.chosen)
        inputs = with_pictures(inputs_for(METHODS[each.method], here), pictures)
        expected, result = (method.run(model, inputs) for model in (here, there))
        yield Check(label, each.measure(result, expected), each.at_most, each.unit)
        if each.method == "fool":
            said = [(step.numbers["success"], step.numbers["predicted"]) for step in (result, expected)]
            yield Check(f"{label}: what it is taken for", said[0] != said[1], 0, "others", f"{said[0]}")
    for method in METHODS:
        yield from ended(method, there, device, size, pictures)


def ended(
    name: str, model: Model, device: torch.device, size: Size, pictures: torch.Tensor
) -> Iterator[Check]:
    """Whether a method ends on the device with numbers, and with the same ones again."""
    method = parameters(name, size)
    if method.unavailable_because(model) is not None:  # attention, of a network of convolutions
        model = on_device(tiny_model("tokens"), device)
        pictures = torch.stack([tiny_image(model, seed) for seed in range(len(pictures))])
    inputs = with_pictures(inputs_for(METHODS[name], model), pictures)
    first, second = (method.run(model, inputs).data for _ in range(2))
    yield Check(f"{name}: values that are no numbers", int((~np.isfinite(first)).sum()), 0, "values")
    said = f"of {first.size:,}"
    yield Check(f"{name}: made again, same bytes", different(second, first), 0, "values", said)


def parameters(name: str, size: Size, **chosen) -> Method:
    """A method as a person gets it, or with few steps."""
    if not size.brief:
        return METHODS[name](**chosen)
    few = {"patch": PATCH} if name == "occlusion" else {}
    return brief(METHODS[name], **few | chosen)


def demo_pictures(model: Model) -> torch.Tensor:
    """Four images of the demo, (4, C, H, W) as the network sees them."""
    source = open_source("demo")
    items = sample(source.items, 4, 0)
    return torch.stack([read_picture(source, each, model.preprocessing).crop for each in items])


def with_pictures(inputs: Inputs, pictures: torch.Tensor) -> Inputs:
    """The same inputs with real images where they have drawn ones."""
    given = {"image": pictures[0], "second": pictures[1], "references": pictures[2:]}
    return replace(
        inputs, **{name: each for name, each in given.items() if getattr(inputs, name) is not None}
    )


def on_device(model: Model, device: torch.device) -> Model:
    module = copy.deepcopy(model.module)
    return Model(module, model.preprocessing, model.classes, model.name, device)
