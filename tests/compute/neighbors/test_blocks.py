"""Exact search by blocks against sorting all distances in float64."""

import numpy as np
import pytest
import torch

from compute.analysis.search import METRICS
from compute.neighbors import blocks
from compute.neighbors.blocks import BlockSearch, nearest_pairs


def by_sorting(points, row, metric, k):
    x = points.astype(np.float64)
    if metric == "euclidean":
        distances = np.linalg.norm(x - x[row], axis=1)
    else:
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(x[row])
        distances = 1 - np.divide(x @ x[row], norms, out=np.zeros(len(x)), where=norms > 0)
    others = np.delete(np.arange(len(x)), row)
    order = others[np.argsort(distances[others], kind="stable")][:k]
    return order, distances[order]


def check(points, rows, metric, k):
    found = BlockSearch(points, metric).nearest(rows, k)
    assert found.indices.shape == (len(rows), min(k, len(points) - 1))
    for place, row in enumerate(rows):
        expected, distances = by_sorting(points, row, metric, k)
        assert found.indices[place].tolist() == expected.tolist()
        assert found.distances[place] == pytest.approx(distances, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("number, k", [(2, 1), (7, 20), (60, 59), (300, 20), (1003, 3), (1003, 90)])
def test_equals_sorting(metric, number, k):
    random = np.random.default_rng(number)
    points = random.standard_normal((number, 33)).astype(np.float32) + 2
    check(points, np.sort(random.choice(number, min(number, 40), replace=False)), metric, k)


@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_a_block_has_no_say(metric, monkeypatch):
    points = np.random.default_rng(1).random((700, 20), np.float32)
    whole = BlockSearch(points, metric).nearest(np.arange(700), 30)
    monkeypatch.setattr(blocks, "SCORE_BYTES", {"cpu": 3 * 4 * 700})
    monkeypatch.setattr(blocks, "PAIR_BYTES", 1000)
    parts = BlockSearch(points, metric).nearest(np.arange(700), 30)
    assert np.array_equal(whole.indices, parts.indices) and np.array_equal(whole.distances, parts.distances)


def test_small_differences_between_large_points_are_kept():
    """float32 scores can't tell these apart; the second look in float64 must."""
    points = np.full((4000, 3), 1000, np.float32)
    points[:, 0] += np.random.default_rng(0).permutation(4000) / 1024
    check(points, np.array([0, 17, 3999]), "euclidean", 9)


def test_directions_that_are_nearly_one():
    points = np.ones((4000, 64), np.float32)
    points[:, 0] += np.random.default_rng(0).permutation(4000).astype(np.float32) / 4000
    check(points, np.array([0, 17, 3999]), "cosine", 9)


def test_a_zero_point_is_at_distance_one_from_everything():
    points = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    points[7] = 0
    found = BlockSearch(points, "cosine").nearest(np.array([7]), 4)
    assert found.indices.tolist() == [[0, 1, 2, 3]] and found.distances.tolist() == [[1, 1, 1, 1]]


def test_points_that_are_alone():
    found = BlockSearch(np.ones((1, 3), np.float32), "cosine").nearest(np.array([0]), 5)
    assert found.indices.shape == found.distances.shape == (1, 0)


def test_a_mapped_file_is_searched_where_it_lies(tmp_path):
    points = np.random.default_rng(0).random((90, 5), np.float32)
    np.save(tmp_path / "points.npy", points)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="c")
    search = BlockSearch(mapped, "cosine")
    assert search.points.data_ptr() == mapped.ctypes.data
    expected = BlockSearch(points, "cosine").nearest(np.arange(90), 4)
    assert np.array_equal(search.nearest(np.arange(90), 4).indices, expected.indices)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("metric", METRICS)
def test_a_gpu_finds_the_same(metric):
    points = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    expected = BlockSearch(points, metric).nearest(np.arange(5000), 20)
    found = BlockSearch(points, metric, torch.device("cuda")).nearest(np.arange(5000), 20)
    assert (found.indices == expected.indices).mean() > 0.9999
    assert found.distances == pytest.approx(expected.distances, abs=1e-6)


def test_fewer_pairs_than_wanted():
    none = np.array([], np.int64)
    assert nearest_pairs(2, 2, none, none, none.astype(np.float32)).indices.tolist() == [[-1, -1], [-1, -1]]
    found = nearest_pairs(
        2, 2, np.array([1, 1, 1]), np.array([4, 2, 3]), np.array([0.5, 0.5, 0.1], np.float32)
    )
    assert found.indices.tolist() == [[-1, -1], [3, 2]]
    assert found.distances[0].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize(
    "points, metric, what",
    [(np.ones((3, 2), np.float32), "manhattan", "manhattan"), (np.ones((3, 2)), "cosine", "float32")],
)
def test_wrong_input(points, metric, what):
    with pytest.raises(ValueError, match=what):
        BlockSearch(points, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_points_that_are_all_alike_cost_no_more(metric, monkeypatch):
    """Faint structure on a common background, as in micrographs: few may look like neighbours of all."""
    random = np.random.default_rng(0)
    points = 0.5 + 0.01 * random.standard_normal((2000, 3072)).astype(np.float32)
    measured = []
    whole = BlockSearch.distances
    monkeypatch.setattr(
        BlockSearch, "distances", lambda self, a, b: measured.append(len(a)) or whole(self, a, b)
    )
    check(points, np.array([0, 7, 1999]), metric, 9)
    assert sum(measured) < 3 * 200


@pytest.mark.parametrize("metric", METRICS)
def test_many_candidates_are_looked_at_some_at_a_time(metric, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_PAIRS", 700)
    points = np.random.default_rng(1).random((300, 4), np.float32)
    check(points, np.arange(0, 300, 7), metric, 20)


def crowd(kind: str, number: int = 2600) -> np.ndarray:
    """Points of which thousands are nearly, or exactly, as near as each other."""
    random = np.random.default_rng(3)
    base = random.random(40).astype(np.float32) + 1
    faint = (base * (1 + 1e-6 * random.standard_normal((number, 40)))).astype(np.float32)
    if kind == "one cluster and one far off":
        faint[5] = -base
    elif kind == "two clusters":
        faint[::2] = faint[::2, ::-1]
    elif kind == "all at one distance":
        return np.eye(number, dtype=np.float32)
    elif kind == "zeros among them":
        faint[7] = 0
    return faint


KINDS = ("one cluster", "one cluster and one far off", "two clusters", "all at one distance")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", [*KINDS, "zeros among them"])
def test_a_crowd_of_nearly_equal_points_costs_no_more(kind, metric, monkeypatch):
    points, measured = crowd(kind), []
    whole = BlockSearch.distances
    monkeypatch.setattr(
        BlockSearch, "distances", lambda self, a, b: measured.append(len(a)) or whole(self, a, b)
    )
    rows = np.array([0, 1, 7, 1300, 2599])
    found = BlockSearch(points, metric).nearest(rows, 9)
    assert sum(measured) <= len(rows) * 4 * 9 + 9 * len(rows)
    for place, row in enumerate(rows):
        _, distances = by_sorting(points, row, metric, 9)
        assert found.distances[place] == pytest.approx(distances, rel=1e-4, abs=2e-15)
        assert row not in found.indices[place] and len(set(found.indices[place])) == 9


def test_among_equally_near_points_the_smallest_indices_count():
    found = BlockSearch(crowd("all at one distance"), "cosine").nearest(np.array([0, 2, 2599]), 4)
    assert found.indices.tolist() == [[1, 2, 3, 4], [0, 1, 3, 4], [0, 1, 2, 3]]
