"""What every recipe says of the run, and the rows of its images that tables are joined with."""

from typing import Any

import pyarrow as pa

from featurestore.reader import Run

IMAGE_COLUMNS = ("image_id", "path", "label", "split", "predicted", "probability", "correct", "loss")


def of_run(run: Run) -> dict[str, Any]:
    """The part of a recipe that names the run."""
    model, images = run.manifest.model, run.manifest.images
    return {
        "run": run.fingerprint,
        "model": model.get("name"),
        "weights_hash": model.get("weights_hash"),
        "images_hash": images.get("hash"),
    }


def with_images(rows: pa.Table, run: Run, column: str = "image_id") -> pa.Table:
    """`rows` with the path, label and prediction of the image that `column` names, in the same order."""
    images = run.rows("images", rows[column].to_numpy(), ("path", "label", "predicted", "correct"))
    for name in images.column_names:
        rows = rows.append_column(name, images[name])
    return rows


def number(value: float | None) -> float | None:
    """A stored single as a Python float."""
    return None if value is None else float(value)
