"""What mixed precision costs: the one pass in it against the one pass in float32, on some of the images."""

import numpy as np
import torch

from compute.images.loading import read_picture
from compute.images.sources import ImageSource, Item
from compute.models.model import Model
from compute.pipeline.stages.activations import OnePass, pass_batch

SAMPLE = 64


def precision_error(
    model: Model, source: ImageSource, items: tuple[Item, ...], precision: str
) -> dict[str, float]:
    """On at most 64 readable images, evenly spread over `items`:

    images: how many. logits, features: largest difference, in standard deviations of float32's. predictions:
    share of images whose most likely class stays. Empty where none can be read; of a network without class
    scores, without logits and predictions.
    """
    places = np.unique(np.linspace(0, len(items) - 1, SAMPLE).astype(int))
    pictures = [read_picture(source, items[place], model.preprocessing) for place in places]
    crops = [picture.crop for picture in pictures if picture.crop is not None]
    if not crops:
        return {}
    exact, found = (
        _values(OnePass(model, pass_batch(model), each), crops) for each in ("float32", precision)
    )
    error: dict[str, float] = {"images": len(crops), "features": _largest(exact[1], found[1])}
    if model.classes:
        same = exact[0].argmax(1) == found[0].argmax(1)
        error |= {"logits": _largest(exact[0], found[0]), "predictions": float(same.mean())}
    return error


def _largest(exact: np.ndarray, found: np.ndarray) -> float:
    return float(np.abs(exact - found).max() / exact.std())


def _values(one_pass: OnePass, crops: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, K) and features (n, D)."""
    batches = [one_pass.values(each) for each in torch.stack(crops).split(one_pass.batch)]
    logits, features = ([getattr(each, name) for each in batches] for name in ("logits", "features"))
    return np.concatenate(logits), np.concatenate(features)
