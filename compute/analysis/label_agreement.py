"""How often neighbours have the same label: counted from a table of labels and one of neighbours.

Images whose neighbours vote for another label are those that the edited nearest neighbour rule takes out
(D. L. Wilson, "Asymptotic Properties of Nearest Neighbor Rules Using Edited Data", IEEE Transactions on
Systems, Man, and Cybernetics 2(3), 1972); here they are candidates for a wrong label, to be looked at.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SEPARATOR = "|"
"""Between the labels of an image that has several."""


def shared(own: Sequence[str], others: Sequence[str]) -> float:
    """Return the share of an image's own labels, at least one, that a neighbour has as well."""
    return sum(name in others for name in own) / len(own)


def agreements(labels: pa.ChunkedArray, neighbors: pa.Table) -> np.ndarray:
    """Share of the first 1, 2, … neighbours of all images in `neighbors` that have the image's own label.

    labels: by image_id, null where there is none; such images don't count. Of lists of labels, each neighbour
    counts with the share of the image's labels that it has, see `shared`. (most ranks,) float64, empty where
    no image counts.
    """
    codes = _codes(labels)
    own, other = (codes[neighbors[name].to_numpy()] for name in ("image_id", "neighbor_id"))
    has = own >= 0
    same = sum(_is_among(own[:, each], other) for each in range(own.shape[1]))
    labelled = has.any(1)
    ranks = neighbors["rank"].to_numpy()[labelled]
    shares = np.asarray(same, np.float64)[labelled] / has.sum(1)[labelled]
    return np.cumsum(np.bincount(ranks, shares)) / np.cumsum(np.bincount(ranks))


def agreement(labels: pa.ChunkedArray, neighbors: pa.Table, count: int) -> float | None:
    """The share among the first `count`, see `agreements`; None where no image counts."""
    shares = agreements(labels, neighbors)
    return float(shares[min(count, len(shares)) - 1]) if len(shares) else None


def disagreements(
    labels: pa.ChunkedArray, neighbors: pa.Table, count: int, losses: pa.ChunkedArray | None = None
) -> pa.Table:
    """Images whose first `count` neighbours vote for another label than the image's own.

    labels: by image_id, null where there is none; such images are neither candidates nor voters. Of lists of
    labels every voter votes for each of its own, and an image is outvoted where a label that it lacks has
    more votes than one that it has.
    neighbors: columns image_id, rank, neighbor_id, distance of one space. A vote that is a draw goes to the
    image's own label, else to the one of the nearest neighbour.
    losses: by image_id, -log of the probability that the network gives the image's own label, null where it
    doesn't know it; None where nothing is predicted, or of lists.

    Returns image_id, label (several with "|" between them), majority (the label voted for), share (of the
    voters that lack the image's label; of several, the one that most of them lack), majority_share (of the
    voters that carry `majority`), distance (mean distance of the voters), suspicion; the greatest suspicion
    first, then the least distance, then the smaller image_id.

    suspicion = share * (1 - exp(-loss)): both the neighbours and the network say another label. Where the
    loss is null, the share alone.
    """
    codes, names = _codes(labels), _names(labels)
    voters, distances = _by_rank(codes, neighbors, count)
    own = np.stack([(voters == each[:, None, None]).sum((1, 2)) for each in codes.T], axis=1)
    least = np.where(codes >= 0, own, voters.shape[1] + 1).min(1, initial=voters.shape[1] + 1)
    ballots = voters.reshape(len(codes), -1)
    votes = np.zeros(ballots.shape, np.int64)
    for place, label in enumerate(ballots.T):
        lacking = (label >= 0) & ~_is_among(label, codes)
        votes[:, place] = np.where(lacking, (ballots == label[:, None]).sum(1), 0)
    found = np.flatnonzero((codes >= 0).any(1) & (votes.max(1, initial=0) > least))
    total = (voters[found] >= 0).any(2).sum(1)
    share = 1 - least[found] / total
    first = votes[found].argmax(1) if len(found) else found
    table = pa.table(
        {
            "image_id": found,
            "label": _joined(labels).take(found),
            "majority": names.take(ballots[found, first]),
            "share": share,
            "majority_share": votes[found, first] / total,
            "distance": np.nansum(distances[found], axis=1) / total,
            "suspicion": share if losses is None else share * _other_labels(losses)[found],
        }
    )
    return table.sort_by([("suspicion", "descending"), ("distance", "ascending"), ("image_id", "ascending")])


def _other_labels(losses: pa.ChunkedArray) -> np.ndarray:
    """Return the probability (N,) that the network gives to all labels but the image's own; 1 for null."""
    loss = losses.fill_null(np.inf).to_numpy().astype(np.float64)
    return -np.expm1(-loss)


def _by_rank(codes: np.ndarray, neighbors: pa.Table, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Label numbers (N, ranks, L) and distances (N, ranks) of the first neighbours; -1 and NaN where there is
    none."""
    first = neighbors.filter(pc.less(neighbors["rank"], count))
    image_id, rank, neighbor_id = (first[name].to_numpy() for name in ("image_id", "rank", "neighbor_id"))
    shape = len(codes), int(rank.max(initial=0)) + 1
    voters, distances = np.full((*shape, codes.shape[1]), -1, codes.dtype), np.full(shape, np.nan)
    voters[image_id, rank] = codes[neighbor_id]
    distances[image_id, rank] = first["distance"].to_numpy()
    distances[(voters < 0).all(2)] = np.nan
    return voters, distances


def _is_among(label: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether a label (N,) is one of the others (N, L); never for -1."""
    return (label >= 0) & (others == label[:, None]).any(1)


def _codes(labels: pa.ChunkedArray) -> np.ndarray:
    """The numbers of each image's labels among `_names`, each once: (N, L), -1 where it has fewer than L."""
    if not pa.types.is_list(labels.type):
        return pc.index_in(labels, _names(labels)).fill_null(-1).to_numpy()[:, None]
    place = {name: number for number, name in enumerate(_names(labels).to_pylist())}
    lists = [list(dict.fromkeys(each or ())) for each in labels.to_pylist()]
    codes = np.full((len(lists), max(map(len, lists), default=0) or 1), -1, np.int32)
    for row, names in enumerate(lists):
        codes[row, : len(names)] = [place[name] for name in names]
    return codes


def _names(labels: pa.ChunkedArray) -> pa.Array:
    """All labels that occur."""
    single = pc.list_flatten(labels) if pa.types.is_list(labels.type) else labels
    return pc.unique(single.drop_null())


def _joined(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join(labels, SEPARATOR) if pa.types.is_list(labels.type) else labels
