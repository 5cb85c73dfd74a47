"""What the network says of each image, beside its label: columns of the table `images`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F

from compute.images.sources import names_of_label
from compute.network.outputs import ABOVE, Output

LISTED = 5
"""Classes that are kept of each image; of independent labels, all that it has."""


def prediction_columns(
    logits: np.ndarray,
    labels: Sequence[str | None],
    classes: tuple[str, ...],
    output: Output,
    lists: bool,
) -> dict[str, pa.Array]:
    """predicted, probability, top5, loss and correct of N images; null where there is nothing to say.

    logits: (N, K), rows of NaN where there are none; K is 0 of a network without class scores. lists: whether
    labels name several classes, such as "cat|dog": then an image is right where exactly its labels have a
    probability above 0.5, and otherwise where the most probable class is its label.
    """
    known = ~np.isnan(logits).any(1) if classes else np.zeros(len(logits), bool)
    if not known.any():
        return _nothing(len(logits))
    scores = torch.from_numpy(np.where(known[:, None], logits, 0))
    values, indices = output.ranked(scores)
    ranked = values.numpy(), np.array(classes, object)[indices.numpy()]
    given = [names_of_label(label, classes) if ok else None for label, ok in zip(labels, known, strict=True)]
    if lists:
        correct = [_has_exactly(given[row], *(each[row] for each in ranked)) for row in range(len(given))]
    else:
        correct = [
            None if names is None else names == (best,)
            for names, best in zip(given, ranked[1][:, 0], strict=True)
        ]
    return {
        "predicted": pa.array(np.where(known, ranked[1][:, 0], None), pa.string()),
        "probability": pa.array(ranked[0][:, 0], pa.float32(), mask=~known),
        "top5": _listed(*ranked, known, output),
        "loss": _loss(scores, given, classes, output),
        "correct": pa.array(correct, pa.bool_()),
    }


def _nothing(number: int) -> dict[str, pa.Array]:
    kinds = {
        "predicted": pa.string(),
        "probability": pa.float32(),
        "top5": pa.list_(pa.struct([("class", pa.string()), ("probability", pa.float32())])),
        "loss": pa.float32(),
        "correct": pa.bool_(),
    }
    return {name: pa.nulls(number, kind) for name, kind in kinds.items()}


def _has_exactly(names: tuple[str, ...] | None, values: np.ndarray, ranked: np.ndarray) -> bool | None:
    return None if names is None else set(ranked[values > ABOVE]) == set(names)


def _listed(values: np.ndarray, ranked: np.ndarray, known: np.ndarray, output: Output) -> pa.Array:
    """The most probable classes of each image, at least LISTED; null where not `known`."""
    least = min(LISTED, values.shape[1])
    above = (values > ABOVE).sum(1) if output.independent else np.zeros(len(values), int)
    lengths = np.where(known, np.maximum(least, above), 0)
    kept = np.arange(values.shape[1]) < lengths[:, None]
    entries = pa.StructArray.from_arrays(
        [pa.array(ranked[kept], pa.string()), pa.array(values[kept])], ["class", "probability"]
    )
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(starts, mask=np.append(~known, False)), entries)


def _loss(
    scores: torch.Tensor, given: Sequence[tuple[str, ...] | None], classes: tuple[str, ...], output: Output
) -> pa.Array:
    """Cross entropy (nat) where the label is one of the classes; of independent labels, the mean of each
    label's binary one."""
    index = {name: position for position, name in enumerate(classes)}
    there = np.array([names is not None for names in given], bool)
    scores = torch.where(torch.from_numpy(there)[:, None], scores, 0)
    if output.independent:
        targets = torch.zeros_like(scores)
        for row, names in enumerate(given):
            targets[row, [index[name] for name in names or ()]] = 1
        losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none").mean(1)
    else:
        first = torch.tensor([index[names[0]] if names else 0 for names in given])
        losses = F.cross_entropy(scores, first, reduction="none")
    return pa.array(losses.numpy(), pa.float32(), mask=~there)
