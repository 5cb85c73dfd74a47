"""The images whose neighbours in feature space vote for another label, as a sheet and as rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.label_agreement import disagreements
from compute.reports.drawing.report import Drawing
from compute.reports.drawing.run_images import of_run
from compute.reports.matrix import Ids, labelled, of_ids, sheet
from featurestore.reader import Run

COUNT = 10
NEIGHBOR_COLUMNS = ("image_id", "rank", "neighbor_id", "distance")
OF_IMAGE = ("path", "split", "predicted", "probability")


def outvoted_drawing(
    run: Run, count: int = COUNT, split: str = "", label: str = "", majority: str = "", ids: Ids = None
) -> Drawing:
    """By their first `count` neighbours, see `disagreements` for the columns and the order; the picture is a
    sheet of the first ones.

    label, majority: with this label, and voted for that one; "" for any. ids: of these images alone.
    """
    images = labelled(run, split, ids)
    neighbors = run.select("neighbors", "feature", columns=NEIGHBOR_COLUMNS)
    found = disagreements(run.table("images", ["label"])["label"], neighbors, count)
    table = chosen(found, images["image_id"].to_numpy(), label, majority)
    rows = run.rows("images", table["image_id"].to_numpy(), OF_IMAGE)
    for name in OF_IMAGE:
        table = table.append_column(name, rows[name])
    asked = {"count": count, "split": split, "label": label, "majority": majority}
    return Drawing(
        {"exhibit": "outvoted", **asked, **of_ids(ids), **of_run(run)},
        {**asked, "images": len(images), "outvoted": len(table)},
        lambda: sheet(run, table),
        lambda: table,
    )


def chosen(found: pa.Table, image_ids: np.ndarray, label: str = "", majority: str = "") -> pa.Table:
    """Those of these images; with a label, and with a majority, where they are given."""
    found = found.filter(pa.array(np.isin(found["image_id"].to_numpy(), image_ids)))
    for column, name in (("label", label), ("majority", majority)):
        found = found.filter(pc.equal(found[column], name)) if name else found
    return found
