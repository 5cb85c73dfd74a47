"""Suspicions, against loops over pairs."""

import numpy as np
import pyarrow as pa
import pytest

from compute.analysis.suspicions import (
    COPIES,
    Judged,
    copy_suspicion,
    near_copies,
    other_labels,
    suspected,
)


def column(values):
    return pa.chunked_array([pa.array(values, pa.string())])


def by_loops(pairs, sha256, split, label, most):
    """The nearest copy of each kind, first among equals, pair by pair."""
    values = dict(zip(COPIES, ([str(each) for each in range(len(sha256))], split, label), strict=True))
    found = {kind: [(-1, np.nan)] * len(sha256) for kind in COPIES}
    for kind, value in values.items():
        for own in range(len(sha256)):
            same = [
                (0.0, other)
                for other in range(len(sha256))
                if other != own and sha256[own] is not None and sha256[own] == sha256[other]
            ]
            near = [(far, other) for one, other, far in pairs if one == own and far <= most]
            ranked = [
                (far, other)
                for far, other in sorted(same) + sorted(near)
                if None not in (value[own], value[other]) and value[own] != value[other]
            ]
            if ranked:
                found[kind][own] = ranked[0][1], ranked[0][0]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_near_copies_are_those_of_a_loop_over_pairs(seed):
    random = np.random.default_rng(seed)
    n = 40
    sha256 = [None if random.random() < 0.1 else f"h{random.integers(25)}" for _ in range(n)]
    split = [None if random.random() < 0.2 else random.choice(["train", "test"]) for _ in range(n)]
    label = [None if random.random() < 0.2 else random.choice(["a", "b", "c"]) for _ in range(n)]
    pairs = [
        (own, int(other), float(np.float32(random.random() * 0.1)))
        for own in range(n)
        for other in random.choice([each for each in range(n) if each != own], 5, replace=False)
        if sha256[own] is None or sha256[own] != sha256[other]
    ]
    names = ("image_id", "neighbor_id", "difference")
    table = pa.table(dict(zip(names, map(list, zip(*pairs, strict=True)), strict=True)))
    found = near_copies(table, column(sha256), column(split), column(label), 0.05)
    expected = by_loops(pairs, sha256, split, label, 0.05)
    for kind in COPIES:
        np.testing.assert_array_equal(found.of[kind], [each for each, _ in expected[kind]])
        np.testing.assert_allclose(found.difference[kind], [far for _, far in expected[kind]])


def test_a_set_without_neighbors_has_its_equal_files():
    none = pa.table({"image_id": pa.array([], pa.int64()), "neighbor_id": pa.array([], pa.int64()),
                     "difference": pa.array([], pa.float64())})  # fmt: skip
    found = near_copies(none, column(["x", "y", "x"]), column(["a", "a", "b"]), column([None] * 3), 0.05)
    assert found.of["copy"].tolist() == found.of["leaked"].tolist() == [2, -1, 0]
    assert found.of["relabelled"].tolist() == [-1, -1, -1] and np.isnan(found.difference["relabelled"]).all()


def test_a_thousand_equal_files_take_no_pairs():
    count = 200_000
    none = pa.table({name: pa.array([], pa.int64()) for name in ("image_id", "neighbor_id", "difference")})
    split = column(["train"] * (count - 1) + ["test"])
    found = near_copies(none, column(["x"] * count), split, split, 0.05)
    assert (found.of["leaked"][:-1] == count - 1).all() and found.of["leaked"][-1] == 0


def test_suspicions_are_from_0_to_1():
    np.testing.assert_allclose(copy_suspicion(np.array([0, 0.05, np.nan]), 0.05), [1, 0.5, np.nan])
    np.testing.assert_allclose(other_labels(np.array([0, np.log(4), np.nan])), [0, 0.75, np.nan])


def test_suspects_come_by_their_greatest_suspicion_then_by_how_many_they_have():
    nan = np.nan
    scores = {
        "a": np.array([0.9, 0.4, 0.9, nan, 0.5]),
        "b": np.array([nan, 0.3, 0.6, nan, nan]),
    }
    images, greatest = suspected(scores, 0.5)
    assert images.tolist() == [2, 0, 4]
    np.testing.assert_array_equal(greatest, [0.9, 0.9, 0.5])


def test_precision_has_wilsons_interval():
    judged = Judged(suspects=40, errors=7, ambiguous=1, fine=2)
    assert judged.judged == 10 and judged.precision == 0.7
    low, high = judged.interval
    # The ends of the interval solve |p - p0| = z * sqrt(p0 (1 - p0) / n) (Wilson 1927).
    for end in (low, high):
        assert abs(0.7 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / 10), rel=1e-5)
    assert Judged(3, 0, 0, 0).precision is None and Judged(3, 0, 0, 0).interval is None
