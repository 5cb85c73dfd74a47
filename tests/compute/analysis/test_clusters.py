"""Clusters as hills of density: heaps that are known, chance, and the definition computed slowly."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from compute.analysis import clusters
from compute.analysis.clusters import NOISE, find_clusters, usual_spread


def heaps(*centers: tuple[float, float, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points in squares about centers (x, y, how many), and which heap each is of."""
    random = np.random.default_rng(len(centers))
    points = [np.array([x, y]) + random.uniform(-0.04, 0.04, (count, 2)) for x, y, count in centers]
    return np.concatenate(points), np.repeat(range(len(centers)), [count for _, _, count in centers])


def test_heaps_are_found_the_largest_first():
    points, heap = heaps((0.2, 0.3, 100), (0.7, 0.3, 300), (0.5, 0.8, 200))
    found = find_clusters(points, usual_spread(len(points)))
    np.testing.assert_array_equal(found.of_point, np.array([2, 0, 1])[heap])
    np.testing.assert_allclose(found.tops, [(0.7, 0.3), (0.5, 0.8), (0.2, 0.3)], atol=0.04)


def test_outlines_are_about_their_points_alone():
    points, _ = heaps((0.2, 0.3, 100), (0.7, 0.3, 300), (0.5, 0.8, 200))
    found = find_clusters(points, usual_spread(len(points)))
    for number, rings in enumerate(found.outlines):
        contours = [ring.astype(np.float32) for ring in rings]
        inside = [
            any(cv2.pointPolygonTest(each, point, False) > 0 for each in contours)
            for point in points.tolist()
        ]
        np.testing.assert_array_equal(inside, found.of_point == number)
        assert sum(map(len, rings)) < 60


def test_even_points_are_one_cluster_and_a_valley_makes_two():
    points = np.random.default_rng(3).random((20_000, 2)) * 0.6 + 0.2
    assert len(find_clusters(points, 0.02).tops) == 1
    apart = points[np.abs(points[:, 0] - 0.5) > 0.04]
    assert len(find_clusters(apart, 0.02).tops) == 2


def test_few_points_far_from_others_are_in_none():
    points, _ = heaps((0.3, 0.3, 400))
    points = np.concatenate([points, [(0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]])
    found = find_clusters(points, usual_spread(len(points)))
    assert (found.of_point == NOISE).tolist() == [False] * 400 + [True] * 3
    assert len(found.tops) == len(found.outlines) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_for_a_cluster(count):
    found = find_clusters(np.full((count, 2), 0.5), 0.01)
    assert (len(found.tops), found.outlines, (found.of_point == NOISE).all()) == (0, (), True)


def test_points_in_one_place_are_a_cluster():
    found = find_clusters(np.full((50, 2), 0.5), 0.01)
    assert (found.of_point == 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_hills_are_those_that_stand_out_above_their_pass(seed, monkeypatch):
    """Of each local maximum, the highest level at which it is joined to a higher one, by trying all."""
    side, spread = 24, 0.06
    monkeypatch.setattr(clusters, "SIDE", side)
    random = np.random.default_rng(seed)
    heaped = np.kron(random.choice([0.0, 0.0, 9.0], (6, 6)), np.ones((4, 4)))
    counts = random.poisson(heaped).astype(float)
    density = cv2.GaussianBlur(counts, (0, 0), spread * side, borderType=cv2.BORDER_CONSTANT)
    points_each = 4 * np.pi * (spread * side) ** 2
    _, tops = clusters._hills(density, points_each)
    expected = []
    eight = np.ones((3, 3))
    for top in np.flatnonzero(density == ndimage.maximum_filter(density, footprint=eight)):
        height, pass_ = density.flat[top], 0.0
        for level in np.unique(density[density <= height])[::-1]:
            parts, _ = ndimage.label(density >= level, eight)
            if density[parts == parts.flat[top]].max() > height:
                pass_ = level if level * points_each >= 1 else 0.0
                break
        if height * points_each >= 1 and clusters._stands_out(height * points_each, pass_ * points_each):
            expected.append(top)
    assert sorted(tops) == expected
    assert len(expected) > 1
