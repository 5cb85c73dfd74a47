"""What the Triage page lists: the suspects of its view, with what was said of them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.analysis.suspicions import COPIES, Judged
from compute.reports.suspects import SEPARATOR, Suspicions, suspects, suspicions
from dashboard.data.runs import BY_FOLDER
from dashboard.findings.verdicts.log import AMBIGUOUS, ERROR, FINE, verdict_folder
from dashboard.views.definitions import TriageView
from featurestore.reader import Run


@dataclass(frozen=True)
class Listed:
    """The suspects of a view.

    every: all of the view's splits, of any suspicion and state, see `suspects`.
    table: those that the view lists.
    said: the verdict on each judged image of the run, by image_id.
    found: the run's suspicions.
    problems: what of the verdicts can't be read.
    """

    every: pa.Table
    table: pa.Table
    said: dict[int, str]
    found: Suspicions
    problems: tuple[str, ...]

    @property
    def ids(self) -> np.ndarray:
        return self.table["image_id"].to_numpy()

    def after(self, image_id: int) -> int:
        """Return the image of the list behind one, else the one before it; -1 where there is no other."""
        order = self.ids.tolist()
        place = order.index(image_id) if image_id in order else -1
        rest = order[place + 1 :] + order[:place][::-1]
        return next(iter(rest), -1)

    def judged(self, kind: str) -> Judged:
        """Count what was said of the suspects of one suspicion."""
        ids = [
            row["image_id"]
            for row in self.every.select(["image_id", "kinds"]).to_pylist()
            if kind in row["kinds"].split(SEPARATOR)
        ]
        verdicts = [self.said.get(each) for each in ids]
        return Judged(len(ids), *(verdicts.count(each) for each in (ERROR, AMBIGUOUS, FINE)))


def listed(view: TriageView, run: Run, other: Run | None) -> Listed:
    """Return what a view lists. ValueError for a split that the run doesn't have."""
    found, read = found_in(run, other), verdict_folder().read()
    said = read.of_run(run)
    every = suspects(run, found, "", view.split, view.least)
    known = view.kind and view.kind in found.scores
    table = suspects(run, found, view.kind, view.split, view.least) if known else every
    if view.kind and not known:
        table = every.slice(0, 0)
    if view.state != "all":
        is_judged = np.isin(table["image_id"].to_numpy(), list(said))
        table = table.filter(pa.array(is_judged if view.state == "judged" else ~is_judged))
    return Listed(every, table, said, found, read.problems)


@st.cache_resource(max_entries=4, hash_funcs=BY_FOLDER, show_spinner="Looking for suspects …")
def found_in(run: Run, other: Run | None) -> Suspicions:
    """Return all suspicions of a run, with those against a second one."""
    return suspicions(run, other)


def copy_of(found: Suspicions, kind: str, image_id: int) -> int:
    """Return the near copy that a suspicion of this kind is about; -1 for other kinds, or none."""
    return int(found.copies.of[kind][image_id]) if kind in COPIES else -1


def splits_of(run: Run) -> list[str]:
    """Return the splits that the run's images are of."""
    return sorted(pc.unique(run.table("images", ["split"])["split"]).drop_null().to_pylist())
