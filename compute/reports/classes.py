"""How well each class is recognised: counts of labels and predictions."""

import numpy as np
import pyarrow as pa

from compute.reports.drawing.report import Drawing
from compute.reports.drawing.run_images import of_run
from compute.reports.matrix import Ids, labelled, of_ids
from compute.reports.mistakes import confusion_counts
from featurestore.reader import Run


def classes_drawing(run: Run, split: str = "", ids: Ids = None) -> Drawing:
    """One row a class, of the labelled images of one split or of all. ids: of these images alone."""
    table = class_table(labelled(run, split, ids), run.class_names)
    recipe = {"exhibit": "classes", "split": split, **of_ids(ids), **of_run(run)}
    return Drawing(recipe, {"split": split or "all", "classes": table.to_pylist()}, None, lambda: table)


def class_table(images: pa.Table, classes: tuple[str, ...]) -> pa.Table:
    """One row a class, of `images` with columns label, predicted, loss.

    class, images (with that label), right (of them), recall (right / images), precision (right / images with
    that prediction), taken_for (the most frequent wrong prediction, the first in the network's order of
    equals; null without errors), taken (how often), loss (mean, in nat). Null where there is nothing to
    divide by. Images without label or prediction don't count.
    """
    counts, rows, cols = confusion_counts(images, classes)
    names = list(dict.fromkeys([*rows, *cols]))
    square = np.zeros((len(names), len(names)), np.int64)
    square[: len(rows), [names.index(name) for name in cols]] = counts
    right, labelled, predicted = square.diagonal(), square.sum(1), square.sum(0)
    wrong = square - np.diag(right)
    most = wrong.argmax(1) if names else np.zeros(0, np.int64)
    losses = images.group_by("label").aggregate([("loss", "mean")]).to_pylist()
    loss = {each["label"]: each["loss_mean"] for each in losses}
    return pa.table(
        {
            "class": pa.array(names, pa.string()),
            "images": labelled,
            "right": right,
            "recall": _share(right, labelled),
            "precision": _share(right, predicted),
            "taken_for": pa.array(
                [names[m] if wrong[i, m] else None for i, m in enumerate(most)], pa.string()
            ),
            "taken": wrong.max(1, initial=0),
            "loss": pa.array([loss.get(name) for name in names], pa.float64()),
        }
    )


def _share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    return pa.array(part / np.maximum(whole, 1), mask=whole == 0)
