"""Who is taken for whom, as a picture and as counts; and the errors, the most confident first."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.images.pictures import tiled, to_8_bit
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.report import Drawing
from compute.reports.drawing.run_images import IMAGE_COLUMNS, of_run, thumbnails
from compute.reports.mistakes import confusion_counts, most_confused
from featurestore.reader import Run

Ids = Sequence[int] | np.ndarray | None

MOST_CLASSES = 40
"""More can't be read in one picture; the table has them all."""

SHEET, COLUMNS, SIDE = 48, 8, 96
MOST_PAIRS = 8


def confusion_drawing(run: Run, split: str = "", ids: Ids = None) -> Drawing:
    """Counts of labels (rows) and predictions (columns) of the labelled images, of one split or of all.

    ids: of these images alone.
    """
    images = labelled(run, split, ids)
    counts, rows, cols = confusion_counts(images, run.class_names)
    right = pc.sum(images["correct"]).as_py() or 0
    numbers = {"split": split or "all", "images": len(images), "right": right, "share": right / len(images)}
    numbers["most_confused"] = _most_confused_pairs(counts, rows, cols)
    return Drawing(
        {"exhibit": "confusion", "split": split, **of_ids(ids), **of_run(run)},
        numbers,
        lambda: _draw(counts, rows, cols),
        lambda: _counts_table(counts, rows, cols),
    )


def errors_drawing(
    run: Run, split: str = "", label: str = "", predicted: str = "", ids: Ids = None
) -> Drawing:
    """The errors of a label taken for a prediction ("": any); the picture is a sheet of the first ones.

    Of a label and the same prediction: what is right, the least sure first.
    """
    table = cell(labelled(run, split, ids), label, predicted)
    asked = {"split": split, "label": label, "predicted": predicted}
    first = table.slice(0, 1).to_pylist()
    numbers = {**asked, "images": len(table), "first_probability": first[0]["probability"] if first else None}
    return Drawing(
        {"exhibit": "mistakes", **asked, **of_ids(ids), **of_run(run)},
        numbers,
        lambda: sheet(run, table),
        lambda: table,
    )


def labelled(run: Run, split: str = "", ids: Ids = None) -> pa.Table:
    """The images that have a label and a prediction; ValueError where there are none."""
    images = run.table("images", IMAGE_COLUMNS)
    images = images if ids is None else images.take(np.sort(np.asarray(ids)))
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
    """Those that are taken for another class than their label, of the greatest probability first; on the
    diagonal those that are right, of the least first."""
    right = bool(label) and label == predicted
    found = images.filter((pc.equal if right else pc.not_equal)(images["label"], images["predicted"]))
    for name, value in (("label", label), ("predicted", predicted)):
        found = found.filter(pc.equal(found[name], value)) if value else found
    order = "ascending" if right else "descending"
    return found.sort_by([("probability", order), ("image_id", "ascending")])


def sheet(run: Run, table: pa.Table) -> np.ndarray:
    """Thumbnails of the first images of a table with their image_id; ValueError where it has none."""
    if not len(table):
        raise ValueError("there is no such image, so there is no picture of one")
    tiles = thumbnails(run, table["image_id"].to_pylist()[:SHEET], SIDE)
    return to_8_bit(tiled(tiles, min(COLUMNS, len(tiles))))


def of_ids(ids: Ids) -> dict[str, str]:
    """Which images, in a recipe."""
    if ids is None:
        return {}
    return {"selection": hashlib.sha256(np.sort(np.asarray(ids, "<i8")).tobytes()).hexdigest()}


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
        counts, rows = most_confused(counts, rows, cols, MOST_CLASSES)
        cols = rows
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
