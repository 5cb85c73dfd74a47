"""Grids: which image goes into which cell, and how far neighbouring cells are apart."""

import numpy as np
import pytest

from compute.analysis.assignment import assign, cell_centres, total_cost
from compute.pipeline.stages.embeddings import normalised
from compute.pipeline.stages.grid import (
    grid_rows,
    grids_table,
    in_unit_square,
    nearest_cells,
    side_of,
    unique_cells,
)


def scattered(number, seed=0):
    rng = np.random.default_rng(seed)
    return in_unit_square(
        rng.normal(size=(5, 2))[rng.integers(5, size=number)] + rng.normal(size=(number, 2)) / 3
    )


def test_as_many_cells_as_images_or_a_few_more():
    assert [side_of(number) for number in (1, 2, 4, 5, 1700, 2500, 10**6)] == [1, 2, 2, 3, 42, 50, 50]


def test_y_points_upwards_on_a_map_and_rows_downwards():
    points = in_unit_square(np.array([[0, 0], [10, 5], [5, 5]], np.float32))
    assert points.tolist() == [[0, 1], [1, 0], [0.5, 0]]
    assert in_unit_square(np.ones((3, 2))).tolist() == [[0.5, 0.5]] * 3


def test_nearest_cells_are_those_of_brute_force():
    points = np.concatenate([scattered(40), scattered(40)])  # every point twice: ties
    cells = nearest_cells(points, 9)
    distances = ((cell_centres(9)[:, None] - points[None]) ** 2).sum(2)
    assert cells.reshape(-1).tolist() == distances.argmin(1).tolist()


class TestAssignment:
    @pytest.mark.parametrize("exact_cells", [10_000, 0])
    @pytest.mark.parametrize("number, side", [(1, 1), (3, 2), (50, 8), (64, 8)])
    def test_every_point_has_one_cell(self, number, side, exact_cells):
        cells = assign(scattered(number), side, exact_cells)
        assert sorted(cells[cells >= 0].tolist()) == list(range(number)) and cells.shape == (side, side)

    def test_a_regular_grid_stays_as_it_is(self):
        shuffled = np.random.default_rng(0).permutation(49)
        for exact_cells in (10_000, 0):
            assert np.array_equal(
                shuffled[assign(cell_centres(7)[shuffled], 7, exact_cells)].reshape(-1), range(49)
            )

    @pytest.mark.parametrize("number", [900, 840])
    def test_windows_come_close_to_the_optimum(self, number):
        points = scattered(number)
        optimum, found = (total_cost(assign(points, 30, exact), points) for exact in (10_000, 0))
        assert optimum <= found <= 1.12 * optimum

    def test_too_many_points(self):
        with pytest.raises(ValueError, match="5 points don't fit into 2 x 2"):
            assign(scattered(5), 2)

    def test_more_images_than_cells_are_sampled_by_seed(self):
        points = scattered(60)
        first, again, other = (unique_cells(points, 5, seed) for seed in (0, 0, 1))
        assert len(set(first.reshape(-1).tolist())) == 25 and first.min() >= 0
        assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_seams_are_cosine_distances_to_the_right_and_below():
    unit = normalised(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
    rows = grid_rows("pca", "unique", np.array([[0, 1], [2, -1]]), np.array([10, 20, 30]), unit).to_pylist()
    assert [(row["row"], row["col"], row["image_id"]) for row in rows] == [
        (0, 0, 10),
        (0, 1, 20),
        (1, 0, 30),
        (1, 1, None),
    ]
    assert rows[0]["right_distance"] == pytest.approx(1 - unit[0] @ unit[1], abs=1e-6)
    assert rows[0]["down_distance"] == pytest.approx(1 - unit[0] @ unit[2], abs=1e-6)
    assert [rows[1][side] for side in ("right_distance", "down_distance")] == [None, None]
    assert [rows[2][side] for side in ("right_distance", "down_distance")] == [None, None]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_tiny_grids(number):
    coordinates = np.random.default_rng(1).normal(size=(number, 2)).astype(np.float32)
    rows = grids_table("tsne", coordinates, np.arange(number), normalised(coordinates), 0).to_pylist()
    unique = [row["image_id"] for row in rows if row["kind"] == "unique" and row["image_id"] is not None]
    assert sorted(unique) == list(range(number))
