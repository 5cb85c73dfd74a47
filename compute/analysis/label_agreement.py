"""How often neighbours have the same label: counted from a table of labels and one of neighbours.

Images whose neighbours vote for another label are those that the edited nearest neighbour rule takes out
(D. L. Wilson, "Asymptotic Properties of Nearest Neighbor Rules Using Edited Data", IEEE Transactions on
Systems, Man, and Cybernetics 2(3), 1972); here they are candidates for a wrong label, to be looked at.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def agreements(labels: pa.ChunkedArray, neighbors: pa.Table) -> np.ndarray:
    """Share of the first 1, 2, … neighbours of all images in `neighbors` that have the image's own label.

    labels: by image_id, null where there is none; such images don't count. (most ranks,) float64, empty where
    no image counts.
    """
    codes = _codes(labels)
    own, other = (codes[neighbors[name].to_numpy()] for name in ("image_id", "neighbor_id"))
    labelled = own >= 0
    ranks, same = neighbors["rank"].to_numpy()[labelled], (own == other)[labelled]
    return np.cumsum(np.bincount(ranks, same)) / np.cumsum(np.bincount(ranks))


def agreement(labels: pa.ChunkedArray, neighbors: pa.Table, count: int) -> float | None:
    """The share among the first `count`, see `agreements`; None where no image counts."""
    shares = agreements(labels, neighbors)
    return float(shares[min(count, len(shares)) - 1]) if len(shares) else None


def disagreements(
    labels: pa.ChunkedArray, neighbors: pa.Table, count: int, losses: pa.ChunkedArray | None = None
) -> pa.Table:
    """Images whose first `count` neighbours vote for another label than the image's own.

    labels: by image_id, null where there is none; such images are neither candidates nor voters. neighbors:
    columns image_id, rank, neighbor_id, distance of one space. A vote that is a draw goes to the image's own
    label, else to the one of the nearest neighbour. losses: by image_id, -log of the probability that the
    network gives the image's own label, null where it doesn't know it; None where nothing is predicted.

    Returns image_id, label, majority (the label voted for), share (of the voters that carry another label
    than the image), majority_share (of the voters that carry `majority`), distance (mean distance of the
    voters), suspicion; the greatest suspicion first, then the least distance, then the smaller image_id.

    suspicion = share * (1 - exp(-loss)): both the neighbours and the network say another label. Where the
    loss is null, the share alone.
    """
    codes = _codes(labels)
    voters, distances = _by_rank(codes, neighbors, count)
    votes = np.zeros(voters.shape, np.int64)
    for rank, label in enumerate(voters.T):
        votes[:, rank] = np.where(label >= 0, (voters == label[:, None]).sum(1), 0)
    own = (voters == codes[:, None]).sum(1)
    found = np.flatnonzero((codes >= 0) & (votes.max(1) > own))
    total = (voters[found] >= 0).sum(1)
    share = 1 - own[found] / total
    first = votes[found].argmax(1)
    names = pc.unique(labels.drop_null())
    table = pa.table(
        {
            "image_id": found,
            "label": names.take(codes[found]),
            "majority": names.take(voters[found, first]),
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
    """Label numbers and distances (N, ranks) of the first neighbours; -1 and NaN where there is none."""
    first = neighbors.filter(pc.less(neighbors["rank"], count))
    image_id, rank, neighbor_id = (first[name].to_numpy() for name in ("image_id", "rank", "neighbor_id"))
    shape = len(codes), int(rank.max(initial=0)) + 1
    voters, distances = np.full(shape, -1, codes.dtype), np.full(shape, np.nan)
    voters[image_id, rank] = codes[neighbor_id]
    distances[image_id, rank] = first["distance"].to_numpy()
    distances[voters < 0] = np.nan
    return voters, distances


def _codes(labels: pa.ChunkedArray) -> np.ndarray:
    """A number a label; -1 for none."""
    return pc.index_in(labels, pc.unique(labels.drop_null())).fill_null(-1).to_numpy()
