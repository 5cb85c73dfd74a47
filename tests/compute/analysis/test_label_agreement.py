"""Votes of neighbours against a count by hand."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from compute.analysis.label_agreement import agreement, agreements, disagreements


def slow_lists(labels, neighbors, count):
    """The same where images have lists of labels."""
    found = []
    for image_id, own in enumerate(labels):
        mine = [row for row in neighbors if row["image_id"] == image_id and row["rank"] < count]
        mine.sort(key=lambda row: row["rank"])
        voters = [(labels[row["neighbor_id"]], row["distance"]) for row in mine]
        voters = [(names, far) for names, far in voters if names]
        votes = Counter(name for names, _ in voters for name in names)
        lacking = [name for names, _ in voters for name in names if name not in (own or ())]
        if not own or not lacking:
            continue
        majority = max(lacking, key=lambda name: votes[name])  # of equal ones the first
        least = min(votes[name] for name in own)
        if votes[majority] <= least:
            continue
        total = len(voters)
        found.append(
            {
                "image_id": image_id,
                "label": "|".join(own),
                "majority": majority,
                "share": 1 - least / total,
                "majority_share": votes[majority] / total,
                "distance": sum(far for _, far in voters) / total,
            }
        )
    return sorted(found, key=lambda row: (-round(row["share"], 12), row["distance"], row["image_id"]))


def slow(labels, neighbors, count):
    """One image after another, by the words of the docstring."""
    found = []
    for image_id, own in enumerate(labels):
        mine = [row for row in neighbors if row["image_id"] == image_id and row["rank"] < count]
        mine.sort(key=lambda row: row["rank"])
        voters = [(labels[row["neighbor_id"]], row["distance"]) for row in mine]
        voters = [(label, far) for label, far in voters if label is not None]
        votes = Counter(label for label, _ in voters)
        if own is None or not voters or votes[own] == max(votes.values()):
            continue
        majority = next(label for label, _ in voters if votes[label] == max(votes.values()))
        total = len(voters)
        found.append(
            {
                "image_id": image_id,
                "label": own,
                "majority": majority,
                "share": 1 - votes[own] / total,
                "majority_share": votes[majority] / total,
                "distance": sum(far for _, far in voters) / total,
            }
        )
    return sorted(found, key=lambda row: (-round(row["share"], 12), row["distance"], row["image_id"]))


def drawn(seed, images=60, ranks=7):
    """Labels with gaps, neighbours with some images that have fewer or none."""
    rng = np.random.default_rng(seed)
    labels = [None if rng.random() < 0.1 else rng.choice(["ant", "bee", "cow"]) for _ in range(images)]
    neighbors = []
    for image_id in range(images):
        others = rng.permutation(np.delete(np.arange(images), image_id))[: rng.choice([0, 3, ranks])]
        far = np.sort(rng.random(len(others)))
        neighbors += [
            {"image_id": image_id, "rank": rank, "neighbor_id": int(other), "distance": float(distance)}
            for rank, (other, distance) in enumerate(zip(others, far, strict=True))
        ]
    return labels, neighbors


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_disagreements_are_those_counted_by_hand(count):
    labels, neighbors = drawn(count)
    found = disagreements(pa.chunked_array([labels]), pa.Table.from_pylist(neighbors), count).to_pylist()
    expected = slow(labels, neighbors, count)
    assert len(expected) > 5
    assert [row["image_id"] for row in found] == [row["image_id"] for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            assert row[name] == (pytest.approx(value) if isinstance(value, float) else value)


def lists_of(labels, seed):
    """Each label with others beside it."""
    rng = np.random.default_rng(seed)
    names = ["ant", "bee", "cow", "dog"]
    return [
        None if label is None else list(dict.fromkeys([label, *rng.choice(names, rng.integers(0, 3))]))
        for label in labels
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_lists_of_labels_are_counted_label_by_label(count):
    labels, neighbors = drawn(count)
    lists, table = lists_of(labels, count), pa.Table.from_pylist(neighbors)
    array = pa.chunked_array([lists[:20], lists[20:]], pa.list_(pa.string()))
    found, expected = disagreements(array, table, count).to_pylist(), slow_lists(lists, neighbors, count)
    assert len(expected) > 5
    assert [row["image_id"] for row in found] == [row["image_id"] for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            assert row[name] == (pytest.approx(value) if isinstance(value, float) else value)
    shares = [
        len(set(lists[row["image_id"]]) & set(lists[row["neighbor_id"]] or ())) / len(lists[row["image_id"]])
        for row in neighbors
        if row["rank"] < count and lists[row["image_id"]]
    ]
    assert agreement(array, table, count) == pytest.approx(np.mean(shares))


def test_lists_of_one_label_count_as_single_labels():
    labels, neighbors = drawn(3)
    table, lists = pa.Table.from_pylist(neighbors), [None if each is None else [each] for each in labels]
    single, several = pa.chunked_array([labels]), pa.chunked_array([lists], pa.list_(pa.string()))
    assert disagreements(single, table, 5) == disagreements(several, table, 5)
    assert np.array_equal(agreements(single, table), agreements(several, table))


def test_one_wrong_label_of_two_is_outvoted():
    lists = [["cat", "dog"], ["cat", "man"], ["cat", "man"], ["dog"]]
    rows = [{"image_id": 0, "rank": rank, "neighbor_id": rank + 1, "distance": 0.5} for rank in range(3)]
    (row,) = disagreements(
        pa.chunked_array([lists], pa.list_(pa.string())), pa.Table.from_pylist(rows), 3
    ).to_pylist()
    assert (row["label"], row["majority"], row["share"], row["majority_share"]) == (
        "cat|dog", "man", pytest.approx(2 / 3), pytest.approx(2 / 3),
    )  # fmt: skip


def test_a_draw_goes_to_the_own_label_then_to_the_nearest():
    labels = pa.chunked_array([["ant", "bee", "ant", "cow", "bee"]])
    rows = [(0, 0, 1), (0, 1, 2), (3, 0, 4), (3, 1, 0), (3, 2, 1), (3, 3, 2)]
    names = ("image_id", "rank", "neighbor_id")
    table = pa.Table.from_pylist([{**dict(zip(names, row, strict=True)), "distance": 0.5} for row in rows])
    found = disagreements(labels, table, 4).to_pylist()
    assert [(row["image_id"], row["majority"], row["share"], row["majority_share"]) for row in found] == [
        (3, "bee", 1.0, 0.5)
    ]


@pytest.mark.parametrize("labels", [["ant", "ant"], [None, None]])
def test_without_neighbors_or_labels_there_are_none(labels):
    ids = {"image_id": pa.int64(), "rank": pa.int32(), "neighbor_id": pa.int64()}
    table = pa.schema(ids | {"distance": pa.float32()}).empty_table()
    assert len(disagreements(pa.chunked_array([labels], pa.string()), table, 5)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_agreements_are_shares_of_the_first_neighbours(seed):
    labels, neighbors = drawn(seed)
    found = agreements(pa.chunked_array([labels]), pa.Table.from_pylist(neighbors))
    for count, share in enumerate(found, 1):
        same = [
            labels[row["image_id"]] == labels[row["neighbor_id"]]
            for row in neighbors
            if row["rank"] < count and labels[row["image_id"]] is not None
        ]
        assert share == pytest.approx(sum(same) / len(same))
        assert agreement(pa.chunked_array([labels]), pa.Table.from_pylist(neighbors), count) == share


def test_agreements_of_no_labels_are_none():
    labels, neighbors = (
        pa.chunked_array([[None, None]], pa.string()),
        pa.Table.from_pylist([{"image_id": 0, "rank": 0, "neighbor_id": 1}]),
    )
    assert len(agreements(labels, neighbors)) == 0 and agreement(labels, neighbors, 3) is None


def test_the_most_suspicious_are_those_of_which_the_network_says_another_label_too():
    labels = pa.chunked_array([["a", "a", "b", "b", "b", "c"]])
    neighbors = pa.table(
        {
            "image_id": [0, 0, 1, 1, 5, 5],
            "rank": [0, 1] * 3,
            "neighbor_id": [2, 3, 2, 4, 3, 4],
            "distance": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        }
    )
    losses = pa.chunked_array([pa.array([0.01, 9.0, 0.0, 0.0, 0.0, None], pa.float32())])
    found = disagreements(labels, neighbors, 2, losses).to_pylist()
    assert [row["image_id"] for row in found] == [5, 1, 0]
    expected = {5: 1.0, 1: 1 - np.exp(-9.0), 0: 1 - np.exp(-0.01)}
    assert all(row["suspicion"] == pytest.approx(expected[row["image_id"]], abs=1e-6) for row in found)
    assert all(row["share"] == 1 for row in found)
