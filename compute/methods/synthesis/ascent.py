"""Gradient ascent: the image x* = argmax f(x) - R(x) of a class, a channel, a neuron or a direction.

f: the class's score before the softmax, the mean of a channel's map, one of its units, or the mean projection
of a layer's activations on a direction. R: what keeps x natural: the parameterisation, the perturbations, and
in pixels the lecture's regularisers. References: Simonyan et al. 2014 (class model visualisation), Yosinski
et al. 2015 and CS231n (regularisers in pixels), Olah et al. 2017 (Fourier, decorrelated colours,
transformations), Fel et al. 2023 (MaCo: phase), Görgün et al. 2025 (VITAL: likeness to natural images).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from compute.images.saved_image import through_file
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, TARGET, Inputs, Method, Step
from compute.methods.optimize.alignment import alignment
from compute.methods.optimize.loop import Adam, Rule, climb, result, slope, watched
from compute.methods.optimize.parameterizations import Fourier, Parameterization, Phase, Pixels
from compute.methods.optimize.regularizers import LectureRule
from compute.methods.optimize.transforms import Transform, in_proportion, robust, rolled, unchanged
from compute.methods.requirements import (
    check_gradient,
    no_layer_gradient_because,
    no_score_gradient_because,
    spread_layers,
)
from compute.models import objectives
from compute.models.model import Model
from compute.models.objectives import Activations, Objective
from compute.network.traced import LOGITS, PRE
from compute.runtime.parameters import parameter

FOURIER, PHASE, PIXELS = "fourier", "phase", "pixels"
PUBLISHED, ROBUST, ROLL, NONE = "as published", "robust", "roll", "none"
LOGIT, DIRECTION, GIVEN = "logit", "direction", "as given"
PERTURBATION = {FOURIER: ROBUST, PHASE: ROBUST, PIXELS: ROLL}
RATE = {FOURIER: 0.05, PHASE: 0.2, PIXELS: 25.0}
LECTURE_VALUES = 3 * 224 * 224
LUCID, CS231N, YOSINSKI = "Lucid (Olah et al. 2017)", "CS231n", "Yosinski et al. 2015"
AT_224 = "pixels at 224"
ALIGNED_LAYERS = 5


NEEDED = {
    LOGIT: "a class (--target)",
    CHANNEL: "a channel (--layer, --channel)",
    NEURON: "a neuron (--layer, --channel, --y, --x)",
    DIRECTION: "a direction (--layer, --image)",
}

READ = {
    LOGIT: ("target",),
    CHANNEL: ("layer", "channel"),
    NEURON: ("layer", "channel", "y", "x"),
    DIRECTION: ("layer", "image", "y", "x"),
}
"""The inputs that each objective depends on."""

READS = ("image", "target", "layer", "channel", "y", "x")


@dataclass(frozen=True)
class Ascent(Method):
    """Inputs: a class, or a layer with a channel and perhaps a unit's y and x, or a layer and an image whose
    mean activation there is the direction (with y and x: its activation at that place).

    A ReLU that is off at every place has no gradient: until it wakes up, the value before it is followed.
    numbers, all of the saved 8-bit picture without any perturbation: `activation`, what is maximised; for a
    channel or neuron `maximum`, the channel's spatial maximum, as in `top_patches`; `dead`, whether it stayed
    off; for a class its `probability`; and `predicted`, of a network with class scores. Where natural images
    lead it, `distance` from them (see `compute.methods.optimize.alignment`), and how many `references`.
    """

    name: ClassVar[str] = "ascend"
    title: ClassVar[str] = "Gradient ascent"
    theory: ClassVar[str] = (
        "Starts from noise and follows the gradient uphill to an image that a class, a channel or a neuron "
        "responds to most, so that what it looks for becomes visible. The parameterisation and the "
        "perturbations keep the image from turning into noise that no photograph holds."
    )
    reference: ClassVar[str] = (
        "Simonyan et al. 2014; Olah et al. 2017, Feature Visualization; Fel et al. 2023, MaCo; "
        "Görgün et al. 2025, VITAL"
    )
    output: ClassVar[str] = "image"
    takes: ClassVar[frozenset[str]] = frozenset({TARGET, LAYER, CHANNEL, NEURON, IMAGE})
    without_target: ClassVar[str] = "no class"

    objective: str = parameter(
        GIVEN,
        "what is maximised",
        special={GIVEN: "what the inputs name"},
        choices=(GIVEN, LOGIT, CHANNEL, NEURON, DIRECTION),
        source=LUCID,
    )
    parameterization: str = parameter(
        FOURIER,
        "what is changed: a whitened spectrum, its phase alone (MaCo), or normalised pixels as in the "
        "lecture",
        choices=(FOURIER, PHASE, PIXELS),
        source=LUCID,
    )
    natural: float = parameter(
        0.0,
        "weight of the distance of its features' distribution from that of the store's images that answer "
        "most, beside what is maximised as a multiple of theirs: about 1 in small networks, 10 in large",
        low=0.0,
        high=1000.0,
        source="chosen here; the distance: VITAL (Görgün et al. 2025)",
    )
    iterations: int = parameter(256, "Lucid takes 512, MaCo 256, CS231n 100", low=1, high=4096, source="MaCo")
    rate: float = parameter(
        1.0,
        "step size, as a multiple of the usual one: Adam 0.05 (fourier), Adam 0.2 (phase; MaCo takes 1.0), "
        "or L2 norm 25 at 3x224x224 in normalised units and as much a value at other sizes (pixels; CS231n)",
        low=0.0,
        high=100.0,
        source="Lucid, MaCo, CS231n",
    )
    perturbation: str = parameter(
        PUBLISHED,
        "what happens to the image before each step; as published: roll for pixels, robust for the others",
        choices=(PUBLISHED, ROBUST, ROLL, NONE),
        source="Lucid, CS231n",
    )
    pad: int = parameter(12, "robust: border of the mean colour", unit=AT_224, low=0, high=64, source=LUCID)
    jitter: int = parameter(
        8, "robust: shift, and half of it once more", unit=AT_224, low=0, high=64, source=LUCID
    )
    scale: float = parameter(0.1, "robust: scaling by 1 ± this", low=0.0, high=0.5, source=LUCID)
    rotate: float = parameter(
        10.0, "robust: rotation by ± this", unit="degrees", low=0.0, high=180.0, source=LUCID
    )
    roll: int = parameter(
        16, "roll: jitter by ± this, around the border", unit=AT_224, low=0, high=112, source=CS231N
    )
    falloff: float = parameter(
        1.2,
        "fourier, phase: amplitudes fall with this power of the frequency; photographs: 1; more is smoother",
        low=0.0,
        high=3.0,
        source="seen to suit small and large networks; Lucid and MaCo take 1",
    )
    correlated: bool = parameter(True, "fourier, phase: colours correlated as in photographs", source=LUCID)
    l2: float = parameter(1e-3, "pixels: weight of the squared L2 norm", low=0.0, high=10.0, source=CS231N)
    every: int = parameter(
        10, "pixels: steps from one blur and clip to the next", low=1, high=1000, source=CS231N
    )
    blur: float = parameter(0.5, "pixels: Gaussian blur", unit="pixels", low=0.0, high=10.0, source=CS231N)
    clip_values: float = parameter(
        0.0,
        "pixels: share of pixels, those of smallest norm, set to the mean",
        low=0.0,
        high=0.99,
        source=YOSINSKI,
    )
    clip_contributions: float = parameter(
        0.0,
        "pixels: share of pixels, those that add least, set to the mean",
        low=0.0,
        high=0.99,
        source=YOSINSKI,
    )
    seed: int = parameter(
        0, "of the start and of every perturbation", low=0, high=2**31 - 1, source="chosen here"
    )

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        of_classes, of_layers = no_score_gradient_because(model), no_layer_gradient_because(model)
        return None if None in (of_classes, of_layers) else f"{of_classes}; {of_layers}"

    @property
    def wants_references(self) -> bool:
        return self.natural > 0

    def checked(self, model: Model, inputs: Inputs) -> Inputs:
        inputs = super().checked(model, inputs)
        if self.wants_references and self.chosen(inputs) == DIRECTION:
            inputs = replace(inputs, references=inputs.image[None])
        if self.wants_references and inputs.references is None:
            raise ValueError(
                f"{self.name} with natural={self.natural:g} needs natural images, those of a store (--store)"
            )
        if self.chosen(inputs) != LOGIT:
            check_gradient(self.name, model, [inputs.layer])
        elif (reason := no_score_gradient_because(model)) is not None:
            raise ValueError(f"{self.name} is not available for a class of {model.name}: {reason}")
        return inputs

    def asks(self, inputs: Inputs) -> frozenset[str]:
        """A channel is asked for once there is a layer, an image where there is no channel."""
        if self.objective != GIVEN:
            return frozenset(NEURON if name in ("y", "x") else name for name in READ[self.objective])
        if inputs.layer is None:
            return frozenset({TARGET, LAYER})
        if inputs.channel is not None:
            return frozenset({LAYER, CHANNEL, NEURON})
        return frozenset({LAYER, CHANNEL, IMAGE} | ({TARGET} if inputs.image is None else {NEURON}))

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        read = READ[self.chosen(inputs)]
        return tuple(name for name in READS if name not in read and getattr(inputs, name) is not None)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        kind = self.chosen(inputs)
        goal = followed(model, kind, inputs)
        distance = None
        if self.wants_references:
            layers = spread_layers(model, ALIGNED_LAYERS, None if kind == LOGIT else inputs.layer)
            distance = alignment(model, inputs.references, layers)
            goal = goal * (1 / natural_size(model, goal, inputs.references)) - self.natural * distance
        generator = Generator().manual_seed(self.seed)
        image = self.start(model, generator)
        uphill = slope(lambda images: model.score(images, goal), self.perturb(model, generator))
        for step in watched(climb(image, uphill, self.rule(model), self.iterations), image, self.iterations):
            if step.index < step.total:
                yield step
        made = image.image()[0]
        numbers = reached(model, kind, inputs, made)
        if distance is not None:
            with torch.inference_mode():
                seen = through_file(model.preprocessing, made)[None]
                numbers |= {"distance": float(model.score(seen, distance))}
            numbers |= {"references": len(inputs.references)}
        yield result(step, model.preprocessing, made, numbers)

    def chosen(self, inputs: Inputs) -> str:
        """Which objective the inputs call for; raises ValueError if they lack something."""
        possible = {
            NEURON: None not in (inputs.layer, inputs.channel, inputs.y, inputs.x),
            CHANNEL: None not in (inputs.layer, inputs.channel),
            DIRECTION: None not in (inputs.layer, inputs.image),
            LOGIT: inputs.target is not None,
        }
        kinds = [kind for kind, given in possible.items() if given and self.objective in (GIVEN, kind)]
        if not kinds:
            wanted = NEEDED.values() if self.objective == GIVEN else [NEEDED[self.objective]]
            raise ValueError(f"ascend ({self.objective}) needs {', or '.join(wanted)}")
        return kinds[0]

    def start(self, model: Model, generator: Generator) -> Parameterization:
        shape = (model.in_channels, *model.input_size)
        if self.parameterization == PIXELS:
            return normalized_noise(model, generator)
        spectrum = Fourier if self.parameterization == FOURIER else Phase
        return spectrum(shape, generator, model.device, self.correlated, self.falloff)

    def rule(self, model: Model) -> Rule:
        rate = self.rate * RATE[self.parameterization]
        if self.parameterization != PIXELS:
            return Adam(rate)
        per_value = rate * math.sqrt(model.in_channels * math.prod(model.input_size) / LECTURE_VALUES)
        return LectureRule(
            per_value, self.l2, self.every, self.blur, self.clip_values, self.clip_contributions
        )

    def perturb(self, model: Model, generator: Generator) -> Transform:
        kind = PERTURBATION[self.parameterization] if self.perturbation == PUBLISHED else self.perturbation
        size, fill = model.input_size, model.preprocessing.mean
        if kind == ROBUST:
            return robust(size, fill, generator, self.pad, self.jitter, self.scale, self.rotate)
        return rolled(in_proportion(self.roll, size), generator) if kind == ROLL else unchanged


def normalized_noise(model: Model, generator: Generator) -> Pixels:
    """Return the lecture's start, as pixels: noise of standard deviation 1 in normalised units.

    It is clamped to where pictures lie, [0, 1].
    """
    mean, std = model.preprocessing.mean, model.preprocessing.std
    pixels = Pixels(torch.zeros(1, model.in_channels, *model.input_size, device=model.device), mean, std)
    pixels.variable = torch.randn(pixels.variable.shape, generator=generator).to(model.device)
    pixels.constrain()
    return pixels


def objective_at(site: str, model: Model, kind: str, inputs: Inputs) -> Objective:
    """Return the objective of `kind` at `site`: a layer's value, before or after its nonlinearity."""
    if kind == NEURON:
        return objectives.neuron(site, inputs.channel, inputs.y, inputs.x)
    if kind == CHANNEL:
        return objectives.channel(site, inputs.channel)
    return objectives.direction(site, image_direction(model, inputs))


def measured(model: Model, kind: str, inputs: Inputs) -> Objective:
    """Return what an ascent of `kind` reports: the value after the layer's nonlinearity."""
    return (
        model.class_score(inputs.target) if kind == LOGIT else objective_at(inputs.layer, model, kind, inputs)
    )


def followed(model: Model, kind: str, inputs: Inputs) -> Objective:
    """Return what an ascent of `kind` climbs: as measured, or, while that is 0, before the nonlinearity."""
    after = measured(model, kind, inputs)
    if kind == LOGIT:
        return after
    before = objective_at(inputs.layer + PRE, model, kind, inputs)

    def score(activations: Activations) -> Tensor:
        value = after(activations)
        return torch.where(value == 0, before(activations), value)

    return Objective(after.sites | before.sites, score, after.name)


def natural_size(model: Model, goal: Objective, references: Tensor) -> float:
    """Return the mean absolute value of what is maximised, over natural images; 1 where it is 0 in all."""
    with torch.inference_mode():
        values = torch.cat([model.score(each[None], goal) for each in references])
    return float(values.abs().mean()) or 1.0


def image_direction(model: Model, inputs: Inputs) -> Tensor:
    """Return a direction (channels,) of unit length: the image's activation at the layer.

    It is that at (y, x), or the mean over the map. ValueError where it is 0 in every channel.
    """
    with torch.inference_mode():
        values = model.activations(inputs.image[None], {inputs.layer})[inputs.layer][0]
        vector = values.mean((1, 2)) if inputs.y is None else values[:, inputs.y, inputs.x]
    if not vector.any():
        raise ValueError(
            f"the image's activation at {inputs.layer} is 0 in every channel there: it has no direction"
        )
    return (vector / vector.norm()).clone()


def reached(model: Model, kind: str, inputs: Inputs, image: Tensor) -> dict[str, Any]:
    """The numbers of a result, of what `model` sees of the saved picture."""
    goal, scores = measured(model, kind, inputs), {LOGITS} if model.classes else set()
    with torch.inference_mode():
        values = model.activations(through_file(model.preprocessing, image)[None], goal.sites | scores)
    numbers = {"objective": kind, "activation": float(goal(values))}
    if model.classes:
        logits = values[LOGITS][0]
        numbers["predicted"] = model.classes[int(model.output.winning(logits))]
    if kind == LOGIT:
        return numbers | {"probability": float(model.output.probabilities(logits)[inputs.target])}
    if kind == DIRECTION:
        return numbers
    return numbers | {
        "maximum": float(values[inputs.layer][0, inputs.channel].max()),
        "dead": not bool(values[inputs.layer][0, inputs.channel].any()),
    }
