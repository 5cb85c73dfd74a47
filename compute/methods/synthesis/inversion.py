"""Feature inversion: an image that a layer can't tell from the given one.

    x* = argmin |phi(x) - phi0|² / |phi0|² + lambda_tv * TV(x) + lambda_alpha * |x|_alpha^alpha

phi: the layer's activations; phi0: those of the given image; TV: the mean squared difference of neighbouring
pixels (beta = 2); the alpha-norm (alpha = 6) keeps values off the ends of the range. Reference: Mahendran &
Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from compute.images.saved_image import through_file
from compute.methods.base import IMAGE, LAYER, Inputs, Method, Step
from compute.methods.optimize.loop import Adam, climb, result, slope, watched
from compute.methods.optimize.parameterizations import Fourier, Parameterization
from compute.methods.optimize.regularizers import alpha_norm, total_variation
from compute.methods.requirements import check_gradient, check_input_size, no_layers_because
from compute.methods.synthesis.ascent import normalized_noise
from compute.models.model import Model
from compute.runtime.parameters import parameter

FOURIER, PIXELS = "fourier", "pixels"
RATE = 0.05
TUNED_SIDE = 224
MAHENDRAN = "Mahendran & Vedaldi 2015"


@dataclass(frozen=True)
class Inversion(Method):
    """Inputs: an image of the network's input size, and a layer.

    A step's score is minus the sum above. numbers, of the saved 8-bit picture: `error`, |phi(x) - phi0| /
    |phi0|; `pixel_error`, the root mean square difference to the image, as a share of the range.
    """

    name: ClassVar[str] = "invert"
    title: ClassVar[str] = "Feature inversion"
    theory: ClassVar[str] = (
        "Starts from noise and looks for an image with the same activations at a layer. What comes back is "
        "what the layer kept; what differs from the image, it has thrown away."
    )
    reference: ClassVar[str] = (
        "Mahendran & Vedaldi 2015, Understanding Deep Image Representations by Inverting Them"
    )
    output: ClassVar[str] = "image"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE, LAYER})
    version: ClassVar[int] = 2

    iterations: int = parameter(256, "steps of Adam", low=1, high=4096, source="seen to suffice")
    parameterization: str = parameter(
        FOURIER,
        "what is changed: a whitened spectrum, or normalised pixels",
        choices=(FOURIER, PIXELS),
        source="Olah et al. 2017",
    )
    total_variation: float = parameter(
        5.0,
        f"lambda_tv at {TUNED_SIDE} pixels, and in proportion to the side at others: of the mean squared "
        "difference of neighbouring pixels",
        low=0.0,
        high=1000.0,
        source=f"seen to suit; the term: {MAHENDRAN}",
    )
    alpha: float = parameter(
        0.001,
        "lambda_alpha, of the mean 6th power of twice the distance from the mean colour",
        low=0.0,
        high=1000.0,
        source=f"seen to suit; the term: {MAHENDRAN}",
    )
    seed: int = parameter(0, "of the start", low=0, high=2**31 - 1, source="chosen here")

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_layers_because(model)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        check_gradient(self.name, model, [inputs.layer])
        check_input_size(self.name, model, inputs.image)
        error = relative_error(model, inputs)
        centre = torch.tensor(model.preprocessing.mean, device=model.device).view(1, -1, 1, 1)

        smoothness = self.total_variation * min(model.input_size) / TUNED_SIDE

        def score(images: Tensor) -> Tensor:
            prior = smoothness * total_variation(images) + self.alpha * alpha_norm(images, centre)
            return -error(images).square() - prior

        generator = Generator().manual_seed(self.seed)
        if self.parameterization == PIXELS:
            image: Parameterization = normalized_noise(model, generator)
        else:
            image = Fourier((model.in_channels, *model.input_size), generator, model.device)
        scores = climb(image, slope(score), Adam(RATE), self.iterations)
        for step in watched(scores, image, self.iterations):
            if step.index < step.total:
                yield step
        made = image.image()[0]
        yield result(step, model.preprocessing, made, reached(model, inputs, error, made))


def relative_error(model: Model, inputs: Inputs) -> Callable[[Tensor], Tensor]:
    """Return a function from images (1, C, H, W) to |phi(x) - phi0| / |phi0|, (1,).

    ValueError where phi0 is 0.
    """
    site = inputs.layer
    with torch.no_grad():
        wanted = model.activations(inputs.image[None], {site})[site]
    if not wanted.any():
        raise ValueError(f"every unit of {site} is 0 for this image: there is nothing to invert")
    norm = wanted.norm()
    return lambda images: (model.activations(images, {site})[site] - wanted).flatten(1).norm(dim=1) / norm


def reached(
    model: Model, inputs: Inputs, error: Callable[[Tensor], Tensor], image: Tensor
) -> dict[str, float]:
    """Return the numbers of a result: the two errors of the saved picture."""
    seen = through_file(model.preprocessing, image)
    with torch.inference_mode():
        return {
            "error": float(error(seen[None])),
            "pixel_error": float((seen - inputs.image.cpu()).square().mean().sqrt()),
        }
