"""What the clusters of a map are called: the most frequent label, else prediction, and its share."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from compute.reports.maps.clusters import _names, clusters_report, named_clusters
from featurestore.reader import Store
from tests.support.stores.served import served_store

CLUSTER = np.array([0, 0, 0, 1, 1, 1, -1, 2])


def names(label, predicted, lists=False, classes=()):
    images = pa.table({"label": pa.array(label, pa.string()), "predicted": pa.array(predicted, pa.string())})
    manifest = SimpleNamespace(labels_are_lists=lists)
    run = SimpleNamespace(table=lambda name, columns: images, manifest=manifest, class_names=classes)
    return _names(run, np.arange(len(images)), CLUSTER[: len(images)], 3)


def test_the_most_frequent_label_of_those_that_have_one():
    label = ["cat", None, "cat", "dog", "ant", None, "cat", None]
    assert names(label, ["cow"] * 8) == ("label", ["cat", "ant", None], [1.0, 0.5, None])


def test_predictions_where_no_image_has_a_label():
    predicted = ["cat", "cat", "dog", "dog", "dog", "dog", "cat", "ant"]
    column, named, shares = names([None] * 8, predicted)
    assert (column, named) == ("predicted", ["cat", "dog", "ant"])
    assert shares == pytest.approx([2 / 3, 1, 1])


def test_neither_labels_nor_predictions():
    assert names([None] * 8, [None] * 8) == ("predicted", [None] * 3, [None] * 3)


def test_of_labels_that_are_lists_each_counts():
    label = ["cat|dog", "dog", "dog|ant", "ant", "ant|cat", "cat", None, None]
    column, named, shares = names(label, [None] * 8, lists=True, classes=("cat", "dog", "ant"))
    assert (column, named) == ("label", ["dog", "ant", None])
    assert shares[:2] == pytest.approx([1, 2 / 3])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_rows_are_the_clusters_of_the_map(method):
    run = Store(served_store()).open()
    report, found = clusters_report(run, method), named_clusters(run, method)
    rows, labels = report.tabulate().to_pylist(), run.table("images", ["label"])["label"].to_pylist()
    assert report.numbers["clusters"] == len(rows) > 0
    assert sum(row["images"] for row in rows) + report.numbers["in no cluster"] == run.image_count
    for row in rows:
        members = [labels[image] for image in found.members(row["cluster"])]
        assert len(members) == row["images"]
        assert members.count(row["name"]) / len(members) == row["share"]
        assert members.count(row["name"]) == max(members.count(each) for each in set(members))
    assert [row["images"] for row in rows] == sorted((row["images"] for row in rows), reverse=True)
    with pytest.raises(ValueError, match=f"no cluster {len(rows)}; there are {len(rows)}"):
        found.members(len(rows))
