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


def most_confused(
    counts: np.ndarray, rows: list[str], cols: list[str], most: int
) -> tuple[np.ndarray, list[str]]:
    """The `most` classes with most errors, as label or as prediction: (most, most) counts and their names.

    In the order of the rows; all classes where there are no more.
    """
    names = list(dict.fromkeys([*rows, *cols]))
    square = np.zeros((len(names), len(names)), np.int64)
    square[: len(rows), [names.index(name) for name in cols]] = counts
    errors = square.sum(0) + square.sum(1) - 2 * square.diagonal()
    kept = np.sort(np.argsort(-errors, kind="stable")[:most])
    return square[np.ix_(kept, kept)], [names[index] for index in kept]


def _ordered(names: set[str], classes: tuple[str, ...]) -> list[str]:
    known = [name for name in classes if name in names]
    return known + sorted(names.difference(known))
