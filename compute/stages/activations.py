"""The one forward pass over all images: predictions, features, and every layer's channel maxima.

images (N, C, H, W) -> logits (N, K), features (N, D), and for each channel of each layer
max, argmax, mean over its map, and the share of map positions above 0
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F

from compute.graph import FEATURES, LOGITS
from compute.images import Item
from compute.model import Model
from compute.stages.channels import ChannelValues
from compute.stages.reading import Picture
from featurestore.arrays import vectors

LARGEST_BATCH = 64
BATCH_BYTES = 256 * 2**20
"""Of all layers' maps together: they live at the same time."""

UNREADABLE_SCORES = "the network's values for it are not finite numbers"


@dataclass(frozen=True)
class BatchValues:
    """Of N images. logits (N, K), features (N, D) float32. channels: None for a network without convolutions.
    finite: (N,) bool, whether all values are finite."""

    logits: np.ndarray
    features: np.ndarray
    channels: ChannelValues | None
    finite: np.ndarray


def batch_size(model: Model) -> int:
    """A power of two, at most 64, for which the maps of all layers stay within 256 MiB."""
    floats = sum(layer.channels * layer.height * layer.width for layer in model.layers.values())
    batch = LARGEST_BATCH
    while batch > 1 and batch * floats * 4 > BATCH_BYTES:
        batch //= 2
    return batch


def forward(model: Model, crops: torch.Tensor, batch: int) -> BatchValues:
    """One pass over at most `batch` crops (N, C, H, W), padded with zeros to exactly `batch`: a kernel is
    chosen by its shapes, and so the same images always go through the same ones.
    """
    number = len(crops)
    padded = F.pad(crops, (0, 0) * 3 + (0, batch - number))
    with torch.inference_mode():
        values = model.activations(padded, {LOGITS, FEATURES, *model.layers})
        logits, features = (values[site][:number].float().cpu().numpy() for site in (LOGITS, FEATURES))
        channels = _channel_values([values[name][:number] for name in model.layers])
    finite = np.isfinite(logits).all(1) & np.isfinite(features).all(1)
    if channels is not None:
        finite &= np.isfinite(channels.maximum).all(1)
    return BatchValues(logits, features.reshape(number, -1), channels, finite)


def image_rows(
    first_id: int,
    items: Sequence[Item],
    pictures: Sequence[Picture],
    logits: np.ndarray,
    classes: tuple[str, ...],
) -> pa.Table:
    """Table `images` of consecutive image_ids. logits: (N, K), rows of NaN where there are none."""
    known = ~np.isnan(logits).any(1)
    labels = [item.label for item in items]
    predicted, probability, top5 = _predictions(logits, known, classes)
    correct = [
        p == label if ok and label in classes else None
        for p, label, ok in zip(predicted, labels, known, strict=True)
    ]
    return pa.table(
        {
            "image_id": np.arange(first_id, first_id + len(items)),
            "path": [item.path for item in items],
            "sha256": pa.array([picture.sha256 for picture in pictures], pa.string()),
            "label": pa.array(labels, pa.string()),
            "split": pa.array([item.split for item in items], pa.string()),
            "width": pa.array([picture.width for picture in pictures], pa.int32()),
            "height": pa.array([picture.height for picture in pictures], pa.int32()),
            "thumbnail": _thumbnails(pictures),
            "predicted": pa.array(predicted, pa.string()),
            "probability": pa.array(probability, pa.float32()),
            "top5": top5,
            "loss": _loss(logits, labels, known, classes),
            "correct": pa.array(correct, pa.bool_()),
        }
    )


def feature_rows(first_id: int, features: np.ndarray) -> pa.Table:
    """Table `features`; features (N, D), null where a row is NaN."""
    return pa.table(
        {
            "image_id": np.arange(first_id, first_id + len(features)),
            "feature": vectors(features.astype(np.float32), np.isnan(features).any(1)),
        }
    )


def _channel_values(maps: list[torch.Tensor]) -> ChannelValues | None:
    if not maps:
        return None
    columns = [_reduced(each.flatten(2).float()) for each in maps]
    return ChannelValues(*(torch.cat(parts, 1).cpu().numpy() for parts in zip(*columns, strict=True)))


def _reduced(maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """(N, channels, positions) -> maximum, first position of it, mean, share above 0; (N, channels) each."""
    maximum, position = maps.max(2)
    above = torch.gt(maps, 0, out=torch.empty_like(maps))
    return maximum, position, maps.mean(2), above.mean(2)


def _predictions(logits: np.ndarray, known: np.ndarray, classes: tuple[str, ...]):
    """Names, probabilities and the five best of each image; None where not `known`."""
    names = np.array(classes, object)
    scores = torch.from_numpy(np.where(known[:, None], logits, 0)).softmax(1)
    values, indices = scores.sort(dim=1, descending=True, stable=True)
    values, indices = values[:, :5].numpy(), indices[:, :5].numpy()
    predicted = np.where(known, names[indices[:, 0]], None)
    probability = [float(value) if ok else None for value, ok in zip(values[:, 0], known, strict=True)]
    entries = pa.StructArray.from_arrays(
        [pa.array(names[indices].reshape(-1), pa.string()), pa.array(values.reshape(-1))],
        ["class", "probability"],
    )
    offsets = np.concatenate([[0], np.cumsum(known)]) * values.shape[1]
    kept = entries.filter(pa.array(np.repeat(known, values.shape[1])))
    starts = pa.array(offsets.astype(np.int32), mask=np.append(~known, False))
    return predicted, probability, pa.ListArray.from_arrays(starts, kept)


def _loss(
    logits: np.ndarray, labels: list[str | None], known: np.ndarray, classes: tuple[str, ...]
) -> pa.Array:
    """Cross entropy (nat) where the label is one of the classes."""
    index = {name: position for position, name in enumerate(classes)}
    there = np.array([ok and label in index for ok, label in zip(known, labels, strict=True)], bool)
    targets = torch.tensor([index.get(label, 0) for label in labels])
    losses = F.cross_entropy(torch.from_numpy(np.where(there[:, None], logits, 0)), targets, reduction="none")
    return pa.array(losses.numpy(), pa.float32(), mask=~there)


def _thumbnails(pictures: Sequence[Picture]) -> pa.Array:
    data = pa.array([picture.thumbnail for picture in pictures], pa.binary())
    return pa.StructArray.from_arrays(
        [data, pa.nulls(len(data), pa.string())], ["bytes", "path"],
        mask=pa.array([picture.thumbnail is None for picture in pictures]),
    )  # fmt: skip
