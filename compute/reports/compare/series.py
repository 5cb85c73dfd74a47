"""A series of runs over the same images, such as the checkpoints of a training, and how they develop."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.comparison import Match, Overlap
from compute.reports.compare.measures import Cka, Compared, judged
from featurestore.reader import Run

ORDERS = ("name", "made")
MOST = 24
"""Runs of a series at most."""

SHORT = 8
"""Characters of a fingerprint that tell the runs of a series apart."""

CHANCE, OWN, WITH_REFERENCE, WITH_BEFORE = "by chance", "right", "with the reference", "with the run before"
"""The lines that a series is drawn as."""

Counted = Callable[[int, int], None]
"""(done, total): told of each run that is measured."""


@dataclass(frozen=True)
class Step:
    """One run of a series, and what it has in common with others; shares are 0 to 1.

    name: of its store; of several runs of stores of one name, with the beginning of the fingerprint.
    images: how many it shares with the reference.
    accuracy: share of the images judged in all runs that it has right; None where it judges none.
    overlap, chance: mean overlap of the nearest neighbours with the reference's, and of random ones.
    overlap_before: with those of the run before it. None where there is none, or a run has no neighbours.
    cka, cka_chance, cka_before: linear CKA of the features, in the same way.
    """

    name: str
    run: Run
    images: int
    accuracy: float | None
    overlap: float | None
    chance: float | None
    overlap_before: float | None
    cka: float | None
    cka_chance: float | None
    cka_before: float | None


@dataclass(frozen=True)
class Series:
    """Runs in their order.

    reference: position of the run that all are compared with.
    judged: on how many images the accuracies are.
    """

    steps: tuple[Step, ...]
    reference: int
    judged: int


class Measures:
    """What a series asks of its runs, measured anew; a page has one that keeps the answers."""

    def __init__(self) -> None:
        self.compared = lru_cache(2)(Compared)

    def judged(self, run: Run) -> pa.Table:
        """Return `measures.judged` of a run."""
        return judged(run)

    def matched(self, run: Run, other: Run) -> Match:
        """Return which images two runs have in common."""
        return self.compared(run, other).matched

    def overlap(self, run: Run, other: Run, k: int) -> Overlap:
        """Return how many of its k nearest images each image has in common in both runs."""
        return self.compared(run, other).neighbor_overlap(k)

    def cka(self, run: Run, other: Run) -> Cka:
        """Return the linear CKA of the features of two runs."""
        return self.compared(run, other).cka


def series_of(
    runs: Sequence[Run],
    reference: Run,
    k: int,
    order: str,
    measures: Measures,
    counted: Counted = lambda done, total: None,
) -> Series:
    """Measure a series.

    runs: in any order; the reference is one of them.
    k: how many nearest neighbours of each image.
    order: one of ORDERS.
    ValueError for another order, fewer than two runs, more than MOST, one given twice, or one that has no
    image in common with the reference.
    """
    named = in_order(runs, order)
    if len(runs) < 2 or len(runs) > MOST:
        raise ValueError(f"a series is of 2 to {MOST} runs, not {len(runs)}")
    for fingerprint, times in Counter(run.fingerprint for run in runs).items():
        if times > 1:
            raise ValueError(f"run {fingerprint} is given {times} times; each run is one point of a series")
    matches = [measures.matched(reference, run) for _, run in named]
    for (name, run), matched in zip(named, matches, strict=True):
        if not len(matched):
            raise ValueError(
                f"run {run.fingerprint} of {name} has no image in common with the reference, run "
                f"{reference.fingerprint}: no file of the one has the bytes of one of the other"
            )
    count, accuracies = _accuracies([measures.judged(run) for _, run in named], matches)
    steps: list[Step] = []
    for (name, run), matched, accuracy in zip(named, matches, accuracies, strict=True):
        overlap, chance, cka, cka_chance = _between(reference, run, k, measures)
        before = steps[-1].run if steps else None
        overlap_before, _, cka_before, _ = _between(before, run, k, measures)
        measured = overlap, chance, overlap_before, cka, cka_chance, cka_before
        steps.append(Step(name, run, len(matched), accuracy, *measured))
        counted(len(steps), len(named))
    position = next(at for at, (_, run) in enumerate(named) if run.fingerprint == reference.fingerprint)
    return Series(tuple(steps), position, count)


def in_order(runs: Sequence[Run], order: str) -> list[tuple[str, Run]]:
    """Return runs with their names, sorted; ValueError for an order that is none of ORDERS.

    order: "name" reads numbers as such, so that epoch-2 stands before epoch-10; "made" is by the time at
        which a run was made, those without one last.
    """
    if order not in ORDERS:
        raise ValueError(f"no order by {order!r}; choose from {', '.join(ORDERS)}")
    times = Counter(map(store_name, runs))
    named = [(store_name(run), run) for run in runs]
    named = [(name if times[name] == 1 else f"{name} {run.fingerprint[:SHORT]}", run) for name, run in named]

    def by_name(each: tuple[str, Run]) -> tuple:
        return _natural(each[0]), each[0], each[1].fingerprint

    def by_time(each: tuple[str, Run]) -> tuple:
        made = str(each[1].manifest.notes.get("created", ""))
        return not made, made, *by_name(each)

    return sorted(named, key=by_name if order == "name" else by_time)


def curves_of(series: Series, k: int) -> dict[str, dict[str, list[float | None]]]:
    """Return what is drawn of a series: by title of the panel, the lines by their names, a value a run."""
    steps = series.steps
    return {
        f"Accuracy, on {series.judged:,} labelled images that all have": {
            OWN: [step.accuracy for step in steps],
        },
        f"Overlap of the {k} nearest images": {
            CHANCE: [step.chance for step in steps],
            WITH_REFERENCE: [step.overlap for step in steps],
            WITH_BEFORE: [step.overlap_before for step in steps],
        },
        "Linear CKA of the features": {
            CHANCE: [step.cka_chance for step in steps],
            WITH_REFERENCE: [step.cka for step in steps],
            WITH_BEFORE: [step.cka_before for step in steps],
        },
    }


def _natural(name: str) -> list[str | int]:
    """Texts and numbers by turns, a text first: what compares by its numbers."""
    return [int(part) if at % 2 else part.casefold() for at, part in enumerate(re.split(r"(\d+)", name))]


def store_name(run: Run) -> str:
    """Return the last part of the store's path: a run's folder is STORE/runs/FINGERPRINT."""
    return run.folder.parent.parent.name or run.folder.resolve().parent.parent.name


def _accuracies(tables: Sequence[pa.Table], matches: Sequence[Match]) -> tuple[int, list[float | None]]:
    """On how many images all runs that judge any can be judged, and which share of them each has right.

    An image to which two runs give two labels is none of them.
    """
    known = {}
    for at, (table, matched) in enumerate(zip(tables, matches, strict=True)):
        rows = matched.rows(table["image_id"].to_numpy(), other=True)
        found = table.filter(pa.array(rows >= 0))
        if len(found):
            # By the reference's image ids, which are the same for all runs.
            ids = matched.ids[rows[rows >= 0]]
            order = np.argsort(ids, kind="stable")
            known[at] = ids[order], found.take(order)
    if not known:
        return 0, [None] * len(tables)
    common = reduce(np.intersect1d, (ids for ids, _ in known.values()))
    shared = {at: table.take(np.searchsorted(ids, common)) for at, (ids, table) in known.items()}
    labels = next(iter(shared.values()))["label"]
    agreed = np.ones(len(common), bool)
    for table in shared.values():
        agreed &= pc.equal(table["label"], labels).to_numpy()
    count = int(agreed.sum())
    shares = {at: float(table["right"].to_numpy()[agreed].mean()) for at, table in shared.items() if count}
    return count, [shares.get(at) for at in range(len(tables))]


def _between(
    run: Run | None, other: Run, k: int, measures: Measures
) -> tuple[float | None, float | None, float | None, float | None]:
    """Overlap and CKA of two runs, each with what chance gives; None for what can't be measured."""
    if run is None or not len(matched := measures.matched(run, other)):
        return None, None, None, None
    tables = set(run.tables()) & set(other.tables())
    overlap = chance = None
    if "neighbors" in tables:
        found = measures.overlap(run, other, k)
        overlap, chance = found.mean, found.chance(len(matched) - 1)
    cka = measures.cka(run, other) if "features" in tables else Cka(None, None, 0)
    return overlap, chance, cka.value, cka.chance
