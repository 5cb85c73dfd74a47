"""What is compared of one network: each number of ours with the slow one of `plain`."""

import math
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from compute.images.preprocessing import Preprocessing
from compute.methods import METHODS
from compute.methods.attribution.guided_backprop import undefined_because
from compute.methods.attribution.saliency import GRADIENT
from compute.methods.base import Inputs
from compute.models.model import Layer, Model
from compute.models.objectives import logit
from compute.network.folded import FoldedNetwork
from compute.network.traced import PRE, TracedNetwork
from compute.occlusion.maps import occlusion_maps
from tests.benchmarks.zoo import plain

RIGHT, WRONG, REFUSED, SKIPPED = "right", "wrong", "refused", "skipped"

VALUES = 1e-3
"""Of scores, features, activations and occlusion's scores: the largest difference, of their spread."""

GRADIENTS = 2e-2
"""Of a gradient: the norm of the difference from float64, of its norm."""

BAD_GRADIENT = 0.2
"""From here on PyTorch's gradient is not rounded but wrong."""

EDGES, ROUNDING = 4, 1e-6
"""Images that differ by so much noise, for a gradient that is not where float64 has it."""

UNITS = 10
STEPS = 5
EARLY = 8
"""The early layer is that behind an eighth of all: its fields are smaller than the image."""

COARSE, FINE = 3, 8
"""Occlusion's windows, as parts of the image's side."""


@dataclass(frozen=True)
class Check:
    """What came of one comparison.

    status: "right"; "wrong"; "refused", where ours says why it gives no number; "skipped", where plain
        PyTorch has nothing to compare it with.
    error: the relative error, where there are numbers.
    words: why it was refused or skipped, or what is wrong, or more about what is right.
    """

    status: str
    error: float | None = None
    words: str = ""


@dataclass
class Outcome:
    """What came of one network.

    name: as `--model` takes it.
    size: pixels along both sides.
    way: "folded graph", "graph", "as it is". because: why not the graph.
    notes: what a user is told of how it is run.
    checks: by name.
    seconds: of processor time.
    """

    name: str
    family: str
    size: int
    way: str = ""
    because: str | None = None
    notes: tuple[str, ...] = ()
    layers: int = 0
    checks: dict[str, Check] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """The names of the checks that found a wrong number."""
        return [name for name, each in self.checks.items() if each.status == WRONG]

    @property
    def right(self) -> list[str]:
        """The names of the checks in which every number was right."""
        return [name for name, each in self.checks.items() if each.status == RIGHT]

    @property
    def worst(self) -> float:
        """The largest relative error of what is right or wrong."""
        return max((each.error for each in self.checks.values() if each.error is not None), default=0.0)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Outcome":
        checks = {name: Check(**each) for name, each in values["checks"].items()}
        return cls(**{**values, "notes": tuple(values["notes"]), "checks": checks})


class Comparison:
    """One network, loaded as a user's, beside the plain module.

    pixels: (1, 3, H, W) in [0, 1].
    """

    def __init__(self, module: nn.Module, name: str, size: int, image: Tensor):
        self.plain, self.pixels = module, image
        with torch.no_grad():
            self.scores = module(plain.normalized(image))[0]
        self.target = int(self.scores.argmax())
        preprocessing = Preprocessing((size, size), None, plain.MEAN, plain.STD)
        self.model = Model(module, preprocessing, map(str, range(len(self.scores))), name)

    @property
    def way(self) -> str:
        """How the network is run."""
        if isinstance(self.model.network, FoldedNetwork):
            return "folded graph"
        return "graph" if isinstance(self.model.network, TracedNetwork) else "as it is"

    def predictions(self, others: Tensor) -> Check:
        """Logits of one image and of several, and their probabilities."""
        worst, top = 0.0, True
        for images in (self.pixels, others):
            with torch.no_grad():
                expected = torch.cat([self.plain(plain.normalized(each)) for each in images.split(1)])
            with torch.inference_mode():
                found, shares = self.model.logits(images), self.model.probabilities(images)
            worst = max(worst, _error(found, expected), _error(shares, expected.softmax(1)))
            top = top and bool((found.argmax(1) == expected.argmax(1)).all())
        return _judged(worst, VALUES, "" if top else "another class is predicted", top)

    def features(self) -> Check:
        expected = plain.features(self.plain, plain.normalized(self.pixels))
        with torch.inference_mode():
            found = self.model.features(self.pixels)
        if expected is None:
            return Check(SKIPPED, words="no linear layer is a module")
        return _judged(_error(found, expected), VALUES)

    def activations(self) -> Check:
        """Ten units of as many layers, and the maps in which they are, before and behind the nonlinearity."""
        layers = list(self.model.layers.values())
        if not layers:
            return Check(REFUSED, words="no layers are listed")
        chosen = [layers[each] for each in sorted(set(np.linspace(0, len(layers) - 1, UNITS).astype(int)))]
        sites = [site for each in chosen for site in (each.name, each.name + PRE)]
        with torch.inference_mode():
            found = self.model.activations(self.pixels, sites)
        worst, compared, wrong = 0.0, 0, []
        for layer in chosen:
            value = self._layer_value(layer)
            if value is None:
                continue
            error = self._map_error(layer, value, found)
            if error is None:
                continue
            compared += 1
            worst = max(worst, error)
            if error > VALUES:
                wrong.append(layer.name)
        if not compared:
            return Check(SKIPPED, words="no operation of PyTorch's gives the layers' values")
        return _judged(
            worst, VALUES, f"{', '.join(wrong)}" if wrong else f"{compared} of {len(chosen)} layers"
        )

    def _map_error(self, layer: Layer, value: plain.LayerValue, found: dict[str, Tensor]) -> float | None:
        """Of a layer's map, before and behind the nonlinearity; None where the value can't be read as one."""
        pairs = [(found[layer.name], value.behind), (found[layer.name + PRE], value.before)]
        shape = tuple(found[layer.name].shape)
        read = [(ours, plain.as_map(theirs, shape)) for ours, theirs in pairs]
        error = max((_error(*each) for each in read if each[1] is not None), default=None)
        is_grid = tuple(value.behind.shape) != shape and value.behind.numel() == found[layer.name].numel()
        if not is_grid or (error is not None and error <= VALUES):
            return error
        # Windows or units of tokens one after the other.
        order = plain.token_order(lambda image: self._tokens(layer, image), self.pixels, shape)
        error = max(_error(ours, plain.ordered_map(theirs, order, shape)) for ours, theirs in pairs)
        return error if order.clear or error <= VALUES else None

    def _tokens(self, layer: Layer, pixels: Tensor) -> Tensor:
        return self._value_in(plain.Recorded(self.plain, plain.normalized(pixels)), layer).behind

    def saliency(self) -> Check:
        """The gradient of a logit and the map made of it; against float64."""
        if self.model.no_gradient_because is not None:
            return self._refused_gradient()
        found, _ = self.model.gradient(self.pixels, logit(self.target))
        asked = Inputs(image=self.pixels[0], target=self.target)
        drawn = METHODS["saliency"](variant=GRADIENT).run(self.model, asked).data
        exact = self._exact_gradient()
        single = plain.gradient(self.plain, self.pixels, self.target)
        if exact is None or single is None:
            return Check(WRONG, words="plain PyTorch has no gradient")
        error = _distance(found, exact)
        error = max(error, _distance(torch.from_numpy(drawn), exact[0].abs().amax(0)))
        rounding = self._rounding(
            error, single, exact, lambda pixels: plain.gradient(self.double, pixels, self.target)
        )
        return _judged(error, _limit(rounding), _told(rounding))

    def _rounding(
        self, error: float, single: Tensor, exact: Tensor, of: Callable[[Tensor], Tensor | None]
    ) -> float:
        """How far plain float32 is off float64; where `error` is more, float64 by itself.

        That is found by changing the image by less than float32 can tell: a ReLU or a maximum may be just at
        its edge.
        """
        rounding = _distance(single, exact)
        for seed in range(EDGES if error > max(GRADIENTS, 2 * rounding) else 0):
            noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(seed)).view_as(
                self.pixels
            )
            moved = of(self.pixels.double() + ROUNDING * noise.double())
            rounding = max(rounding, _distance(moved, exact))
        return rounding

    def _refused_gradient(self) -> Check:
        single = plain.gradient(self.plain, self.pixels, self.target)
        if single is not None and bool(single.isfinite().all()) and bool(single.any()):
            exact = self._exact_gradient()
            if exact is not None and _distance(single, exact) <= GRADIENTS:
                return Check(WRONG, words=f"refused ({self.model.no_gradient_because}), but there is one")
        return Check(REFUSED, words=self.model.no_gradient_because or "")

    def _exact_gradient(self) -> Tensor | None:
        try:
            return plain.confirmed_gradient(self.double, self.pixels.double(), self.target)
        except RuntimeError:  # some code makes float32 tensors of its own
            return plain.gradient(self.plain, self.pixels, self.target)

    @cached_property
    def double(self) -> nn.Module:
        """The plain network in float64."""
        return plain.in_float64(self.plain)

    def guided(self) -> Check:
        """Of the strongest unit of one channel, in the deepest layer that it is defined for."""
        if (reason := METHODS["guided"].unavailable_because(self.model)) is not None:
            return Check(REFUSED, words=reason)
        for layer in reversed(self._sample(16)):
            if undefined_because(self.model, layer.name) is not None:
                continue
            value = self._layer_value(layer)
            if value is None or not self._gives_output(value.before_in, value.before):
                continue
            return self._guided(layer, value.before_in, value.before)
        return Check(SKIPPED, words="no module gives a layer's value before its nonlinearity")

    def _guided(self, layer: Layer, module: str, before: Tensor) -> Check:
        channel = layer.channels // 2
        y, x = divmod(int(before[0, channel].flatten().argmax()), layer.width)
        inputs = Inputs(image=self.pixels[0], layer=layer.name, channel=channel, y=y, x=x)
        found = METHODS["guided"]().run(self.model, inputs).data
        unit = (channel, y, x)
        single = plain.guided_gradient(self.plain, self.pixels, module, unit)
        exact = plain.guided_gradient(self.double, self.pixels.double(), module, unit)
        error = _distance(torch.from_numpy(found).permute(2, 0, 1), exact)
        rounding = self._rounding(
            error, single, exact, lambda pixels: plain.guided_gradient(self.double, pixels, module, unit)
        )
        return _judged(error, _limit(rounding), layer.name + _told(rounding, "; "))

    def receptive_field(self) -> Check:
        """Of units in an early and in the middle layer: the box holds every pixel that has a gradient, and
        what lies outside changes nothing."""
        layers = list(self.model.layers.values())
        if not layers:
            return Check(REFUSED, words="no layers are listed")
        places = sorted({len(layers) // EARLY, len(layers) // 2})
        return _together([self._receptive_field(layers[each]) for each in places])

    def _receptive_field(self, layer: Layer) -> Check:
        value = self._layer_value(layer)
        if value is None:
            return Check(SKIPPED, words=f"no operation of PyTorch's gives {layer.name}'s value")
        words = []
        for y, x in {(layer.height // 2, layer.width // 2), (0, layer.width - 1)}:
            box = self._pixels_of(layer, y, x)
            if not self._unchanged_outside(layer, value, y, x, box):
                return Check(WRONG, words=f"{layer.name} at {y}, {x}: pixels outside of {box} change it")
            support = self._support(value.convolution_in, layer, y, x)
            if support is None:
                continue
            if not _holds(box, support):
                return Check(WRONG, words=f"{layer.name} at {y}, {x}: {support} is not within {box}")
            words.append(f"{_area(support) / _area(box):.0%}")
        unknown = layer.receptive_field.unknown
        filled = f"{layer.name}: gradients fill {' and '.join(words)} of the box" if words else layer.name
        return Check(RIGHT, 0.0, filled + (f"; unknown: {unknown}" if unknown else ""))

    def _pixels_of(self, layer: Layer, y: int, x: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = layer.receptive_field.box(y, x)
        height, width = self.pixels.shape[2:]
        return (
            max(0, math.floor(left)), max(0, math.floor(top)), min(width, math.ceil(right)),
            min(height, math.ceil(bottom)),
        )  # fmt: skip

    def _unchanged_outside(
        self, layer: Layer, value: plain.LayerValue, y: int, x: int, box: tuple[int, int, int, int]
    ) -> bool:
        left, top, right, bottom = box
        noise = torch.rand(self.pixels.shape, generator=torch.Generator().manual_seed(3))
        noise[:, :, top:bottom, left:right] = self.pixels[:, :, top:bottom, left:right]
        again = plain.Recorded(self.plain, plain.normalized(noise))
        other = self._value_in(again, layer)
        shape = (1, layer.channels, layer.height, layer.width)
        one, two = (plain.as_map(each.behind, shape) for each in (value, other))
        if one is None or two is None:
            return True
        return float((two[0, :, y, x] - one[0, :, y, x]).abs().max()) <= 1e-4 * float(one.abs().max())

    def _support(self, module: str, layer: Layer, y: int, x: int) -> tuple[int, int, int, int] | None:
        """(left, top, right, bottom) around the pixels with a gradient; None where no module shows it."""
        convolution = dict(self.plain.named_modules())[module]
        if "#" in layer.name or not isinstance(convolution, nn.Conv2d):
            return None
        found = plain.unit_gradient(self.double, self.pixels.double(), module, (slice(None), y, x))
        there = found.abs().amax(0) > 1e-12 * found.abs().max()
        if not bool(there.any()):
            return None
        rows, columns = there.any(1).nonzero().flatten(), there.any(0).nonzero().flatten()
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def occlusion(self) -> Check:
        """Probability, logit and class, for windows of a third of the image and for 3 x 3 small ones."""
        side = self.pixels.shape[2]
        third, eighth = side // COARSE, side // FINE
        return _together([self._occlusion(third, third), self._occlusion(eighth, (side - eighth) // 2)])

    def _occlusion(self, patch: int, stride: int) -> Check:
        maps = occlusion_maps(self.model, self.pixels[0], self.target, patch, stride)
        windows = (patch, maps.ys, maps.xs)
        logits = plain.occluded_logits(self.plain, self.pixels, *windows)
        spread = torch.cat([logits.flatten(0, 1), self.scores[None]])
        # Of what the windows change, or where that is next to nothing, of the scores.
        scale = max(
            float(spread.amax(0).sub(spread.amin(0)).max()), 1e-2 * float(spread.max() - spread.min())
        )
        logit, probability, picked = (
            torch.from_numpy(np.array(each)) for each in (maps.logit, maps.probability, maps.argmax)
        )
        error = _worst(
            (logit - logits[..., self.target]) / scale,
            probability - logits.softmax(2)[..., self.target],
            (maps.unoccluded_logit - self.scores[self.target]) / scale,
        )
        behind = _worst((logits.amax(2) - logits.gather(2, picked.long()[..., None])[..., 0]) / scale)
        if max(error, behind) <= VALUES:
            return Check(RIGHT, error, maps.way)
        exact = plain.occluded_logits(self.double, self.pixels.double(), *windows)
        rounding = _worst((logits - exact) / scale, logits.softmax(2) - exact.softmax(2))
        words = f"{maps.way}; plain PyTorch is {rounding:.1e} off by rounding"
        limit = max(VALUES, 2 * rounding)
        return _judged(error, limit, words if behind <= limit else "another class wins", behind <= limit)

    def attack(self) -> Check:
        """A few steps; what the numbers say of the saved picture is what the plain network makes of it."""
        if (reason := self.model.no_gradient_because) is not None:
            return Check(REFUSED, words=reason)
        method = METHODS["fool"](iterations=STEPS, raise_epsilon=False, confidence=0.0)
        step = method.run(self.model, Inputs(image=self.pixels[0]))
        saved = plain.read_png(plain.png_file(step.data))
        with torch.no_grad():
            scores = self.plain(plain.normalized(saved))[0]
        wrong = []
        if step.numbers["predicted"] != self.model.classes[int(scores.argmax())]:
            wrong.append(f"predicted {step.numbers['predicted']} is {int(scores.argmax())}")
        if step.numbers["success"] != (int(scores.argmax()) != self.target):
            wrong.append("success is told wrongly")
        changed = round(float((saved - self.pixels).abs().max()) * 255)
        if step.numbers["linf_255"] != changed:
            wrong.append(f"{step.numbers['linf_255']} is {changed}")
        error = abs(step.numbers["probability"] - (1 - float(scores.softmax(0)[self.target])))
        said = "fooled" if step.numbers["success"] else "not fooled"
        return _judged(error, VALUES, "; ".join(wrong) or f"{said}, {changed}/255", not wrong)

    @cached_property
    def recorded(self) -> plain.Recorded:
        """Every operation of a pass over the image."""
        return plain.Recorded(self.plain, plain.normalized(self.pixels))

    def _own(self, layer: Layer) -> bool:
        module = dict(self.plain.named_modules()).get(layer.name.partition("#")[0])
        return isinstance(module, nn.Conv2d)

    def _layer_value(self, layer: Layer) -> plain.LayerValue | None:
        return self._value_in(self.recorded, layer)

    def _value_in(self, recorded: plain.Recorded, layer: Layer) -> plain.LayerValue | None:
        kind = (
            self.model.network.kind(layer.name) if isinstance(self.model.network, TracedNetwork) else "conv"
        )
        return plain.layer_value(recorded, layer.name, kind, layer.tap, self._own(layer))

    def _gives_output(self, module: str, value: Tensor) -> bool:
        """Whether that is what a module gives, so that a hook can read it."""
        ends = [each for each in self.recorded.ends.get(module, []) if each is not None]
        values = [self.recorded.operations[each].value for each in ends]
        return len(values) == 1 and values[0] is value

    def _sample(self, count: int) -> list[Layer]:
        layers = list(self.model.layers.values())
        places = sorted(set(np.linspace(0, len(layers) - 1, count).astype(int))) if layers else []
        return [layers[each] for each in places]


CHECKS = (
    "predictions", "features", "activations", "saliency", "guided", "receptive_field", "occlusion", "attack",
)  # fmt: skip


def compared(
    module: nn.Module, name: str, family: str, images: Tensor, names: tuple[str, ...] = CHECKS
) -> Outcome:
    """Everything of one network. images: (N, 3, size, size) in [0, 1]; the last one is looked at closely."""
    started, size = time.process_time(), images.shape[-1]
    outcome = Outcome(name, family, size)
    try:
        comparison = Comparison(module, name, size, images[-1:])
    except Exception as error:
        outcome.checks["load"] = _crashed(error)
        return outcome
    outcome.way, outcome.because = comparison.way, comparison.model.not_traced_because
    outcome.notes = tuple(comparison.model.notes)
    outcome.layers = len(comparison.model.layers)
    for name, check in _checks(comparison, images, names):
        try:
            outcome.checks[name] = check()
        except Exception as error:
            outcome.checks[name] = _crashed(error)
    outcome.seconds = time.process_time() - started
    return outcome


def _checks(
    comparison: Comparison, images: Tensor, names: tuple[str, ...]
) -> Iterator[tuple[str, Callable[[], Check]]]:
    for name in names:
        method = getattr(comparison, name)
        yield name, (lambda m=method: m(images)) if name == "predictions" else method


def _crashed(error: Exception) -> Check:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Check(
        WRONG, words=f"{type(error).__name__}: {error} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    )


def _together(checks: list[Check]) -> Check:
    """Several as one: wrong where any is, skipped where all are."""
    statuses = {each.status for each in checks}
    status = next(each for each in (WRONG, RIGHT, SKIPPED) if each in statuses)
    said = [each for each in checks if each.status == status]
    words = "; ".join(dict.fromkeys(each.words for each in said))
    return Check(status, max((each.error for each in said if each.error is not None), default=None), words)


def _judged(error: float, limit: float, words: str = "", holds: bool = True) -> Check:
    return Check(RIGHT if holds and error <= limit else WRONG, error, words)


def _limit(rounding: float) -> float:
    """How far a gradient may be off, where plain PyTorch's is so far off by rounding."""
    return GRADIENTS if rounding > BAD_GRADIENT else max(GRADIENTS, 2 * rounding)


def _told(rounding: float, before: str = "") -> str:
    if rounding > BAD_GRADIENT:
        return f"{before}plain PyTorch's own is {rounding:.0%} off"
    return f"{before}plain PyTorch is {rounding:.1e} off by rounding" if rounding > GRADIENTS else ""


def _error(found: Tensor, expected: Tensor) -> float:
    """The largest difference, of the expected values' spread."""
    if found.shape != expected.shape or bool(found.isnan().any()):
        return math.inf
    found, expected = found.double(), expected.double()
    spread = float(expected.max() - expected.min()) or float(expected.abs().max()) or 1.0
    return float((found - expected).abs().max()) / spread


def _worst(*differences: Tensor) -> float:
    """The largest of all, infinite where one is no number."""
    largest = [float(each.double().abs().max()) for each in differences]
    return math.inf if any(map(math.isnan, largest)) else max(largest)


def _distance(found: Tensor, expected: Tensor) -> float:
    """The norm of the difference, of the expected one's."""
    found, expected = found.double().squeeze(0), expected.double().squeeze(0)
    if found.shape != expected.shape or bool(found.isnan().any()):
        return math.inf
    return float((found - expected).norm()) / (float(expected.norm()) or 1.0)


def _holds(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return box[0] <= other[0] and box[1] <= other[1] and box[2] >= other[2] and box[3] >= other[3]


def _area(box: tuple[int, int, int, int]) -> int:
    return max(1, (box[2] - box[0]) * (box[3] - box[1]))
