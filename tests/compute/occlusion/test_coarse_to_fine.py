"""Maps that are coarse first: every position comes once, and interpolation is exact where it can be."""

import numpy as np
import pytest

from compute.occlusion.coarse_to_fine import Stage, interpolated, new_grids, stage_error, stages


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (13, 13), (5, 40), (1, 90), (7, 7), (193, 180), (4, 9)])
def test_every_position_comes_once_and_the_first_stage_is_small(rows, cols):
    levels, seen = stages(rows, cols), np.zeros((rows, cols), int)
    for stage, grids in zip(levels, new_grids(levels), strict=True):
        for grid in grids:
            seen[np.ix_(*grid)] += 1
        assert (seen[np.ix_(stage.rows, stage.cols)] == 1).all() and seen.sum() == len(stage)
    assert (seen == 1).all()
    if len(levels) > 1:
        assert len(levels[0]) <= min(rows * cols / 8, 256)


def test_planes_are_interpolated_exactly_on_uneven_windows():
    ys, xs = (0, 4, 8, 12, 13), (0, 4, 8, 11)
    plane = np.add.outer(2.0 * np.array(ys), 3.0 * np.array(xs)).astype(np.float32)
    stage = Stage((0, 2, 4), (0, 3))
    assert np.allclose(interpolated(plane, stage, ys, xs), plane)
    everywhere = np.ones(plane.shape, bool)
    assert stage_error(plane, stage, ys, xs, everywhere)["rank correlation"] == pytest.approx(1)


def test_classes_are_taken_from_the_nearest():
    classes = np.array([[3, 9, 9, 9, 7]], np.int32)
    stage = Stage((0,), (0, 4))
    assert interpolated(classes, stage, (0,), (0, 1, 2, 3, 4)).tolist() == [[3, 3, 3, 7, 7]]
    error = stage_error(classes, stage, (0,), (0, 1, 2, 3, 4), np.ones((1, 5), bool))
    assert error == {"wrong share": pytest.approx(0.6)}
