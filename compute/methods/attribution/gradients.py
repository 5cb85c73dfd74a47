"""Gradients of a class's logit with respect to the pixels, and averages of them.

S is the pre-softmax score of the explained class, x the image with pixels in [0, 1]; every function gives
signed float32 arrays (C, H, W) in units of logits (per unit of a pixel's range, for gradients).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from compute.models.model import Model
from compute.runtime.batches import in_batches

BATCH = 10


@dataclass(frozen=True)
class Partial:
    """An average that is being computed.

    done: how many images are averaged
    values: (C, H, W), the average over these
    """

    done: int
    values: torch.Tensor


def smoothgrad(
    model: Model, image: torch.Tensor, target: int, samples: int = 1, noise: float = 0.0, seed: int = 0
) -> Iterator[Partial]:
    """Mean of dS/dx at x + n, n ~ N(0, noise²), over `samples` draws (Smilkov et al. 2017); after each batch.

    noise: standard deviation as a share of the pixels' range. One sample without noise is the plain gradient
    (Simonyan et al. 2014). Draw k depends on (seed, k) alone, not on the batch it falls in.
    """
    image = image.cpu()

    def copies(start: int, stop: int) -> torch.Tensor:
        draws = [
            np.random.default_rng((seed, k)).standard_normal(image.shape, np.float32)
            for k in range(start, stop)
        ]
        return image + noise * torch.from_numpy(np.stack(draws))

    yield from _running_mean(model, copies, target, torch.ones(samples))


def integrated_gradients(
    model: Model, image: torch.Tensor, baseline: torch.Tensor, target: int, points: int = 50
) -> Iterator[Partial]:
    """(x - x') · ∫₀¹ dS/dx(x' + a (x - x')) da, x' the baseline (Sundararajan et al. 2017, eq. 1); after each
    batch.

    The integral by Gauss-Legendre quadrature with `points` nodes. Its sum over all pixels is S(x) - S(x').
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    places = torch.from_numpy((nodes + 1) / 2).float().view(-1, 1, 1, 1)
    image, baseline = image.cpu(), baseline.cpu()

    def path(start: int, stop: int) -> torch.Tensor:
        return baseline + places[start:stop] * (image - baseline)

    for partial in _running_mean(model, path, target, torch.from_numpy(weights * points / 2).float()):
        yield Partial(partial.done, (image - baseline) * partial.values)


def _running_mean(
    model: Model, images: Callable[[int, int], torch.Tensor], target: int, weights: torch.Tensor
) -> Iterator[Partial]:
    """Weighted mean of the gradients at as many images as there are weights, over those that are done."""
    score, total = model.class_score(target), torch.zeros(())
    for start, done, gradient in in_batches(
        len(weights), BATCH, lambda a, b: model.gradient(images(a, b), score)[0].float().cpu()
    ):
        total = total + torch.einsum("n,nchw->chw", weights[start:done], gradient)
        yield Partial(done, total / done)
