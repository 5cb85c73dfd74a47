"""What two runs over the same images say of each other: which images they share, where they differ.

The run that is looked at comes first, the `other` one second; rows of a match are the images that both hold.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KINDS = ("fixed", "broken", "both wrong", "changed", "same")
"""Of a prediction: `fixed` is wrong in the first run and right in the other, `broken` the reverse, `both
wrong` two different wrong classes, `changed` two classes of an image without a label that a network knows,
`same` one class."""


MOST_RANKS = 1000
"""Of an image's neighbors, or a channel's patches; a table may be anybody's."""

ROWS = 1 << 13
"""Lists that are compared at once: they stay in the cache."""


@dataclass(frozen=True)
class Match:
    """Images of the same bytes. ids, other_ids: (n,) int64, rising in `ids`; row i is one image in both runs.

    only, other_only: how many images of the one and of the other run have no partner.
    """

    ids: np.ndarray
    other_ids: np.ndarray
    only: int
    other_only: int

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def is_identity(self) -> bool:
        """Whether both runs hold the same images in the same order, so that a row is an image_id."""
        every = np.arange(len(self))
        whole = not (self.only or self.other_only)
        return whole and np.array_equal(self.ids, every) and np.array_equal(self.other_ids, every)

    def rows(self, image_ids: np.ndarray, other: bool = False) -> np.ndarray:
        """Row (int32) of each image in this match, -1 for one that is not in it, and for -1; of any shape."""
        if self.is_identity:
            return np.asarray(image_ids, np.int32)
        known = self.other_ids if other else self.ids
        row = np.full(known.max(initial=-1) + 2, -1, np.int32)
        row[known] = np.arange(len(known), dtype=np.int32)
        return row[np.minimum(image_ids, len(row) - 1)]


def match(sha256: pa.ChunkedArray, other: pa.ChunkedArray) -> Match:
    """Pairs the images of two runs by the SHA-256 of their bytes; a position in a column is the image_id.

    Of images that occur several times, the first goes to the first, the second to the second, and so on. An
    image without a hash (it was not found) has no partner.
    """
    if sha256.equals(other):
        ids = np.flatnonzero(sha256.is_valid().to_numpy())
        return Match(ids, ids, len(sha256) - len(ids), len(sha256) - len(ids))
    names = pc.unique(pa.chunked_array([*sha256.chunks, *other.chunks], pa.string()).drop_null())
    keys, other_keys = (_occurrences(pc.index_in(each, names)) for each in (sha256, other))
    first, second = _pairs(keys, other_keys)
    _, ids, other_ids = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    order = np.argsort(ids)
    ids, other_ids = _present(keys)[ids][order], _present(other_keys)[other_ids][order]
    return Match(ids, other_ids, len(sha256) - len(ids), len(other) - len(ids))


def compare_predictions(
    images: pa.Table, other: pa.Table, matched: Match, classes: Collection[str] | None = None
) -> pa.Table:
    """One row a shared image that both networks could read, by image_id.

    images, other: whole tables `images` with image_id, label, predicted, probability; classes are compared by
    name. Columns: image_id, other_id, label, predicted, probability, other_predicted, other_probability, and
    kind, one of KINDS. The label is the one that both runs give, or the only one given; where two runs give
    two labels it is null, and such an image counts as one without.

    classes: of both networks; an image whose label is none of them counts as one without, as neither can be
        right about it. None where every label may be one.
    """
    mine, theirs = images.take(matched.ids), other.take(matched.other_ids)
    label = pc.coalesce(mine["label"], theirs["label"])
    agreed = pc.fill_null(pc.equal(mine["label"], theirs["label"]), True)
    pairs = pa.table(
        {
            "image_id": mine["image_id"],
            "other_id": theirs["image_id"],
            "label": pc.if_else(agreed, label, None),
            "predicted": mine["predicted"],
            "probability": mine["probability"],
            "other_predicted": theirs["predicted"],
            "other_probability": theirs["probability"],
        }
    )
    pairs = pairs.filter(pc.and_(pc.is_valid(pairs["predicted"]), pc.is_valid(pairs["other_predicted"])))
    return pairs.append_column("kind", _kind(pairs, classes))


@dataclass(frozen=True)
class Accuracies:
    """Both networks on the shared images whose label is one of their classes.

    count: how many these are. mine, theirs: share that is right, None where count is 0. broken, fixed: images
    that only the first, only the other run has right (b and c of McNemar's table). p: McNemar's.
    """

    count: int
    mine: float | None
    theirs: float | None
    broken: int
    fixed: int
    p: float


def accuracies(predictions: pa.Table, classes: Collection[str] | None = None) -> Accuracies:
    """Of the table that `compare_predictions` makes of these classes."""
    known = predictions.filter(pc.is_valid(judged_labels(predictions["label"], classes)))
    right = [pc.equal(known[name], known["label"]).to_numpy() for name in ("predicted", "other_predicted")]
    mine, theirs = (float(each.mean()) if len(each) else None for each in right)
    broken, fixed = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Accuracies(len(known), mine, theirs, broken, fixed, mcnemar(broken, fixed))


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided p value that two networks are right equally often, from the images only one has right.

    2 Σ_{i ≤ min(b, c)} C(n, i) / 2^n with n = b + c, at most 1: the sign test on the discordant pairs
    (McNemar 1947; Dietterich 1998, section 3.1). Relative error below 1e-9 up to a million images.
    """
    if min(b, c) < 0:
        raise ValueError(f"counts must not be negative, not {b!r} and {c!r}")
    n = b + c
    i = np.arange(1, min(b, c) + 1)
    log_binomials = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))])
    return min(1.0, 2 * math.fsum(np.exp(log_binomials - n * math.log(2))))


@dataclass(frozen=True)
class Overlap:
    """How far two lists of images agree, one pair of lists a row. Arrays are (rows,).

    share: |A ∩ B| / k of the first k of each, NaN where k is 0. k: as many as were asked, or as both lists
    have once images that only one run holds are left out.
    """

    share: np.ndarray
    k: np.ndarray

    @property
    def mean(self) -> float | None:
        """Over the rows that count."""
        return float(np.nanmean(self.share)) if (self.k > 0).any() else None

    def chance(self, candidates: int) -> float | None:
        """Mean of k / candidates: what lists drawn at random from that many images would share."""
        counted = self.k[self.k > 0]
        return float(min(1.0, counted.mean() / candidates)) if len(counted) and candidates > 0 else None


def overlap(lists: np.ndarray, other: np.ndarray, k: int) -> Overlap:
    """Agreement of the first k of each row of two ranked lists.

    lists (rows, K), other (rows, L): rows of a match (`Match.rows`), best first, -1 for what only one run
    holds. These are left out before the first k are taken: the k best of the images both could have.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k!r}")
    parts = range(0, len(lists), ROWS) or [0]
    found = [_in_common(lists[start : start + ROWS], other[start : start + ROWS], k) for start in parts]
    share, shared = (np.concatenate(part) for part in zip(*found, strict=True))
    return Overlap(share, shared)


def _in_common(lists: np.ndarray, other: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Of some rows of `overlap`: the share of each, and of how many."""
    lists, other = _closed_up(lists), _closed_up(other)
    shared = np.minimum(k, np.minimum((lists >= 0).sum(1), (other >= 0).sum(1)))
    first = np.where(np.arange(lists.shape[1]) < shared[:, None], lists, -1)
    second = np.where(np.arange(other.shape[1]) < shared[:, None], other, -2)
    common = np.zeros(len(first))
    for rank in range(min(k, other.shape[1])):
        common += (first == second[:, [rank]]).any(1)
    share = np.divide(common, shared, out=np.full(len(first), np.nan), where=shared > 0)
    return share, shared


def ranked(table: pa.Table, of: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return whose each list is, (m,) ascending, and the lists (m, K), -1 where one is shorter.

    table: sorted by the columns `of`, whose list a row belongs to, and `rank`; `column` is what is listed
    """
    owner, rank, values = (table[name].to_numpy() for name in (of, "rank", column))
    lists = whole_lists(rank, values)
    if lists is not None:
        return owner[:: lists.shape[1]], lists
    owners, row = np.unique(owner, return_inverse=True)
    lists = np.full((len(owners), list_length(rank)), -1, values.dtype)
    lists[row, rank] = values
    return owners, lists


def list_length(rank: np.ndarray) -> int:
    """Return how long the longest of some lists is. ValueError for one longer than any that a store has."""
    length = int(rank.max(initial=-1)) + 1
    if length > MOST_RANKS:
        raise ValueError(f"there is a rank of {length - 1:,}, and lists have at most {MOST_RANKS:,} ranks")
    return length


def whole_lists(rank: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """Return values as lists (m, K), one behind the other; None where not each runs from rank 0 to the last.

    rank, values: of a table sorted by whose list a row belongs to and `rank`, so that each rank 0 begins the
        list of another
    """
    width = list_length(rank)
    if not width or len(rank) % width:
        return None
    in_order = (rank.reshape(-1, width) == np.arange(width, dtype=rank.dtype)).all()
    return values.reshape(-1, width) if in_order else None


def neighbor_rows(images: np.ndarray, lists: np.ndarray, matched: Match, other: bool = False) -> np.ndarray:
    """Return the rows of the match that are each shared image's neighbours: (n, K) int32, nearest first.

    images: (m,) ids of the images whose neighbours are listed, ascending
    lists: (m, K) ids of their neighbours; -1, as in what is returned, where there is none
    """
    place, rows = matched.rows(images, other), matched.rows(lists, other)
    if np.array_equal(place, np.arange(len(matched))):
        return rows
    result = np.full((len(matched), lists.shape[1]), -1, np.int32)
    result[place[place >= 0]] = rows[place >= 0]
    return result


def channel_rows(patches: pa.Table, matched: Match, channels: int, other: bool = False) -> np.ndarray:
    """(channels, 9): rows of the match that excite each channel of one layer most; -1 for the others.

    patches: channel, rank, image_id of the layer.
    """
    place, lists = ranked(patches, "channel", "image_id")
    result = np.full((channels, lists.shape[1]), -1, np.int32)
    result[place] = matched.rows(lists, other)
    return result


def best_partners(lists: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel the one of the other run with most strongest images in common: (channels,) int64 index
    (the first of equals) and float64 share of the channel's own list. Networks trained anew have their
    channels in another order (Li et al. 2016, "Convergent Learning").
    """
    images = np.unique([*lists[lists >= 0], *other[other >= 0]])
    common = _indicator(lists, images) @ _indicator(other, images).T
    best = common.argmax(1)
    own = (lists >= 0).sum(1)
    shared = common[np.arange(len(lists)), best]
    return best, np.divide(shared, own, out=np.full(len(lists), np.nan), where=own > 0)


def same_layers(layers: pa.Table, other: pa.Table) -> dict[str, int]:
    """Channels by name of the layers that have as many in both runs, in the first network's order."""
    named = dict(zip(other["layer"].to_pylist(), other["channels"].to_pylist(), strict=True))
    own = zip(layers["layer"].to_pylist(), layers["channels"].to_pylist(), strict=True)
    return {layer: channels for layer, channels in own if named.get(layer) == channels}


def _occurrences(codes: pa.ChunkedArray) -> np.ndarray:
    """(N, 2): each image's code (-1 for none), and how many of its code came before it."""
    code = codes.fill_null(-1).to_numpy().astype(np.int64)
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    before = np.empty_like(code)
    before[order] = np.arange(len(code)) - np.searchsorted(ordered, ordered, "left")
    return np.stack([code, before], 1)


def _present(keys: np.ndarray) -> np.ndarray:
    return np.flatnonzero(keys[:, 0] >= 0)


def _pairs(*keys: np.ndarray) -> list[np.ndarray]:
    """Code and occurrence as one number, of the images that have a code."""
    base = max(each[:, 1].max(initial=0) for each in keys) + 1
    return [each[_present(each)] @ np.array([base, 1]) for each in keys]


def judged_labels(labels: pa.ChunkedArray, classes: Collection[str] | None) -> pa.ChunkedArray:
    """Return the labels that a network can be right about, null for the others.

    classes: the network's; None where every label may be one.
    """
    if classes is None:
        return labels
    return pc.if_else(pc.is_in(labels, pa.array(sorted(classes), pa.string())), labels, None)


def _kind(pairs: pa.Table, classes: Collection[str] | None) -> pa.ChunkedArray:
    mine, theirs = (pc.equal(pairs[name], pairs["label"]) for name in ("predicted", "other_predicted"))
    same = pc.equal(pairs["predicted"], pairs["other_predicted"])
    otherwise = pc.if_else(pc.is_valid(judged_labels(pairs["label"], classes)), "both wrong", "changed")
    different = pc.if_else(pc.fill_null(theirs, False), "fixed", otherwise)
    different = pc.if_else(pc.fill_null(mine, False), "broken", different)
    return pc.if_else(same, "same", different)


def _closed_up(lists: np.ndarray) -> np.ndarray:
    """Each row without its -1s, which go to its end."""
    if (lists >= 0).all():
        return lists
    order = np.argsort(lists < 0, axis=1, kind="stable")
    return np.take_along_axis(lists, order, 1)


def _indicator(lists: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(rows, images) float32, 1 where a row holds the image."""
    result = np.zeros((len(lists), len(images) + 1), np.float32)
    np.put_along_axis(result, np.where(lists < 0, len(images), np.searchsorted(images, lists)), 1, axis=1)
    return result[:, :-1]
