"""The one loop of every method that makes an image: climb a score by changing what parameterises the picture.

What is maximised (the score), how the image is parameterised (`compute.methods.optimize.parameterizations`)
and how it is perturbed (`compute.methods.optimize.transforms`) are three independent choices; a method is a
combination of them and of a rule for the step.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.images.preprocessing import Preprocessing
from compute.images.saved_image import eight_bit, result_pictures
from compute.methods.base import Step
from compute.methods.optimize.parameterizations import Parameterization
from compute.methods.optimize.transforms import Transform, unchanged

Score = Callable[[Tensor], Tensor]
Slope = Callable[[Parameterization], tuple[Tensor, float]]
Rule = Callable[[Tensor, Tensor], Tensor]

SHOWN_IMAGES = 50

ADAM_MEAN, ADAM_SQUARE, ADAM_LEAST = 0.9, 0.999, 1e-8
"""β1, β2 and ε, as in the paper."""


def slope(score: Score, perturb: Transform = unchanged) -> Slope:
    """The gradient of score(perturb(image)) with respect to the variable, and the score.

    score: (1, C, H, W) in [0, 1] -> (1,).
    """

    def apply(parameterization: Parameterization) -> tuple[Tensor, float]:
        with torch.enable_grad():
            variable = parameterization.variable = parameterization.variable.detach().requires_grad_(True)
            value = score(perturb(parameterization.image())).sum()
            (gradient,) = torch.autograd.grad(value, variable)
        parameterization.variable = variable.detach()
        return gradient, float(value.detach())

    return apply


def climb(parameterization: Parameterization, slope: Slope, rule: Rule, steps: int) -> Iterator[float]:
    """Change `parameterization` by `rule` `steps` times, and yield the score before each change."""
    for _ in range(steps):
        gradient, value = slope(parameterization)
        parameterization.variable = rule(parameterization.variable, gradient)
        parameterization.constrain()
        del gradient
        yield value


def watched(
    scores: Iterator[float], parameterization: Parameterization, total: int, first: int = 1
) -> Iterator[Step]:
    """Yield a step for each score, with the picture so far.

    total: how many scores there will be; the picture is renewed at most 50 times in them
    first: the first step's index
    """
    every, data = math.ceil(total / SHOWN_IMAGES), None
    for index, score in enumerate(scores, first):
        if data is None or index % every == 0 or index == total:
            data = array(parameterization.image()[0])
        yield Step(index, total, "image", data, score)


def result(step: Step, preprocessing: Preprocessing, image: Tensor, numbers: Mapping[str, Any]) -> Step:
    """Return the last step of a method that makes an image (C, H, W), with what it is shown by."""
    data = array(image)
    return replace(step, data=data, numbers=numbers, pictures=result_pictures(preprocessing, data))


def array(image: Tensor) -> np.ndarray:
    """Return (C, H, W) in [0, 1] as float32 (H, W, C) of values k/255: what a saved picture holds."""
    return eight_bit(image.detach()).permute(1, 2, 0).cpu().numpy()


class Adam:
    """The rule of Kingma & Ba 2015, going uphill: rate · m̂ / (√v̂ + ε), of the moving means m of the gradients
    and v of their squares, each divided by 1 - β^t, since it begins at 0.

    Written here and not taken from torch.optim, whose first use loads torch's compiler for two seconds. The
    values are the same to the last bit on a CPU.
    """

    def __init__(self, rate: float):
        self.rate = rate
        self.step = 0
        self.mean: Tensor | None = None
        self.square: Tensor | None = None

    def __call__(self, variable: Tensor, gradient: Tensor) -> Tensor:
        if self.mean is None or self.square is None:
            self.mean, self.square = torch.zeros_like(variable), torch.zeros_like(variable)
        self.step += 1
        self.mean.lerp_(gradient, 1 - ADAM_MEAN)
        self.square.mul_(ADAM_SQUARE).addcmul_(gradient, gradient, value=1 - ADAM_SQUARE)
        size = self.rate / (1 - ADAM_MEAN**self.step)
        spread = self.square.sqrt() / (1 - ADAM_SQUARE**self.step) ** 0.5
        return variable.addcdiv(self.mean, spread + ADAM_LEAST, value=size)


def signed(rate: float) -> Rule:
    """Return the rule that changes every value by ±`rate`: the steepest step in the L∞ norm."""
    return lambda variable, gradient: variable + rate * gradient.sign()


def normalized(rate: float) -> Rule:
    """Return the rule that makes a step of L2 norm `rate` along the gradient (none where it is 0)."""
    return lambda variable, gradient: variable + rate * unit(gradient)


def mean_normalized(rate: float) -> Rule:
    """Return DeepDream's rule: a step whose mean absolute change is `rate` (none where the gradient is 0)."""
    return lambda variable, gradient: variable + rate * divided(gradient, gradient.abs().mean())


def unit(gradient: Tensor) -> Tensor:
    """Return the gradient divided by its L2 norm; 0 where that is 0."""
    return divided(gradient, gradient.norm())


def divided(gradient: Tensor, size: Tensor) -> Tensor:
    """Return the gradient divided by `size`; 0 where that is 0."""
    return gradient / size if size > 0 else torch.zeros_like(gradient)
