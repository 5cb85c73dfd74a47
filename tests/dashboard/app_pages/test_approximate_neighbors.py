"""Pages of a store whose neighbours are approximate say how many of the true ones it has."""

import pytest

from compute.reports.neighbors import approximate_graphs, stored_neighbors_report
from featurestore.reader import Store
from tests.support.page_app import fine, show, words
from tests.support.stores.served import write_served_store

pytestmark = pytest.mark.slow
SAID = "Found approximately: 100.0% of the true 20 nearest, measured on 80 images."


@pytest.fixture(scope="module")
def approximate(tmp_path_factory):
    stages = ("--stages", "activations,neighbors,embeddings", "--limit", "80")
    return write_served_store(
        tmp_path_factory.mktemp("store") / "digits", "--neighbors", "approximate", *stages
    )


@pytest.mark.parametrize(
    "page, query, times", [("neighbors", {}, 2), ("image", {"tab": "neighbors"}, 2), ("map", {}, 1)]
)
def test_pages_say_it(approximate, serve, page, query, times):
    serve(approximate)
    assert words(fine(show(page, {"store": "digits", **query}))).count(SAID) == times


def test_pages_of_exact_neighbors_say_nothing(store, serve):
    serve(store)
    for page in ("neighbors", "map"):
        assert "approximately" not in words(fine(show(page, {"store": "digits"})))


def test_reports_say_it(approximate, store):
    numbers = stored_neighbors_report(Store(approximate).open(), 0).numbers
    assert numbers["approximate"]["pixel"] == {"recall": 1.0, "at": 20, "sample": 80}
    exact = Store(store).open()
    assert approximate_graphs(exact) == {} and "approximate" not in stored_neighbors_report(exact, 0).numbers
