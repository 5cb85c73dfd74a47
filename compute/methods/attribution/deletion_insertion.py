"""Deletion and insertion: does a saliency map rank the pixels that matter first? (Petsiuk et al. 2018, RISE,
§4.1)

Deletion hides the pixels in the order of their saliency, insertion shows them in that order on a blurred
image; both watch the probability of the class. A good map gives a small area under the first curve and a
large one under the second.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from compute.models.model import Model
from compute.occlusion.maps import baseline_image
from compute.runtime.batches import in_batches

BATCH = 32


@dataclass(frozen=True)
class Curve:
    """A curve, from its beginning to what is known of it.

    shares: of the pixels that are changed, from 0 on, to 1 where it is whole
    probability: of the class at each share
    area: under the curve, 0 to 1
    """

    shares: tuple[float, ...]
    probability: tuple[float, ...]
    area: float


def curves(
    model: Model, image: torch.Tensor, saliency: np.ndarray, target: int, steps: int
) -> Iterator[dict[str, Curve]]:
    """Yield the deletion curve and then the insertion curve too, as far as they are known, batch by batch."""
    found = {}
    for name, curve in (("deletion", deletion), ("insertion", insertion)):
        for found[name] in curve(model, image, saliency, target, steps):
            yield dict(found)


def deletion(
    model: Model, image: torch.Tensor, saliency: np.ndarray, target: int, steps: int
) -> Iterator[Curve]:
    """Replace the most salient pixels by the normalisation mean, `steps` times an equal share; after each
    batch, the curve so far."""
    return _curve(model, image, baseline_image(model, image, "mean"), saliency, target, steps)


def insertion(
    model: Model, image: torch.Tensor, saliency: np.ndarray, target: int, steps: int
) -> Iterator[Curve]:
    """Put the most salient pixels of `image` into a blurred copy; after each batch, the curve so far."""
    return _curve(model, baseline_image(model, image, "blurred"), image, saliency, target, steps)


def _curve(
    model: Model, first: torch.Tensor, last: torch.Tensor, saliency: np.ndarray, target: int, steps: int
) -> Iterator[Curve]:
    rank = torch.from_numpy(ranks(saliency))
    shares = torch.linspace(0, 1, steps + 1)
    limits = (shares * rank.numel()).round().view(-1, 1, 1, 1)

    def probabilities(start: int, stop: int) -> torch.Tensor:
        with torch.inference_mode():
            changed = torch.where(rank < limits[start:stop], last.cpu(), first.cpu())
            return model.probabilities(changed)[:, target].float().cpu()

    found = []
    for _, done, part in in_batches(steps + 1, BATCH, probabilities):
        found += part.tolist()
        yield Curve(tuple(shares[:done].tolist()), tuple(found), float(np.trapezoid(found, dx=1 / steps)))


def ranks(saliency: np.ndarray) -> np.ndarray:
    """Return (H, W): 0 for the most salient pixel to H·W - 1; equal ones in reading order."""
    order = np.argsort(-saliency.ravel(), kind="stable")
    places = np.empty(order.size, np.int64)
    places[order] = np.arange(order.size)
    return places.reshape(saliency.shape)
