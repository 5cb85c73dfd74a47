"""Segmentation without labels: saliency chooses the seeds, GrabCut the outline (Simonyan et al. 2014,
§3.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from compute.images.pictures import RESULT, heatmap, to_8_bit
from compute.methods.attribution.saliency import GRADCAM, GRADIENT, INTEGRATED, SMOOTHGRAD, Saliency
from compute.methods.base import IMAGE, LAYER, TARGET, Inputs, Method, Step
from compute.methods.requirements import no_score_gradient_because
from compute.models.model import Model
from compute.runtime.parameters import parameter

# The least side, in pixels, of what GrabCut works on: it needs some pixels to learn five colours a side from.
WORKING_SIZE = 96


class NoSegment(ValueError):
    """There is no segment; the message says why."""


@dataclass(frozen=True)
class Segmentation(Method):
    name: ClassVar[str] = "segment"
    title: ClassVar[str] = "Segmentation by saliency"
    theory: ClassVar[str] = (
        "A network that was only told what is in a picture also knows where: its most salient pixels are "
        "taken as object, the least salient as background, and GrabCut finds the outline between their "
        "colours."
    )
    reference: ClassVar[str] = (
        "Simonyan, Vedaldi, Zisserman 2014, arXiv:1312.6034, §3.2; Rother et al. 2004 (GrabCut)"
    )
    output: ClassVar[str] = "mask"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({TARGET, LAYER})
    without_layer = "the last maps"

    variant: str = parameter(
        SMOOTHGRAD,
        "which saliency chooses the seeds",
        choices=(GRADIENT, SMOOTHGRAD, INTEGRATED, GRADCAM),
        source="chosen here: fewer stray seeds than Simonyan's gradient",
    )
    noise: float = parameter(
        0.05,
        "standard deviation of SmoothGrad's noise",
        unit="of the range [0, 1]",
        low=0.0,
        high=1.0,
        source="chosen here: outlines stay sharper than with SmoothGrad's usual 0.15",
    )
    foreground: float = parameter(
        0.95,
        "pixels of more saliency than this quantile are object",
        unit="quantile",
        low=0.5,
        high=0.999,
        source="Simonyan 2014, §3.2",
    )
    background: float = parameter(
        0.30,
        "pixels of less saliency than this quantile are background",
        unit="quantile",
        low=0.001,
        high=0.5,
        source="Simonyan 2014, §3.2",
    )
    blur: float = parameter(
        0.06,
        "standard deviation of the Gaussian on the saliency",
        unit="of the shorter side",
        low=0.0,
        high=0.5,
        source="chosen here: single pixels are not seeds",
    )
    iterations: int = parameter(5, "of GrabCut", unit="steps", low=1, high=50, source="OpenCV's tutorial")
    seed: int = parameter(
        0, "of GrabCut's colour clusters, and of SmoothGrad", low=0, high=2**31 - 1, source="chosen here"
    )

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_score_gradient_because(model)

    def asks(self, inputs: Inputs) -> frozenset[str]:
        return Saliency(variant=self.variant).asks(inputs)

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        return Saliency(variant=self.variant).unused(inputs)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        """The last step's data is the mask (H, W); where there is none it is empty, and numbers say what
        failed."""
        for step in Saliency(variant=self.variant, noise=self.noise, seed=self.seed).steps(model, inputs):
            if step.index < step.total:
                nothing = np.zeros_like(step.data)
                yield Step(step.index, step.total + 1, self.output, nothing, step.score, step.numbers)
        saliency, image = step.data, _rgb(model.preprocessing.shown(inputs.image))
        blurred = _blurred(saliency, self.blur)
        pictures = {"saliency": heatmap(saliency)}
        try:
            mask = segment(image, blurred, self.foreground, self.background, self.iterations, self.seed)
            failed = None
            pictures |= {"overlay": outlined(image, mask), "cutout": np.dstack([image, mask])}
        except NoSegment as reason:
            mask, failed = np.zeros_like(saliency), str(reason)
            pictures[RESULT] = pictures["saliency"]
        numbers = {**step.numbers, "failed": failed, "share": float(mask.mean())}
        yield Step(step.total + 1, step.total + 1, self.output, mask, step.score, numbers, pictures)


def segment(
    image: np.ndarray, saliency: np.ndarray, foreground: float, background: float, iterations: int, seed: int
) -> np.ndarray:
    """Return the mask (H, W) float32 in {0, 1} of the object in an image.

    image: (H, W, 3) in [0, 1]
    saliency: (H, W), at least 0
    foreground, background: quantiles of the saliency, beyond which pixels are surely object or background
    Raises NoSegment where there are no such pixels, and where GrabCut finds nothing or everything.
    """
    labels = seeds(saliency, foreground, background)
    size, working = labels.shape, _working_size(labels.shape)
    labels = cv2.resize(labels, working, interpolation=cv2.INTER_NEAREST)
    picture = cv2.resize(to_8_bit(image), working, interpolation=cv2.INTER_CUBIC)
    cv2.setRNGSeed(seed)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(picture, labels, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    except cv2.error as error:
        raise NoSegment(f"GrabCut can't tell the seeds' colours apart: {error}") from error
    is_object = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.resize(is_object, size[::-1], interpolation=cv2.INTER_NEAREST)
    if found.all() or not found.any():
        raise NoSegment(
            "GrabCut found no outline: the whole image is " + ("object" if found.all() else "background")
        )
    return _most_salient_component(found, saliency)


def seeds(saliency: np.ndarray, foreground: float, background: float) -> np.ndarray:
    """Return GrabCut's labels (H, W) uint8: surely object, surely background, and probably either."""
    if not saliency.any():
        raise NoSegment("the saliency is zero everywhere")
    low, middle, high = np.quantile(saliency, (background, (background + foreground) / 2, foreground))
    labels = np.where(saliency > middle, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # In a map that is mostly 0 both quantiles are 0: what is above it is then the object.
    labels[saliency <= low] = cv2.GC_BGD
    labels[saliency >= high if high > low else saliency > high] = cv2.GC_FGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        raise NoSegment("the saliency is the same nearly everywhere, so that it gives no seeds")
    return labels


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the object in its colours and all else in dark grey: (H, W, 3) in [0, 1]."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    return np.where(mask[..., None] > 0, image, 0.35 * grey).astype(np.float32)


def _most_salient_component(found: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    _, components = cv2.connectedComponents(found)
    weights = np.bincount(components.ravel(), saliency.ravel())
    weights[0] = -1.0  # the background
    return (components == weights.argmax()).astype(np.float32)


def _working_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) by the least whole factor that reaches WORKING_SIZE."""
    factor = max(1, -(-WORKING_SIZE // min(size)))
    return size[1] * factor, size[0] * factor


def _blurred(saliency: np.ndarray, share: float) -> np.ndarray:
    sigma = share * min(saliency.shape)
    return cv2.GaussianBlur(saliency, (0, 0), sigma) if sigma > 0 else saliency


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
