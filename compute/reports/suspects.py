"""Suspects: the images of a run whose label, or whose place in the set, is worth a second look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.suspicions import (
    COPIES,
    KINDS,
    Copies,
    copy_suspicion,
    near_copies,
    other_labels,
    suspected,
)
from compute.images.pixel_vectors import PIXEL_SIDE
from compute.reports.base import OTHER_RUN, RUN, ReportInputs, ReportSpec
from compute.reports.compare.measures import Compared
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import of_run, preprocessing_of
from compute.reports.mistakes import NEIGHBOR_COLUMNS, SPLIT, VOTERS, outvoted, sheet
from compute.runtime.parameters import parameter
from featurestore.reader import Run

ALIKE = 0.05
"""Root mean square difference of pixels in [0, 1] up to which two images are copies: a JPEG saved anew, a
slight crop or change of brightness."""

COLUMNS = ("image_id", "path", "label", "split", "predicted", "probability", "loss")
SEPARATOR = "|"


@dataclass(frozen=True)
class SuspectsSpec(ReportSpec):
    """The images of a run that one of the suspicions falls on."""

    name: ClassVar[str] = "suspects"
    title: ClassVar[str] = "Suspects"
    description: ClassVar[str] = (
        "Images that are worth a second look, the most suspicious first: confident errors, improbable "
        "labels, labels that the neighbours don't share, classes that a second run disagrees about, near "
        "copies in the set, in another split, with another label. Each suspicion is a number from 0 to 1. "
        "The picture is a sheet of the first ones, the table has them all."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN})
    takes: ClassVar[frozenset[str]] = frozenset({OTHER_RUN})

    kind: str = parameter("", "one suspicion alone", choices=("", *KINDS))
    split: str = parameter("", SPLIT)
    least: float = parameter(0.5, "least suspicion that is listed", low=0.0, high=1.0)
    alike: float = parameter(
        ALIKE, "greatest root mean square difference of a copy's pixels", unit="0..1", low=0.0, high=1.0
    )

    def _make(self, inputs: ReportInputs) -> Report:
        found = suspicions(inputs.run, inputs.other_run, self.alike)
        table = suspects(inputs.run, found, self.kind, self.split, self.least)
        numbers = {"images": len(table)} | {name: _count(table, name) for name in found.scores}
        other = {} if inputs.other_run is None else {"other": of_run(inputs.other_run)}
        recipe = {"exhibit": "suspects", **self.to_dict(), **of_run(inputs.run), **other}
        return Report(recipe, numbers, lambda: sheet(inputs.run, table), lambda: table)


@dataclass(frozen=True)
class Suspicions:
    """All suspicions of a run's n images.

    scores: by kind, one of KINDS that could be computed, (n,) float64 from 0 to 1, NaN where there is none.
    copies: the near copies of each image.
    other_predicted: the second run's classes, by image_id; None where there is no second run.
    missing: by kind, why it could not be computed.
    """

    scores: Mapping[str, np.ndarray]
    copies: Copies
    other_predicted: np.ndarray | None
    missing: Mapping[str, str]


def suspicions(run: Run, other: Run | None = None, alike: float = ALIKE) -> Suspicions:
    """Compute all suspicions that the run's tables, and those of a second run over the same images, allow."""
    images = run.table("images", ["image_id", "sha256", "label", "split", "probability", "correct", "loss"])
    scores: dict[str, np.ndarray] = {}
    missing: dict[str, str] = {}
    loss = _floats(images["loss"])
    if np.isfinite(loss).any():
        wrong = _floats(images["correct"]) == 0
        scores["confident"] = np.where(wrong, _floats(images["probability"]), np.nan)
        scores["improbable"] = other_labels(loss)
    else:
        missing |= dict.fromkeys(("confident", "improbable"), "no image has a label that the network knows")
    near, reason = _near(run, alike)
    if "neighbors" in run.tables() and images["label"].null_count < len(images):
        voted = outvoted(run, run.select("neighbors", "feature", columns=NEIGHBOR_COLUMNS), VOTERS)
        scores["outvoted"] = _placed(voted["image_id"], voted["suspicion"], len(images))
    else:
        missing["outvoted"] = reason or "no image has a label"
    predicted = None
    if other is not None:
        scores["disputed"], predicted = _disagreement(Compared(run, other), len(images))
    else:
        missing["disputed"] = "no second run is chosen"
    copies = near_copies(near, images["sha256"], images["split"], images["label"], alike)
    for kind in COPIES:
        scores[kind] = copy_suspicion(copies.difference[kind], alike) if alike else _equal(copies, kind)
    return Suspicions({name: scores[name] for name in KINDS if name in scores}, copies, predicted, missing)


def suspects(run: Run, found: Suspicions, kind: str = "", split: str = "", least: float = 0.5) -> pa.Table:
    """Return the images with a suspicion of at least `least`, the most suspicious first.

    kind: this suspicion alone; "" for any. split: these images alone; "" for all.
    image_id, path, label, split, predicted, probability, loss: as in `images`.
    suspicion: the greatest of the image's. kinds: those of at least `least`, "|" between them.
    confident, improbable, …: each suspicion, null where there is none.
    copy_of: the nearest copy; of a kind "leaked" or "relabelled", the nearest one of that kind.
    other_predicted: the second run's class.

    ValueError for an unknown kind or split, or a kind that could not be computed.
    """
    if kind in found.missing:
        raise ValueError(f"suspicion {kind!r} can't be computed: {found.missing[kind]}")
    if kind and kind not in KINDS:
        raise ValueError(f"unknown suspicion {kind!r}; choose from {', '.join(KINDS)}")
    scores = {kind: found.scores[kind]} if kind else found.scores
    ids, greatest = suspected(scores, least)
    images = run.rows("images", ids, COLUMNS)
    kinds = [[name for name, score in found.scores.items() if score[each] >= least] for each in ids]
    table = images.append_column("suspicion", pa.array(greatest, pa.float64()))
    table = table.append_column("kinds", pa.array([SEPARATOR.join(each) for each in kinds], pa.string()))
    for name, score in found.scores.items():
        own = score[ids]
        table = table.append_column(name, pa.array(own, pa.float64(), mask=np.isnan(own)))
    copy = found.copies.of[kind if kind in COPIES else "copy"][ids]
    table = table.append_column("copy_of", pa.array(copy, pa.int64(), mask=copy < 0))
    if found.other_predicted is not None:
        theirs = pa.array(found.other_predicted[ids], pa.string())
        table = table.append_column("other_predicted", theirs)
    if not split:
        return table
    splits = sorted(pc.unique(run.table("images", ["split"])["split"]).drop_null().to_pylist())
    if split not in splits:
        raise ValueError(f"unknown split {split!r}; choose from {', '.join(splits) or 'none'}")
    return table.filter(pc.equal(table["split"], split))


def _near(run: Run, alike: float) -> tuple[pa.Table, str]:
    """Return image_id, neighbor_id and the root mean square difference of pixels; and why there is none.

    Of pairs up to `alike` that are neighbors in feature space, too: two grey walls differ by little.
    """
    if "neighbors" not in run.tables():
        names = {"image_id": pa.int64(), "neighbor_id": pa.int64(), "difference": pa.float64()}
        none = pa.table({name: pa.array([], type) for name, type in names.items()})
        return none, "this run has no neighbours (python -m compute store --stages neighbors …)"
    rows = run.select("neighbors", "pixel", columns=("image_id", "neighbor_id", "distance"))
    preprocessing = preprocessing_of(run)
    sides = [min(PIXEL_SIDE, side) for side in preprocessing.size]
    values = preprocessing.channels * sides[0] * sides[1]
    difference = pc.divide(rows["distance"].cast(pa.float64()), float(np.sqrt(values)))
    rows = rows.drop_columns(["distance"]).append_column("difference", difference)
    rows = rows.filter(pc.less_equal(rows["difference"], alike))
    features = run.select("neighbors", "feature", columns=("image_id", "neighbor_id"))
    return rows.filter(np.isin(_pairs(rows, run), _pairs(features, run))), ""


def _pairs(rows: pa.Table, run: Run) -> np.ndarray:
    return rows["image_id"].to_numpy() * run.image_count + rows["neighbor_id"].to_numpy()


def _disagreement(compared: Compared, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, by image_id, how sure both networks are where their classes differ, and the other's class."""
    rows = compared.predictions
    differ = rows.filter(pc.not_equal(rows["predicted"], rows["other_predicted"]))
    sure = pc.min_element_wise(differ["probability"], differ["other_probability"])
    predicted = np.full(number, None, object)
    predicted[rows["image_id"].to_numpy()] = rows["other_predicted"].to_pylist()
    return _placed(differ["image_id"], sure, number), predicted


def _placed(image_ids: pa.ChunkedArray, values: pa.ChunkedArray, number: int) -> np.ndarray:
    placed = np.full(number, np.nan)
    placed[image_ids.to_numpy()] = _floats(values)
    return placed


def _equal(copies: Copies, kind: str) -> np.ndarray:
    return np.where(copies.difference[kind] == 0, 1.0, np.nan)


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    return values.cast(pa.float64()).fill_null(np.nan).to_numpy()


def _count(table: pa.Table, kind: str) -> int:
    return sum(kind in each.split(SEPARATOR) for each in table["kinds"].to_pylist())
