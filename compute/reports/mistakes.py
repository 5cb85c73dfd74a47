"""Where labels and predictions differ: the confusion matrix, the errors, each class, and the images whose
neighbours carry another label.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.label_agreement import disagreements
from compute.images.pictures import tiled, to_8_bit
from compute.images.sources import names_apart
from compute.network.outputs.meanings import ABOVE
from compute.reports.base import Ids, ReportInputs, ReportSpec
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.further_columns import images_where
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import IMAGE_COLUMNS, labels_apart, of_run, thumbnails
from compute.runtime.parameters import parameter
from featurestore.reader import Run

MOST_CLASSES = 40
"""More can't be read in one picture; the table has them all."""

SHEET, COLUMNS, SIDE = 48, 8, 96
MOST_PAIRS = 8

SPLIT = "train, test, …; all images where none is given"
WHERE = "COLUMN=VALUE or COLUMN=LOW..HIGH, of the list that the images came with: these images alone"

VOTERS = 10
"""Nearest neighbours that vote on an image's label."""

NEIGHBOR_COLUMNS = ("image_id", "rank", "neighbor_id", "distance")
OF_IMAGE = ("path", "split", "predicted", "probability")


@dataclass(frozen=True)
class ConfusionSpec(ReportSpec):
    """Which classes are taken for which."""

    name: ClassVar[str] = "confusion"
    title: ClassVar[str] = "Confusion matrix"
    description: ClassVar[str] = (
        "The confusion matrix of the store's labelled images: labels down, predictions across, each row "
        "coloured by its share. As a table: every pair that occurs, and how often."
    )

    split: str = parameter("", SPLIT)
    where: str = parameter("", WHERE)

    def _make(self, inputs: ReportInputs) -> Report:
        return confusion_report(inputs.run, self.split, inputs.ids, self.where)


@dataclass(frozen=True)
class MistakesSpec(ReportSpec):
    """The errors that the network is most sure of."""

    name: ClassVar[str] = "mistakes"
    title: ClassVar[str] = "Most confident errors"
    description: ClassVar[str] = (
        f"The store's errors, the most probable first: the picture is a sheet of the first {SHEET}, the "
        "table has them all."
    )

    split: str = parameter("", SPLIT)
    label: str = parameter("", "a class: its errors alone")
    predicted: str = parameter("", "a class: errors taken for it alone")
    where: str = parameter("", WHERE)

    def _make(self, inputs: ReportInputs) -> Report:
        return mistakes_report(inputs.run, self.split, self.label, self.predicted, inputs.ids, self.where)


@dataclass(frozen=True)
class OutvotedSpec(ReportSpec):
    """The images whose neighbours in feature space carry another label."""

    name: ClassVar[str] = "outvoted"
    title: ClassVar[str] = "Images that their neighbours outvote"
    description: ClassVar[str] = (
        "The store's images whose nearest neighbours in feature space vote for another label than their "
        "own: wrong labels, or hard images (Wilson 1972). Those first of which neighbours and network are "
        f"most agreed that the label is another: the picture is a sheet of the first {SHEET}, the table has "
        "them all."
    )

    count: int = parameter(VOTERS, "neighbours that vote", low=1, high=1000)
    split: str = parameter("", SPLIT)
    label: str = parameter("", "images with this label alone")
    majority: str = parameter("", "images voted for this label alone")
    where: str = parameter("", WHERE)

    def _make(self, inputs: ReportInputs) -> Report:
        return outvoted_report(
            inputs.run, self.count, self.split, self.label, self.majority, inputs.ids, self.where
        )


@dataclass(frozen=True)
class ClassesSpec(ReportSpec):
    """How well each class is recognised."""

    name: ClassVar[str] = "classes"
    title: ClassVar[str] = "Recall and precision of classes"
    description: ClassVar[str] = (
        "One row a class, of the store's labelled images: how many, how many are right, recall, precision, "
        "what it is most often taken for, mean loss in nat. Numbers alone."
    )
    has_picture: ClassVar[bool] = False

    split: str = parameter("", SPLIT)
    where: str = parameter("", WHERE)

    def _make(self, inputs: ReportInputs) -> Report:
        return classes_report(inputs.run, self.split, inputs.ids, self.where)


def confusion_report(run: Run, split: str = "", ids: Ids = None, where: str = "") -> Report:
    """Report on the counts of labels (rows) and predictions (columns) of the labelled images.

    split: of these images alone, "" for all.
    ids: of these images alone, None for all.
    where: of those alone that fulfil this condition on a further column (see `further_columns`).
    ValueError where there are no labels, or no such split.
    """
    if run.manifest.labels_are_lists:
        raise ValueError(
            "images have several labels each, of which none is taken for another: there is no confusion "
            "matrix; `classes` counts each label"
        )
    images = labelled(run, split, ids, where)
    counts, rows, cols = confusion_counts(images, run.class_names)
    right, judged = pc.sum(images["correct"]).as_py() or 0, pc.count(images["correct"]).as_py()
    numbers = {
        "split": split or "all",
        "images": len(images),
        "judged": judged,  # those whose label the network knows
        "right": right,
        "share": right / judged if judged else None,
    }
    numbers["most_confused"] = _most_confused_pairs(counts, rows, cols)
    return Report(
        {"exhibit": "confusion", "split": split, **of_ids(ids), **of_where(where), **of_run(run)},
        numbers,
        lambda: _draw(counts, rows, cols),
        lambda: _counts_table(counts, rows, cols),
    )


def mistakes_report(
    run: Run, split: str = "", label: str = "", predicted: str = "", ids: Ids = None, where: str = ""
) -> Report:
    """Report on the errors, the most probable first; the picture is a sheet of the first ones.

    label, predicted: errors of this cell of the confusion matrix alone, "" for any. Of a label and the same
    prediction
    what is right is shown, the least probable first.
    split, ids, where, errors: as in `confusion_report`.
    """
    images = labelled(run, split, ids, where)
    if run.manifest.labels_are_lists:
        table = wrong_lists(images, label, predicted).drop_columns(["top5"])
    else:
        table = cell(images, label, predicted)
    asked = {"split": split, "label": label, "predicted": predicted}
    first = table.slice(0, 1).to_pylist()
    numbers = {**asked, "images": len(table), "first_probability": first[0]["probability"] if first else None}
    return Report(
        {"exhibit": "mistakes", **asked, **of_ids(ids), **of_where(where), **of_run(run)},
        numbers,
        lambda: sheet(run, table),
        lambda: table,
    )


def labelled(run: Run, split: str = "", ids: Ids = None, where: str = "") -> pa.Table:
    """Return the rows of images that have a label and a prediction; ValueError where there are none."""
    if not run.class_names:
        raise ValueError("the network gives no class scores, so nothing is right or wrong")
    lists = run.manifest.labels_are_lists
    images = run.table("images", (*IMAGE_COLUMNS, "top5") if lists else IMAGE_COLUMNS)
    images = images if ids is None else images.take(np.sort(np.asarray(ids)))
    if where:
        images = images.filter(np.isin(images["image_id"].to_numpy(), images_where(run, where)))
    known = images.filter(pc.and_(pc.is_valid(images["label"]), pc.is_valid(images["predicted"])))
    if not len(known):
        raise ValueError("these images have no labels, so there are no mistakes to count")
    if not split:
        return known
    splits = sorted(pc.unique(known["split"]).drop_null().to_pylist())
    if split not in splits:
        raise ValueError(f"unknown split {split!r}; choose from {', '.join(splits) or 'none'}")
    return known.filter(pc.equal(known["split"], split))


def cell(images: pa.Table, label: str = "", predicted: str = "") -> pa.Table:
    """Return the images of a cell of the confusion matrix, "" being any label or prediction but the same.

    Of any label: only those of the network's classes, since about others it can't be right.
    The most probable errors first; on the diagonal, what is right, the least probable first.
    """
    right = bool(label) and label == predicted
    found = images.filter((pc.equal if right else pc.not_equal)(images["label"], images["predicted"]))
    found = found if label else found.filter(pc.is_valid(found["correct"]))
    for name, value in (("label", label), ("predicted", predicted)):
        found = found.filter(pc.equal(found[name], value)) if value else found
    order = "ascending" if right else "descending"
    return found.sort_by([("probability", order), ("image_id", "ascending")])


def sheet(run: Run, table: pa.Table) -> np.ndarray:
    """Draw the thumbnails of a table's first images, by its image_id; ValueError where it has none."""
    if not len(table):
        raise ValueError("there is no such image, so there is no picture of one")
    tiles = thumbnails(run, table["image_id"].to_pylist()[:SHEET], SIDE)
    return to_8_bit(tiled(tiles, min(COLUMNS, len(tiles))))


def of_ids(ids: Ids) -> dict[str, str]:
    """Return the part of a recipe that says which images are counted."""
    if ids is None:
        return {}
    return {"selection": hashlib.sha256(np.sort(np.asarray(ids, "<i8")).tobytes()).hexdigest()}


def of_where(where: str) -> dict[str, str]:
    """Return the part of a recipe that says which condition the images fulfil."""
    return {"where": where} if where else {}


def classes_report(run: Run, split: str = "", ids: Ids = None, where: str = "") -> Report:
    """Report on each class, see `class_table`; split, ids, where, errors: as in `confusion_report`."""
    table = class_table(labelled(run, split, ids, where), run.class_names, run.manifest.labels_are_lists)
    recipe = {"exhibit": "classes", "split": split, **of_ids(ids), **of_where(where), **of_run(run)}
    return Report(recipe, {"split": split or "all", "classes": table.to_pylist()}, None, lambda: table)


def class_table(images: pa.Table, classes: tuple[str, ...], lists: bool = False) -> pa.Table:
    """Return one row a class, of images with the columns label, predicted, loss; see `label_table` for lists.

    class: in the network's order.
    images: how many have that label.
    right: how many of them are predicted right.
    recall: right / images.
    precision: right / images with that prediction.
    taken_for: the most frequent wrong prediction, the first in the network's order among equals.
    taken: how often.
    loss: mean, in nat.

    Null where there is nothing to divide by or no error. Images without label or prediction don't count.
    """
    if lists:
        return label_table(images, classes)
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


def label_table(images: pa.Table, classes: tuple[str, ...]) -> pa.Table:
    """Return one row a class, of images with the columns label, such as "cat|dog", top5 and loss.

    images: how many have that label.
    right: of how many of them its probability is above 0.5.
    recall: right / images.
    precision: right / images of which its probability is above 0.5.
    loss: mean of the images that have it, in nat.
    The other columns of `class_table` are null: no label is taken for another.
    """
    has, given = _given(images, classes)
    both = (has & given).sum(0)
    losses = images["loss"].to_numpy()
    names = [name for name, used in zip(classes, (has | given).any(0), strict=True) if used]
    kept = [classes.index(name) for name in names]
    return pa.table(
        {
            "class": pa.array(names, pa.string()),
            "images": has.sum(0)[kept],
            "right": both[kept],
            "recall": _share(both[kept], has.sum(0)[kept]),
            "precision": _share(both[kept], given.sum(0)[kept]),
            "taken_for": pa.nulls(len(names), pa.string()),
            "taken": pa.nulls(len(names), pa.int64()),
            "loss": pa.array(
                [float(np.nanmean(losses[has[:, each]])) if has[:, each].any() else None for each in kept],
                pa.float64(),
            ),
        }
    )


def wrong_lists(images: pa.Table, label: str = "", predicted: str = "") -> pa.Table:
    """Return the images that have other labels than those above 0.5, those of the greatest loss first.

    label, predicted: images alone that have the one, and of which the other is above 0.5; "" for any.
    """
    names = tuple(filter(None, dict.fromkeys([label, predicted])))
    has, given = _given(images, names)
    chosen = ~images["correct"].fill_null(True).to_numpy(zero_copy_only=False).astype(bool)
    if label:
        chosen &= has[:, names.index(label)]
    if predicted:
        chosen &= given[:, names.index(predicted)]
    return images.filter(pa.array(chosen)).sort_by([("loss", "descending"), ("image_id", "ascending")])


def _given(images: pa.Table, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which labels each image has, and which of them are above 0.5: (images, classes) bool each."""
    index = {name: place for place, name in enumerate(classes)}
    has, given = (np.zeros((len(images), len(classes)), bool) for _ in range(2))
    for row, label in enumerate(images["label"].to_pylist()):
        has[row, [index[name] for name in names_apart(label) if name in index]] = True
    for row, ranked in enumerate(images["top5"].to_pylist()):
        above = [each["class"] for each in ranked or () if each["probability"] > ABOVE]
        given[row, [index[name] for name in above if name in index]] = True
    return has, given


def outvoted_report(
    run: Run,
    count: int = VOTERS,
    split: str = "",
    label: str = "",
    majority: str = "",
    ids: Ids = None,
    where: str = "",
) -> Report:
    """Report on the images whose `count` nearest neighbours vote for another label than theirs.

    See `disagreements` for the columns and the order; the picture is a sheet of the first ones.
    label, majority: with this label, and voted for that one, "" for any.
    split, ids, where, errors: as in `confusion_report`.
    """
    images = labelled(run, split, ids, where)
    neighbors = run.select("neighbors", "feature", columns=NEIGHBOR_COLUMNS)
    found = outvoted(run, neighbors, count)
    table = chosen(found, images["image_id"].to_numpy(), label, majority, run.manifest.labels_are_lists)
    rows = run.rows("images", table["image_id"].to_numpy(), OF_IMAGE)
    for name in OF_IMAGE:
        table = table.append_column(name, rows[name])
    asked = {"count": count, "split": split, "label": label, "majority": majority}
    return Report(
        {"exhibit": "outvoted", **asked, **of_ids(ids), **of_where(where), **of_run(run)},
        {**asked, "images": len(images), "outvoted": len(table)},
        lambda: sheet(run, table),
        lambda: table,
    )


def outvoted(run: Run, neighbors: pa.Table, count: int) -> pa.Table:
    """Return `disagreements` of the run's labels, with its losses where they are of one label an image.

    neighbors: NEIGHBOR_COLUMNS in feature space.
    """
    images = run.table("images", ["label", "loss"])
    several = run.manifest.labels_are_lists or run.manifest.independent_labels
    labels = labels_apart(run, images["label"])
    return disagreements(labels, neighbors, count, None if several else images["loss"])


def chosen(
    found: pa.Table, image_ids: np.ndarray, label: str = "", majority: str = "", lists: bool = False
) -> pa.Table:
    """Return the rows of these images; with a label, and with a majority, where they are given.

    lists: labels may be several, of which `label` is one
    """
    found = found.filter(pa.array(np.isin(found["image_id"].to_numpy(), image_ids)))
    if label and lists:
        has = [label == each or label in names_apart(each) for each in found["label"].to_pylist()]
        found = found.filter(pa.array(has, pa.bool_()))
    elif label:
        found = found.filter(pc.equal(found["label"], label))
    return found.filter(pc.equal(found["majority"], majority)) if majority else found


def confusion_counts(images: pa.Table, classes: tuple[str, ...]) -> tuple[np.ndarray, list[str], list[str]]:
    """Count labels and predictions: (labels, predictions) int64, and the names of rows and of columns.

    images: with the columns label and predicted. Only classes that occur, in the network's order, then labels
    that the network doesn't know.
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
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return the counts of the classes with most errors, at most `most` of them a side, and the names there.

    As many as there are where there are no more. One and the same class stands at a row and at its column, as
    long as every label is predicted somewhere; else (a network may not know some labels) the rows are the
    labels with most errors, and the columns are what most of their images were taken for.
    """
    if not set(rows) <= set(cols):
        right = np.array([[row == col for col in cols] for row in rows])
        down = _most(np.where(right, 0, counts).sum(1), most)
        across = _most(counts[down].sum(0), most)
        return counts[np.ix_(down, across)], [rows[i] for i in down], [cols[i] for i in across]
    square = np.zeros((len(cols), len(cols)), np.int64)
    square[[cols.index(name) for name in rows]] = counts
    kept = _most(square.sum(0) + square.sum(1) - 2 * square.diagonal(), most)
    names = [cols[index] for index in kept]
    return square[np.ix_(kept, kept)], names, names


def _most(errors: np.ndarray, most: int) -> np.ndarray:
    """The places of the greatest, ascending."""
    return np.sort(np.argsort(-errors, kind="stable")[:most])


def _counts_table(counts: np.ndarray, rows: list[str], cols: list[str]) -> pa.Table:
    """Every pair that occurs, one a row."""
    row, col = np.nonzero(counts)
    found = counts[row, col]
    share = found / np.maximum(counts.sum(1), 1)[row]
    names = {"label": [rows[i] for i in row], "predicted": [cols[i] for i in col]}
    return pa.table({**names, "images": found, "share_of_label": share})


def _most_confused_pairs(counts: np.ndarray, rows: list[str], cols: list[str]) -> list[dict]:
    """The pairs of different classes with most images; among equal ones, in the network's order."""
    pairs = [
        {"label": rows[row], "predicted": cols[col], "images": int(counts[row, col])}
        for row, col in np.argwhere(counts > 0)
        if rows[row] != cols[col]
    ]
    return sorted(pairs, key=lambda pair: -pair["images"])[:MOST_PAIRS]


def _draw(counts: np.ndarray, rows: list[str], cols: list[str]) -> np.ndarray:
    if max(len(rows), len(cols)) > MOST_CLASSES:
        counts, rows, cols = most_confused(counts, rows, cols, MOST_CLASSES)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = canvas(max(640, 46 * len(cols) + 320), max(480, 40 * len(rows) + 200))
    axes = figure.add_subplot()
    drawn = axes.imshow(np.where(counts > 0, share, np.nan), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, col in np.argwhere(counts > 0):
        ink = "white" if share[row, col] > 0.5 else "black"
        axes.text(col, row, f"{counts[row, col]:,}", ha="center", va="center", color=ink, size=10)
    axes.set_xticks(range(len(cols)), cols, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    figure.colorbar(drawn, ax=axes, shrink=0.8).set_label("share of the label")
    return rendered(figure)


def _share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    return pa.array(part / np.maximum(whole, 1), mask=whole == 0)


def _ordered(names: set[str], classes: tuple[str, ...]) -> list[str]:
    known = [name for name in classes if name in names]
    return known + sorted(names.difference(known))
