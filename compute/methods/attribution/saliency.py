"""Saliency: which pixels the score of a class depends on.

    map[y, x] = max over channels of |dS/dx[:, y, x]|

S is the pre-softmax score of the class, x the image with pixels in [0, 1] (Simonyan et al. 2014, §3.1). The
variants average the gradient over noisy copies, integrate it along a path, or weigh feature maps by it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from compute.images.pictures import heatmap, overlay
from compute.methods.attribution.deletion_insertion import Curve, curves
from compute.methods.attribution.explained_class import Explained, explained_class
from compute.methods.attribution.gradcam import gradcam, last_maps
from compute.methods.attribution.gradients import Partial, integrated_gradients, smoothgrad
from compute.methods.base import IMAGE, LAYER, TARGET, Inputs, Method, Step
from compute.methods.requirements import no_score_gradient_because
from compute.models.model import Model
from compute.network.traced import MAPS
from compute.occlusion.maps import BASELINES, baseline_image
from compute.runtime.parameters import parameter

USUAL = "usual"
GRADIENT, SMOOTHGRAD, INTEGRATED, GRADCAM = "gradient", "smoothgrad", "integrated", "gradcam"
QUICK = 175e9
"""Work of SmoothGrad's passes, see `compute.models.work`, up to which it is made without being asked for.

With the gradients that belong to them that is 3 s on two cores, of which one does 31 ms of it for each 1e9.
"""
COMBINED = LARGEST, SUM = "largest", "sum"


@dataclass(frozen=True)
class Saliency(Method):
    name: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Saliency"
    theory: ClassVar[str] = (
        "The gradient of a class's score with respect to the pixels says how much each of them, changed a "
        "little, would change the score. A map that looks the same for random weights shows the image, not "
        "what was learnt."
    )
    reference: ClassVar[str] = "Simonyan, Vedaldi, Zisserman 2014, arXiv:1312.6034"
    output: ClassVar[str] = "heatmap"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({TARGET, LAYER})
    without_layer = "the last maps"

    variant: str = parameter(
        USUAL,
        "gradient of the pre-softmax score; its mean over noisy copies; its integral along the path from a "
        "baseline; or the feature maps weighted by it (Grad-CAM; --layer, else the last maps). Usual is "
        "smoothgrad where two cores make its samples within 3 s, reckoned from the network's multiply-adds, "
        "else gradient",
        choices=(USUAL, GRADIENT, SMOOTHGRAD, INTEGRATED, GRADCAM),
        special={USUAL: "smoothgrad if within 3 s"},
        former=GRADIENT,
        source="Simonyan 2014; Smilkov 2017; Sundararajan 2017; Selvaraju 2017",
    )
    channels: str = parameter(
        LARGEST,
        "how the colour channels become one map: the largest absolute value, or the signed sum (of "
        "integrated gradients: adds up to the change of the score)",
        choices=COMBINED,
        option="combine_channels",
        source="Simonyan 2014, §3.1",
    )
    samples: int = parameter(
        50, "noisy copies (smoothgrad)", unit="images", low=1, high=1000, source="Smilkov 2017"
    )
    noise: float = parameter(
        0.05,
        "standard deviation of the noise (smoothgrad)",
        unit="of the range [0, 1]",
        low=0.0,
        high=1.0,
        source="seen to suit small and large networks; Smilkov 2017: 0.10 to 0.20, which hides objects of 32 "
        "pixels",
        former=0.15,
    )
    points: int = parameter(
        50,
        "points on the path (integrated)",
        unit="images",
        low=1,
        high=1000,
        source="Sundararajan 2017, §5: 20 to 300",
    )
    baseline: str = parameter(
        "black", "where the path starts (integrated)", choices=BASELINES, source="Sundararajan 2017, §3"
    )
    sanity: bool = parameter(
        False,
        "the same map for the same network with random weights, and the rank correlation of the two",
        source="Adebayo 2018",
    )
    curves: bool = parameter(
        False,
        "probability while the most salient pixels are deleted, and while they are inserted",
        source="Petsiuk 2018",
    )
    curve_steps: int = parameter(
        50,
        "points of each curve",
        unit="steps",
        low=1,
        high=1000,
        source="Petsiuk 2018: a row of pixels, 224, a step",
    )
    seed: int = parameter(
        0, "of the noise and of the random weights", low=0, high=2**31 - 1, source="chosen here"
    )

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_score_gradient_because(model)

    @property
    def unit(self) -> str:
        integrated = self.variant in (INTEGRATED, GRADCAM)
        return "logits" if integrated else "logits per unit of a pixel's range [0, 1]"

    def asks(self, inputs: Inputs) -> frozenset[str]:
        return super().asks(inputs) - (set() if self.variant == GRADCAM else {LAYER})

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        return ("layer",) if inputs.layer is not None and self.variant != GRADCAM else ()

    def fitted(self, model: Model) -> "Saliency":
        """Return this saliency with its variant chosen: SmoothGrad of a network that is quick enough for it.

        That follows from the network and the number of samples alone, so that a link means one picture.
        """
        if self.variant != USUAL:
            return self
        quick = self.samples * model.work <= QUICK
        return replace(self, variant=SMOOTHGRAD if quick else GRADIENT)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        yield from self.fitted(model).explain(model, inputs)

    def explain(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        """Yield the steps of a variant that is chosen."""
        explained = explained_class(model, inputs.image, inputs.target)
        passes = {SMOOTHGRAD: self.samples, INTEGRATED: self.points}.get(self.variant, 1)
        total = passes * (1 + self.sanity) + self.curves * 2 * (self.curve_steps + 1)
        for partial in self._attributions(model, inputs, explained.index):
            saliency = self._map(partial.values)
            if partial.done < total:
                yield Step(partial.done, total, self.output, saliency, explained.logit)
        numbers = self._numbers(model, inputs, explained, partial.values)
        pictures = {"overlay": overlay(model.preprocessing.shown(inputs.image), saliency)}
        if self.sanity:
            for control in self._attributions(model.with_random_weights(self.seed), inputs, explained.index):
                if passes + control.done < total:
                    yield Step(passes + control.done, total, self.output, saliency, explained.logit)
            random = self._map(control.values)
            numbers["rank_correlation_with_random_weights"] = rank_correlation(saliency, random)
            pictures["random weights"] = heatmap(random)
        if self.curves:
            importance = np.abs(saliency)
            for found in curves(model, inputs.image, importance, explained.index, self.curve_steps):
                done = passes * (1 + self.sanity) + sum(len(each.shares) for each in found.values())
                if done < total:
                    yield Step(done, total, self.output, saliency, explained.logit)
            numbers |= _curve_numbers(found)
        yield Step(total, total, self.output, saliency, explained.logit, numbers, pictures)

    def _attributions(self, model: Model, inputs: Inputs, target: int) -> Iterator[Partial]:
        if self.variant == GRADCAM:
            return iter([Partial(1, gradcam(model, inputs.image, target, inputs.layer)[None])])
        if self.variant == INTEGRATED:
            start = baseline_image(model, inputs.image, self.baseline)
            return integrated_gradients(model, inputs.image, start, target, self.points)
        if self.variant == SMOOTHGRAD:
            return smoothgrad(model, inputs.image, target, self.samples, self.noise, self.seed)
        return smoothgrad(model, inputs.image, target)

    def _map(self, values: torch.Tensor) -> np.ndarray:
        """(C, H, W) to (H, W)."""
        return (values.abs().amax(0) if self.channels == LARGEST else values.sum(0)).numpy()

    def _numbers(self, model: Model, inputs: Inputs, explained: Explained, values: torch.Tensor) -> dict:
        numbers = explained.numbers() | {"variant": self.variant}
        if self.variant == GRADCAM:
            site = inputs.layer or last_maps(model)
            numbers["layer"] = "the last maps" if site == MAPS else site
        if self.variant == INTEGRATED:
            start = baseline_image(model, inputs.image, self.baseline)
            numbers["attribution_sum"] = float(values.double().sum())
            numbers["logit_difference"] = (
                explained.logit - explained_class(model, start, explained.index).logit
            )
        return numbers


def _curve_numbers(found: Mapping[str, Curve]) -> dict:
    shares = list(next(iter(found.values())).shares)
    areas = {f"{name}_area": curve.area for name, curve in found.items()}
    lines = {f"{name}_curve": list(curve.probability) for name, curve in found.items()}
    return areas | {"curve_shares": shares} | lines


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's, of two maps' absolute values pixel by pixel; None where one of them is constant."""
    first, second = np.abs(first).ravel(), np.abs(second).ravel()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
