"""Which points have room for a picture: held against all pairs of them."""

import numpy as np
import pytest

from compute.analysis.thinning import ACROSS, DEEPEST, NEVER, Thinned


def clumped(count: int) -> np.ndarray:
    """Points that are dense near one corner; some lie in one place."""
    points = np.random.default_rng(count).random((count, 2)) ** 3
    points[5:15] = points[4]
    return points


def apart(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The larger of the distances in x and in y, of every point to every other."""
    return np.abs(points[:, None] - others[None]).max(-1)


@pytest.fixture(scope="module", params=[37, 1500])
def thinned(request):
    points = clumped(request.param)
    return points, Thinned.of(points)


def test_pictures_do_not_cover_each_other_and_leave_no_room(thinned):
    points, made = thinned
    for level in range(made.deepest + 1):
        shown, spacing = made.shown(level), 1 / (ACROSS << level)
        distances = apart(points[shown], points[shown])
        np.fill_diagonal(distances, np.inf)
        assert distances.min() >= spacing
        others = np.setdiff1d(np.arange(len(points)), shown)
        assert len(others) == 0 or (apart(points[others], points[shown]).min(1) < spacing).all()


def test_tiles_have_each_picture_of_a_level_once(thinned):
    points, made = thinned
    for level in range(5):
        tiles = {(x, y): made.tile(level, x, y) for x in range(2**level) for y in range(2**level)}
        assert sorted(np.concatenate(list(tiles.values()))) == made.shown(level).tolist()
        for tile, indices in tiles.items():
            assert (np.floor(points[indices] * 2**level) == tile).all()
            assert (np.diff(indices) > 0).all()


def test_of_points_in_one_place_one_is_shown(thinned):
    _, made = thinned
    assert (made.level[4:15] != NEVER).sum() == 1
    assert made.deepest <= DEEPEST


def test_the_same_points_are_thinned_alike():
    np.testing.assert_array_equal(Thinned.of(clumped(200)).level, Thinned.of(clumped(200)).level)


def test_those_that_are_shown_first_are_spread_over_the_order_of_the_points():
    # Images come sorted by class: those of the first class must not have all the room.
    points = np.random.default_rng(0).random((4000, 2))
    first = Thinned.of(points).shown(0)
    assert abs(first.mean() / 4000 - 0.5) < 0.15


@pytest.mark.parametrize("count", [0, 1])
def test_few_points(count):
    made = Thinned.of(np.full((count, 2), 0.5))
    assert made.deepest == 0
    assert len(made.tile(0, 0, 0)) == count


@pytest.mark.parametrize(
    ("asked", "said"), [((13, 0, 0), "level 13"), ((-1, 0, 0), "level -1"), ((1, 2, 0), "tile 2, 0")]
)
def test_a_tile_that_is_not_there(asked, said):
    with pytest.raises(ValueError, match=said):
        Thinned.of(clumped(1500)).tile(*asked)
