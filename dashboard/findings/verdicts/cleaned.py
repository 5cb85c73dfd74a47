"""What comes of verdicts: a table of them, and the list of images without those whose label is wrong."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.images.sources.lists.list_source import TEXT_ENDINGS
from dashboard.findings.verdicts.log import VERDICTS
from featurestore.reader import Run

LIST_ENDINGS = (*TEXT_ENDINGS, ".parquet")
COLUMNS = ("image_id", "path", "label", "split", "predicted", "probability", "loss", "sha256")


def verdict_table(run: Run, said: dict[int, str]) -> pa.Table:
    """Return the judged images of a run: COLUMNS and verdict, by image_id."""
    ids = sorted(said)
    rows = run.rows("images", ids, COLUMNS)
    return rows.append_column("verdict", pa.array([said[each] for each in ids], pa.string()))


def images_folder(run: Run) -> Path:
    """Return the folder that a run's image paths begin at; ValueError where its images are no files."""
    spec = str(run.manifest.images.get("spec", ""))
    place = Path(spec)
    if place.is_absolute() and place.suffix.lower() in LIST_ENDINGS:
        return place.parent
    if place.is_absolute() and place.suffix.lower() not in (".tar", ".tgz", ".gz", ".zip", ".arrow"):
        return place
    raise ValueError(
        f"the images of this run come from {spec or 'somewhere'}, not from files that a list names"
    )


def cleaned_list(run: Run, said: dict[int, str], without: Collection[str]) -> pa.Table:
    """Return path, label and split of the images that have none of some verdicts, for `--images`.

    Further columns of the list that the images came with stand beside them. A verdict of `without` that can't
    be said is a ValueError that names it.
    """
    if unknown := sorted(set(without) - set(VERDICTS)):
        raise ValueError(f"unknown verdict {unknown[0]!r}; choose from {', '.join(VERDICTS)}")
    images_folder(run)
    images = run.table("images", ["path", "label", "split"])
    left_out = [image_id for image_id, verdict in said.items() if verdict in without]
    kept = np.setdiff1d(np.arange(len(images)), left_out)
    table = images.take(kept)
    if "columns" in run.tables():
        further = run.table("columns", ["column", "image_id", "text"])
        for name in pc.unique(further["column"]).to_pylist():
            own = further.filter(pc.equal(further["column"], name))
            values = np.full(len(images), None, object)
            values[own["image_id"].to_numpy()] = own["text"].to_pylist()
            table = table.append_column(name, pa.array(values[kept], pa.string()))
    return table


def csv_of(table: pa.Table) -> bytes:
    """Return a table as CSV in UTF-8, its texts as they are: a list is read again by this program.

    A spreadsheet may take a text that begins with "=" for a formula; other downloads guard against that.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return text.getvalue().encode()
