"""Live methods at work in tests: with few steps, on a tiny network, and what each must leave as it was."""

from functools import cache

import numpy as np
import torch

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Inputs, Method, Step
from compute.models.model import Model
from tests.support.networks.tiny import tiny_image, tiny_model

# Enough to see every part of a method at work, and no more.
BRIEF = {
    "samples": 3,
    "points": 3,
    "iterations": 4,
    "curve_steps": 3,
    "patch": 8,
    "octaves": 2,
    "side": 1,
    "octave_steps": 2,
    "max_iterations": 4,
    "bisections": 2,
    "restarts": 1,
    "curves": True,
    "sanity": True,
    "natural": 5.0,
}


@cache
def model_of(name: str) -> Model:
    return tiny_model(name)


def brief(method: type[Method], **chosen) -> Method:
    """The method with few steps."""
    known = {each.name: each for each in method.parameters()}
    values = {
        name: value
        for name, value in BRIEF.items()
        if name in known and type(known[name].default) is type(value)
    }
    return method(**values | chosen)


def inputs_for(method: type[Method], model: Model, seed: int = 0) -> Inputs:
    """All that the method reads, nothing else."""
    reads = method.needs | method.takes
    layer = list(model.layers)[1]
    natural = torch.stack([tiny_image(model, seed + 200 + index) for index in range(2)])
    return Inputs(
        image=tiny_image(model, seed) if IMAGE in reads else None,
        second=tiny_image(model, seed + 100) if SECOND in reads else None,
        target=1 if TARGET in reads else None,
        layer=layer if reads & {LAYER, NEURON, CHANNEL} else None,
        channel=2 if reads & {NEURON, CHANNEL} else None,
        references=natural if brief(method).wants_references else None,
    )


def available(name: str, model: Model) -> bool:
    return METHODS[name].unavailable_because(model) is None


def home(name: str) -> str:
    """The network that a method is tried on first: a convolutional one, where it is defined for that."""
    return "plain" if available(name, model_of("plain")) else "tokens"


@cache
def steps_of(name: str, network: str) -> tuple[Step, ...]:
    model, method = model_of(network), brief(METHODS[name])
    return tuple(method.steps(model, method.checked(model, inputs_for(METHODS[name], model))))


def state_of(model: Model) -> tuple:
    """All that a method must leave as it was."""
    modules = list(model.module.modules())
    hooks = [
        len(getattr(each, table))
        for each in modules
        for table in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    ]
    values = tuple(value.clone() for value in model.module.state_dict().values())
    flags = [parameter.requires_grad for parameter in model.module.parameters()]
    gradients = [parameter.grad is None for parameter in model.module.parameters()]
    return [each.training for each in modules], hooks, flags, gradients, values


def assert_untouched(before: tuple, model: Model) -> None:
    after = state_of(model)
    assert before[:4] == after[:4]
    assert all(torch.equal(old, new) for old, new in zip(before[4], after[4], strict=True))


def same(first: Step, second: Step) -> bool:
    return (
        np.array_equal(first.data, second.data)
        and first.score == second.score
        and {**first.numbers, "seconds": 0} == {**second.numbers, "seconds": 0}
        and first.pictures.keys() == second.pictures.keys()
        and all(np.array_equal(first.pictures[key], second.pictures[key]) for key in first.pictures)
    )
