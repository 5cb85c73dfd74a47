"""Comparisons of two runs, against slow reference code and identities."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial import procrustes as scipy_procrustes
from scipy.stats import binomtest

from compute.analysis.comparison import (
    Match,
    accuracies,
    best_partners,
    channel_rows,
    compare_predictions,
    match,
    mcnemar,
    neighbor_rows,
    overlap,
    ranked,
    same_layers,
    whole_lists,
)
from compute.analysis.similarity import chance_cka, linear_cka, procrustes, spread_sample

RANDOM = np.random.default_rng(0)


def hashes(text):
    return pa.chunked_array([pa.array([None if each == "." else each for each in text], pa.string())])


def pairs(matched):
    return list(zip(matched.ids.tolist(), matched.other_ids.tolist(), strict=True))


def slow_match(one, other):
    """By definition: the k-th occurrence goes with the k-th."""
    free = list(enumerate(other))
    found = []
    for index, each in enumerate(one):
        partner = next((pair for pair in free if pair[1] == each and each != "."), None)
        if partner is not None:
            free.remove(partner)
            found.append((index, partner[0]))
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abcd", "abcd"),
        ("abcd", "dcba"),
        ("abc", "xyz"),
        ("aab", "aba"),
        ("aaa", "ba"),
        ("a.b.", "..ba"),
        ("", "ab"),
        ("", ""),
    ],
)
def test_images_are_matched_by_their_bytes(one, other):
    found = match(hashes(one), hashes(other))
    assert pairs(found) == slow_match(one, other)
    assert (found.only, found.other_only) == (len(one) - len(found), len(other) - len(found))


def test_random_sets_are_matched_as_by_definition():
    for _ in range(30):
        one, other = ("".join(RANDOM.choice(list("abcdefgh."), RANDOM.integers(1, 20))) for _ in "12")
        assert pairs(match(hashes(one), hashes(other))) == slow_match(one, other)


def test_rows_of_a_match():
    matched = Match(np.array([1, 4, 6]), np.array([2, 0, 9]), 5, 7)
    assert matched.rows(np.array([[6, 1], [0, 99]])).tolist() == [[2, 0], [-1, -1]]
    assert matched.rows(np.array([9, 0, 2, 1, -1]), other=True).tolist() == [2, 1, 0, -1, -1]
    # An image that a damaged table makes up takes no memory.
    assert matched.rows(np.array([2**62, 4])).tolist() == [-1, 1]
    assert matched.rows(6) == 2 and all_of(3).rows(2) == 2


def images(labels, predicted):
    return pa.table(
        {
            "image_id": pa.array(range(len(labels)), pa.int64()),
            "label": pa.array(labels, pa.string()),
            "predicted": pa.array(predicted, pa.string()),
            "probability": pa.array(np.linspace(0.1, 0.9, len(labels)), pa.float32()),
        }
    )


def all_of(count):
    return Match(np.arange(count), np.arange(count), 0, 0)


def test_predictions_are_of_these_kinds():
    labels = ["a", "a", "a", "a", None, None, "a", "b"]
    mine = ["a", "b", "a", "b", "a", "a", None, "c"]
    theirs = ["a", "a", "b", "c", "a", "b", "a", "c"]
    table = compare_predictions(images(labels, mine), images(labels, theirs), all_of(8))
    assert table["kind"].to_pylist() == ["same", "fixed", "broken", "both wrong", "same", "changed", "same"]
    assert table["image_id"].to_pylist() == [0, 1, 2, 3, 4, 5, 7]
    scores = accuracies(table)
    assert (scores.count, scores.mine, scores.theirs) == (5, 2 / 5, 2 / 5)
    assert (scores.broken, scores.fixed, scores.p) == (1, 1, 1.0)


def test_predictions_of_images_in_another_order():
    order = np.array([2, 0, 1])
    mine = images(["a", "b", "c"], ["a", "x", "c"])
    theirs = images([["a", "b", "c"][i] for i in order], [["a", "b", "x"][i] for i in order])
    table = compare_predictions(mine, theirs, match(hashes("pqr"), hashes("rpq")))
    assert table["other_id"].to_pylist() == [1, 2, 0]
    assert table["kind"].to_pylist() == ["same", "fixed", "broken"]


def test_labels_that_two_runs_give_differently_do_not_count():
    table = compare_predictions(
        images(["a", None, "b"], ["a"] * 3), images(["b", "a", "b"], ["b"] * 3), all_of(3)
    )
    assert table["label"].to_pylist() == [None, "a", "b"]
    assert table["kind"].to_pylist() == ["changed", "broken", "fixed"]


def test_a_label_that_no_network_knows_is_neither_right_nor_wrong():
    labels, mine, theirs = ["a", "b", "moon", "moon"], ["a", "a", "a", "a"], ["a", "b", "b", "a"]
    table = compare_predictions(images(labels, mine), images(labels, theirs), all_of(4), ("a", "b"))
    assert table["kind"].to_pylist() == ["same", "fixed", "changed", "same"]
    assert table["label"].to_pylist() == labels
    scores = accuracies(table, ("a", "b"))
    assert (scores.count, scores.mine, scores.theirs, scores.fixed) == (2, 1 / 2, 1, 1)


def test_no_labels_make_no_accuracy():
    table = compare_predictions(images([None], ["a"]), images([None], ["b"]), all_of(1))
    scores = accuracies(table)
    assert (scores.count, scores.mine, scores.theirs, scores.p) == (0, None, None, 1.0)


@pytest.mark.parametrize(
    ("b", "c"), [(0, 0), (0, 1), (3, 3), (0, 9), (7, 2), (40, 61), (500, 620), (3000, 2500)]
)
def test_mcnemar_is_the_exact_sign_test(b, c):
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(b, c) == mcnemar(c, b)


def test_mcnemar_of_negative_counts_is_refused():
    with pytest.raises(ValueError, match="-1"):
        mcnemar(-1, 3)


def slow_overlap(one, other, k):
    one, other = ([each for each in row if each >= 0] for row in (one, other))
    k = min(k, len(one), len(other))
    return (len(set(one[:k]) & set(other[:k])) / k if k else float("nan")), k


def random_lists(rows, width):
    lists = np.stack([RANDOM.permutation(30)[:width] for _ in range(rows)])
    return np.where(RANDOM.random(lists.shape) < 0.3, -1, lists)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_overlap_is_that_of_sets(k):
    one, other = random_lists(50, 8), random_lists(50, 6)
    found = overlap(one, other, k)
    expected = [slow_overlap(*rows, k) for rows in zip(one.tolist(), other.tolist(), strict=True)]
    np.testing.assert_allclose(found.share, [share for share, _ in expected])
    assert found.k.tolist() == [each for _, each in expected]


def test_overlap_with_itself_is_whole_and_without_images_is_none():
    lists = random_lists(20, 8)
    lists[3] = -1
    found = overlap(lists, lists, 5)
    assert found.mean == 1 and np.isnan(found.share[3]) and found.k[3] == 0
    nothing = overlap(lists[3:4], lists[3:4], 5)
    assert nothing.mean is None and nothing.chance(10) is None
    with pytest.raises(ValueError, match="at least 1"):
        overlap(lists, lists, 0)


def test_chance_is_what_random_lists_share():
    one, other = (np.stack([RANDOM.permutation(40)[:10] for _ in range(4000)]) for _ in "12")
    found = overlap(one, other, 10)
    assert found.chance(40) == 10 / 40
    assert found.mean == pytest.approx(10 / 40, abs=0.01)


def neighbors(lists):
    rows = [(i, rank, j) for i, row in enumerate(lists) for rank, j in enumerate(row)]
    table = pa.table(
        dict(zip(("image_id", "rank", "neighbor_id"), map(list, zip(*rows, strict=True)), strict=True))
    )
    return ranked(table, "image_id", "neighbor_id")


def test_neighbours_are_the_same_in_a_permuted_run():
    lists = np.stack([np.delete(RANDOM.permutation(25), np.arange(5)) for _ in range(25)])[:, :6]
    new_id = RANDOM.permutation(25)
    permuted = np.empty_like(lists)
    permuted[new_id] = new_id[lists]
    names = np.array([f"{i:x}" for i in range(25)])
    renamed = np.empty_like(names)
    renamed[new_id] = names
    matched = match(pa.chunked_array([names]), pa.chunked_array([renamed]))
    lists_again = neighbor_rows(*neighbors(permuted), matched, other=True)
    found = overlap(neighbor_rows(*neighbors(lists), matched), lists_again, 6)
    assert found.mean == 1 and (found.k == 6).all()


def test_only_neighbours_that_both_runs_could_have_count():
    mine = neighbors([[1, 2, 3], [0, 2, 3], [3, 1, 0], [0, 1, 2]])
    theirs = neighbors([[1, 2], [2, 0], [1, 0]])
    matched = match(hashes("abcd"), hashes("acd"))
    found = overlap(neighbor_rows(*mine, matched), neighbor_rows(*theirs, matched, other=True), 1)
    # Rows a, c, d: without b, the nearest are c, d, a in the first run and c, d, c in the other.
    assert found.share.tolist() == [1, 1, 0] and found.k.tolist() == [1, 1, 1]


def test_the_same_images_in_the_same_order_are_matched_as_any_others():
    """The way round the pairing, and round the look-up of rows, changes nothing."""
    names = hashes("aab.ca")
    one, other = match(names, names), match(names, hashes("aab.c" + "x"))
    assert pairs(one) == slow_match("aab.ca", "aab.ca") and (one.only, one.other_only) == (1, 1)
    assert not one.is_identity and not other.is_identity
    lists = np.array([[1, 2, -1], [5, 4, 3]])
    same, known = match(hashes("abcdef"), hashes("abcdef")), np.append(np.arange(6), -1)
    assert same.is_identity and same.rows(lists).tolist() == known[lists].tolist()


def test_lists_that_are_not_whole_are_found_by_their_owners():
    table = {"image_id": [0, 0, 2, 2], "rank": [0, 1, 0, 1], "neighbor_id": [2, 1, 1, 0]}
    whole = whole_lists(np.array(table["rank"]), np.array(table["neighbor_id"]))
    assert whole.tolist() == [[2, 1], [1, 0]]
    for rank in ([0, 1, 0, 2], [0, 1, 2, 0], [0, 0, 0, 1], [0, 1, 0], []):
        assert whole_lists(np.array(rank, np.int32), np.arange(len(rank))) is None
    short = neighbors([[1, 2], [0], [1, 0]])
    assert short[0].tolist() == [0, 1, 2] and short[1].tolist() == [[1, 2], [0, -1], [1, 0]]


def patches(lists):
    rows = [(c, rank, i) for c, row in enumerate(lists) for rank, i in enumerate(row)]
    return pa.table(
        dict(zip(("channel", "rank", "image_id"), map(list, zip(*rows, strict=True)), strict=True))
    )


def test_no_list_is_as_long_as_a_table_makes_up():
    ranks = pa.table({"image_id": [0, 0], "rank": [0, 2**30], "neighbor_id": [1, 2]})
    with pytest.raises(ValueError, match="a rank of 1,073,741,824, and lists have at most 1,000"):
        ranked(ranks, "image_id", "neighbor_id")


def test_best_partners_undo_a_permutation_of_channels():
    lists = np.stack([RANDOM.permutation(60)[:9] for _ in range(7)])
    order = RANDOM.permutation(7)
    matched = all_of(60)
    mine, theirs = (
        channel_rows(patches(lists), matched, 7),
        channel_rows(patches(lists[order]), matched, 7, True),
    )
    partner, share = best_partners(mine, theirs)
    assert order[partner].tolist() == list(range(7)) and (share == 1).all()
    assert overlap(mine, mine, 9).mean == 1
    expected = np.mean([len(set(a) & set(b)) / 9 for a, b in zip(lists, lists[order], strict=True)])
    assert overlap(mine, theirs, 9).mean == pytest.approx(expected)


def test_a_channel_without_images_has_no_partner():
    lists = np.array([[0, 1], [-1, -1]])
    _, share = best_partners(lists, lists)
    assert share[0] == 1 and np.isnan(share[1])


def test_layers_correspond_by_name_and_width():
    one = pa.table({"layer": ["a", "b", "c"], "channels": [1, 2, 3]})
    other = pa.table({"layer": ["c", "b", "d"], "channels": [3, 4, 1]})
    assert same_layers(one, other) == {"c": 3}


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_scaled_and_shifted_map_lies_on_itself(mirrored):
    points = RANDOM.normal(size=(50, 2)) * [3, 1]
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]]) @ np.diag([1, -1 if mirrored else 1])
    found = procrustes(points, 7 * points @ turn + [5, -2])
    assert found.residual == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found.points, points, atol=1e-12)
    assert found.moved.max() < 1e-12


def test_the_residual_is_scipys_and_symmetric():
    one, other = RANDOM.normal(size=(2, 30, 2))
    found = procrustes(one, other)
    assert found.residual == pytest.approx(scipy_procrustes(one, other)[2])
    assert found.residual == pytest.approx(procrustes(other, one).residual)
    # Both maps have spread 1, so that |X - YR|² is 2 - 2 tr Σ.
    assert np.mean(found.moved**2) == pytest.approx(2 - 2 * np.sqrt(1 - found.residual))


def test_a_map_with_nothing_in_common_keeps_its_spread():
    one, other = RANDOM.normal(size=(2, 500, 2)) * [[[1.0]], [[0.01]]]
    found = procrustes(one, other)
    assert found.points.std(0).sum() == pytest.approx(one.std(0).sum(), rel=0.1) and found.residual > 0.9


def test_no_small_change_lies_better():
    one, other = RANDOM.normal(size=(2, 30, 2))
    found = procrustes(one, other)
    least = ((found.points - one) ** 2).sum()
    for _ in range(50):
        angle, shift = RANDOM.normal(0, 0.05, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert ((found.points @ turn + shift - one) ** 2).sum() >= least


def test_maps_that_cannot_be_aligned_are_refused():
    with pytest.raises(ValueError, match="one place"):
        procrustes(np.ones((4, 2)), RANDOM.normal(size=(4, 2)))
    with pytest.raises(ValueError, match="shape"):
        procrustes(np.ones((4, 2)), np.ones((5, 2)))


def slow_cka(x, y):
    """By centred Gram matrices, as HSIC defines it (Kornblith et al. 2019, equation 3)."""
    center = np.eye(len(x)) - 1 / len(x)
    k, m = (center @ (each @ each.T) @ center for each in (x, y))
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


@pytest.mark.parametrize(("n", "d", "e"), [(40, 5, 8), (12, 30, 20), (20, 3, 60)])
def test_cka_is_that_of_gram_matrices(n, d, e):
    x, y = RANDOM.normal(2, 1, (n, d)), RANDOM.normal(-1, 3, (n, e))
    assert linear_cka(x, y) == pytest.approx(slow_cka(x, y))
    assert linear_cka(y, x) == pytest.approx(linear_cka(x, y))


def test_cka_does_not_see_rotation_scale_and_shift():
    x = RANDOM.normal(size=(30, 6)).astype(np.float32)
    turn, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    assert linear_cka(x, x) == pytest.approx(1)
    assert linear_cka(x, 3 * x @ turn + 4) == pytest.approx(1, abs=1e-6)
    assert linear_cka(x, np.ones((30, 2))) is None
    with pytest.raises(ValueError, match="30 and of 29"):
        linear_cka(x, x[:29])


def test_chance_is_well_below_the_features_of_one_network():
    x = RANDOM.normal(size=(500, 6))
    assert chance_cka(x, x) < 0.1 and chance_cka(x, x) == chance_cka(x, x)


def test_a_sample_is_spread_evenly():
    assert spread_sample(4, 9).tolist() == [0, 1, 2, 3]
    sample = spread_sample(1000, 10)
    assert (sample[0], sample[-1], len(set(sample))) == (0, 999, 10) and np.ptp(np.diff(sample)) <= 1
