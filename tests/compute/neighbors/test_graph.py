"""Equal points are searched for once, and every one of them gets the neighbours that it would have alone."""

import numpy as np
import pytest
import torch

from compute.analysis.search import METRICS, ExactSearch
from compute.neighbors.blocks import BlockSearch
from compute.neighbors.graph import Distinct


def spread(points, digests, metric, labels, k):
    distinct = Distinct.of([points[:5], points[5:]], digests)
    search = BlockSearch(points[distinct.first], metric)
    every = np.arange(len(distinct.first))
    own = search.distances(torch.from_numpy(every), torch.from_numpy(every)).numpy()
    return distinct.spread(search.nearest(every, k), own, labels, k)


def brute_force(points, metric, labels, k):
    excluded = [np.flatnonzero(labels == label) for label in labels]
    return ExactSearch(points, metric).search(points, k, excluded)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 4, 30, 100])
@pytest.mark.parametrize("seed", range(4))
def test_equals_a_search_of_every_point(metric, k, seed):
    random = np.random.default_rng(seed)
    values = random.standard_normal((12, 6)).astype(np.float32)
    values[3] = 0
    which = random.integers(0, 12, 60)
    points = values[which]
    digests = np.array([f"{value}-{random.integers(0, 3)}" for value in which])
    for labels in (np.arange(60), digests):
        found = spread(points, digests, metric, labels, k)
        indices, distances = brute_force(points, metric, labels, min(k, 59))
        assert np.array_equal(found.indices, indices)
        assert found.distances == pytest.approx(distances, abs=1e-6)


def test_copies_of_a_file_are_equal_whatever_the_network_rounded():
    points = np.array([[1, 0], [1, 1e-7], [0, 1], [0.5, 0.5]], np.float32)
    distinct = Distinct.of([points], np.array(["a", "a", "b", "c"]))
    assert distinct.first.tolist() == [0, 2, 3] and distinct.group.tolist() == [0, 0, 1, 2]


def test_zeros_of_both_signs_are_equal():
    points = np.array([[0.0, 1], [-0.0, 1]], np.float32)
    assert Distinct.of([points], np.array(["a", "b"])).group.tolist() == [0, 0]


def test_all_are_copies_of_one():
    found = spread(np.ones((9, 3), np.float32), np.array(["same"] * 9), "cosine", np.array(["same"] * 9), 4)
    assert (found.indices == -1).all() and np.isinf(found.distances).all()


@pytest.mark.slow
def test_many_equal_images_cost_little():
    """Quadratic work on these would take minutes."""
    points = np.repeat(np.eye(2, 4, dtype=np.float32), 50_000, 0)
    found = spread(points, np.arange(100_000).astype(str), "cosine", np.arange(100_000), 20)
    assert found.indices[0].tolist() == list(range(1, 21)) and (found.distances == 0).all()
    assert found.indices[60_000].tolist() == list(range(50_000, 50_020))
