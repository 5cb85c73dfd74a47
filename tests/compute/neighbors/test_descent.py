"""The approximate graph against the exact one."""

import numpy as np
import pytest

from compute.analysis.search import METRICS
from compute.neighbors import descent as module
from compute.neighbors.blocks import BlockSearch
from compute.neighbors.descent import Descent, reduced
from compute.neighbors.graph import Graph
from compute.neighbors.recall import Sample


def clusters(number, width, seed=0):
    random = np.random.default_rng(seed)
    centres = random.standard_normal((30, width))
    points = centres[random.integers(0, 30, number)] + 0.5 * random.standard_normal((number, width))
    points = points.astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [20, 300])
def test_finds_what_is_there_and_says_how_far_it_is(metric, width):
    points = clusters(3000, width)
    search = BlockSearch(points, metric)
    exact = search.nearest(np.arange(3000), 20)
    descent = Descent.among(points, metric, 20, seed=0, threads=1)
    found = descent.measured(descent.round(0, None), search)
    same = found.indices == exact.indices
    assert same.mean() > 0.97
    assert np.array_equal(found.distances[same], exact.distances[same])
    assert Sample.of(search, 0).recall(found) == pytest.approx(
        np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found.indices, exact.indices, strict=True)]),
        abs=0.02,
    )


@pytest.mark.slow
def test_rounds_go_on_from_each_other_and_are_the_same_again():
    points = clusters(2000, 40)

    def rounds():
        descent = Descent.among(points, "cosine", 10, seed=3, threads=2)
        first = descent.round(0, None)
        return first, descent.round(1, first)

    once, again = rounds(), rounds()
    for one, other in zip(once, again, strict=True):
        assert np.array_equal(one.indices, other.indices) and np.array_equal(one.distances, other.distances)
    assert (once[1].distances <= once[0].distances + 1e-6).all()


def test_recall_is_the_share_that_is_found():
    points = np.random.default_rng(0).random((200, 5), np.float32)
    search = BlockSearch(points, "euclidean")
    exact = search.nearest(np.arange(200), 20)
    sample = Sample.of(search, 0)
    assert sample.recall(exact) == 1
    without = Graph(exact.indices.copy(), exact.distances.copy())
    without.indices[:, 15:], without.distances[:, 15:] = -1, np.inf
    assert sample.recall(without) == pytest.approx(0.75)


def test_principal_components_keep_the_distances_that_matter():
    random = np.random.default_rng(0)
    points = random.standard_normal((500, 3)) @ random.standard_normal((3, 40)) + 5
    found = reduced(points.astype(np.float32), 3, seed=0)
    assert found.shape == (500, 3)
    expected = np.linalg.norm(points[:1] - points, axis=1)
    assert np.linalg.norm(found[:1] - found, axis=1) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_few_values_stay_as_they_are():
    points = np.random.default_rng(0).random((9, 4), np.float32)
    assert reduced(points, module.WIDTH, 0) is points
