"""Counts of labels and predictions."""

import numpy as np
import pyarrow as pa


def confusion_counts(images: pa.Table, classes: tuple[str, ...]) -> tuple[np.ndarray, list[str], list[str]]:
    """(labels, predictions) counts of `images` (columns label, predicted), and the names of rows and columns.

    Classes in the network's order, then labels that the network doesn't know; those that occur alone.
    """
    pairs = images.select(["label", "predicted"]).drop_null()
    counted = pairs.group_by(["label", "predicted"]).aggregate([([], "count_all")]).to_pylist()
    rows = _ordered({each["label"] for each in counted}, classes)
    cols = _ordered({each["predicted"] for each in counted}, classes)
    counts = np.zeros((len(rows), len(cols)), np.int64)
    for each in counted:
        counts[rows.index(each["label"]), cols.index(each["predicted"])] = each["count_all"]
    return counts, rows, cols


def _ordered(names: set[str], classes: tuple[str, ...]) -> list[str]:
    known = [name for name in classes if name in names]
    return known + sorted(names.difference(known))
