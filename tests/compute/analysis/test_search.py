"""Exact search against sorting all distances in float64."""

import numpy as np
import pytest

from compute.analysis import search
from compute.analysis.search import ExactSearch


def by_sorting(vectors, query, metric, excluded=()):
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        distances = np.linalg.norm(x - q, axis=1)
    else:
        distances = 1 - (x @ q) / (np.linalg.norm(x, axis=1) * np.linalg.norm(q))
    order = np.argsort(distances, kind="stable")
    order = order[~np.isin(order, list(excluded))]
    return order, distances[order]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("block", [1, 1 << 26])
def test_equals_sorting(metric, block, monkeypatch):
    monkeypatch.setattr(search, "BLOCK_BYTES", block)
    random = np.random.default_rng(1)
    vectors = random.standard_normal((500, 40)).astype(np.float32) + 3
    queries = random.standard_normal((7, 40)).astype(np.float32) + 3
    exclude = [random.choice(500, 50, replace=False).tolist() for _ in queries]
    ids, distances = ExactSearch(vectors, metric).search(queries, 12, exclude)
    assert ids.dtype == np.int64 and distances.dtype == np.float32
    for i, query in enumerate(queries):
        expected, values = by_sorting(vectors, query, metric, exclude[i])
        assert ids[i].tolist() == expected[:12].tolist()
        assert distances[i] == pytest.approx(values[:12], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_ties_go_to_the_smaller_id(metric):
    random = np.random.default_rng(2)
    distinct = random.random((10, 513), np.float32)
    which = random.integers(0, 10, 400)
    search = ExactSearch(distinct[which], metric)
    ids, distances = search.search(distinct, 60)
    for row, found in zip(ids, distances, strict=True):
        assert found.tolist() == sorted(found.tolist())
        for value in np.unique(found):
            tied = row[found == value]
            assert tied.tolist() == sorted(tied.tolist())
    for i in range(10):
        copies = np.flatnonzero(which == i)
        assert ids[i, : len(copies)].tolist() == copies[:60].tolist()


def test_small_differences_between_large_vectors_are_kept():
    """The expanded square loses these distances in float32; the exact second look must not."""
    vectors = np.full((64, 3), 1000, np.float32)
    vectors[:, 0] += np.arange(64)[::-1] / 1024
    ids, distances = ExactSearch(vectors, "euclidean").search(vectors[63:], 4)
    assert ids.tolist() == [[63, 62, 61, 60]]
    assert distances[0] * 1024 == pytest.approx([0, 1, 2, 3])


def test_unreadable_rows_and_zero_vectors():
    vectors = np.eye(4, dtype=np.float32)
    vectors[1], vectors[2] = np.nan, 0
    ids, distances = ExactSearch(vectors).search(vectors[0], 4)
    assert ids.tolist() == [[0, 2, 3, -1]] and distances.tolist() == [[0, 1, 1, np.inf]]
    ids, _ = ExactSearch(vectors, "euclidean").search(vectors[3], 4, [{3}])
    assert ids.tolist() == [[2, 0, -1, -1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ExactSearch(x, "manhattan"), "unknown metric 'manhattan'; metrics are cosine, euclidean"),
        (lambda x: ExactSearch(x.astype(np.float64)), "float32"),
        (lambda x: ExactSearch(x).search(x[0, :2], 1), "queries have 2 values, vectors 3"),
        (lambda x: ExactSearch(x).search(x[0], 0), "k must be at least 1"),
        (lambda x: ExactSearch(x).search(x, 1, [()]), "1 exclusion sets for 5 queries"),
        (lambda x: ExactSearch(x).search(x[0] * np.nan, 1), "finite"),
    ],
)
def test_bad_questions(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((5, 3), np.float32))
