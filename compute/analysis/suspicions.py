"""Which images of a labelled set are worth a second look, and why: every suspicion is a number from 0 to 1.

confident   wrong, and sure of it: the probability of the predicted class
improbable  1 - exp(-loss): the probability that the network gives to other labels than the image's own
outvoted    share of the nearest images with another label, times 1 - exp(-loss) (`label_agreement`)
disputed    two networks are sure of two classes: the smaller one of their probabilities
copy, leaked, relabelled
            a near copy is in the set, in another split of it, or there with another label: 1 - d / 2m with
            the root mean square difference d of the pixels and the greatest one, m, that makes a copy of
            a neighbour in feature space; so that 1 is the same bytes, and 0.5 just a copy

An image's own suspicion is the greatest of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KINDS = {
    "confident": "wrong, and sure of it",
    "improbable": "its label is improbable",
    "outvoted": "its neighbours have another label",
    "disputed": "two networks disagree",
    "copy": "near copy in the set",
    "leaked": "near copy in another split",
    "relabelled": "near copy with another label",
}
"""All suspicions, in words."""

COPIES = ("copy", "leaked", "relabelled")


@dataclass(frozen=True)
class Copies:
    """The nearest near copy of each of n images, of all others and of those of another split, or label.

    of: by kind, one of COPIES, the image_id (n,) int64; -1 where there is none.
    difference: by kind, (n,) float64 root mean square difference of the pixels; NaN where there is none.
    """

    of: Mapping[str, np.ndarray]
    difference: Mapping[str, np.ndarray]


def near_copies(
    neighbors: pa.Table, sha256: pa.ChunkedArray, split: pa.ChunkedArray, label: pa.ChunkedArray, most: float
) -> Copies:
    """Find near copies.

    neighbors: image_id, neighbor_id, and the root mean square `difference` of their pixels.
    sha256, split, label: by image_id; images of equal bytes are no neighbors, and differ by 0.
    most: the greatest difference that makes a copy.
    """
    near = neighbors.filter(pc.less_equal(neighbors["difference"], most))
    own, other = (near[name].to_numpy() for name in ("image_id", "neighbor_id"))
    difference, number = near["difference"].to_numpy().astype(np.float64), len(sha256)
    groups = _codes(sha256)
    of, differs = {}, {}
    for kind, column in zip(COPIES, (None, split, label), strict=True):
        value = np.arange(number) if column is None else _codes(column)
        kept = (value[own] != value[other]) & (value[own] >= 0) & (value[other] >= 0)
        of[kind], differs[kind] = _nearest(own[kept], other[kept], difference[kept], number)
        same = _other_in_group(groups, value)
        of[kind] = np.where(same >= 0, same, of[kind])
        differs[kind] = np.where(same >= 0, 0.0, differs[kind])
    return Copies(of, differs)


def copy_suspicion(difference: np.ndarray, most: float) -> np.ndarray:
    """Return 1 - d / 2m of differences d (n,) up to m; NaN for none."""
    return 1 - difference / (2 * most)


def other_labels(loss: np.ndarray) -> np.ndarray:
    """Return the probability that other labels than an image's own have, 1 - exp(-loss); NaN for no loss."""
    return -np.expm1(-loss)


def suspected(scores: Mapping[str, np.ndarray], least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (m,) with a suspicion of at least `least`, and the greatest suspicion of each.

    scores: by kind, (n,) from 0 to 1, NaN where there is none.
    The greatest first; among equals that of more suspicions, then the smaller number.
    """
    every = np.stack(list(scores.values()))
    greatest = np.fmax.reduce(every, axis=0)
    count = (np.nan_to_num(every, nan=-1.0) >= least).sum(0)
    found = np.flatnonzero(count)
    order = np.lexsort((found, -count[found], -greatest[found]))
    return found[order], greatest[found[order]]


@dataclass(frozen=True)
class Judged:
    """What people said of the images under one suspicion.

    suspects: how many there are.
    judged: how many of them people have judged.
    errors, ambiguous, fine: what they said.
    """

    suspects: int
    errors: int
    ambiguous: int
    fine: int

    @property
    def judged(self) -> int:
        return self.errors + self.ambiguous + self.fine

    @property
    def precision(self) -> float | None:
        """Return the share of the judged ones that are label errors; None where none was judged."""
        return self.errors / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of the precision (Wilson 1927); None where none was judged.

        It is of judged images that are drawn at random: those that a list shows first are not.
        """
        if not self.judged:
            return None
        n, share, z = self.judged, self.errors / self.judged, 1.959963984540054
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """Number the values: (n,) int64, -1 for null."""
    return pc.index_in(column, pc.unique(column.drop_null())).fill_null(-1).to_numpy().astype(np.int64)


def _nearest(
    own: np.ndarray, other: np.ndarray, difference: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest other of each of `number` images: (n,) of it, -1 for none, and its difference."""
    order = np.lexsort((other, difference, own))
    own, other, difference = own[order], other[order], difference[order]
    first = np.flatnonzero(np.diff(own, prepend=-1))
    of, differs = np.full(number, -1, np.int64), np.full(number, np.nan)
    of[own[first]], differs[own[first]] = other[first], difference[first]
    return of, differs


def _other_in_group(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return for each row the first one of its group with another value; -1 for none, or for no value.

    group, value: (n,) int64, -1 for none.
    """
    found = np.full(len(group), -1, np.int64)
    rows = np.flatnonzero((group >= 0) & (value >= 0))
    order = rows[np.lexsort((rows, group[rows]))]
    groups, values = group[order], value[order]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    first = np.repeat(starts, np.diff(np.append(starts, len(order))))
    differs = np.flatnonzero(values != values[first])
    second = np.full(len(order), len(order))
    np.minimum.at(second, first[differs], differs)
    second = second[first]
    is_first = values == values[first]
    place = np.where(is_first, second, first)
    there = place < len(order)
    found[order[there]] = order[place[there]]
    return found
