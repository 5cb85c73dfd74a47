"""Pages of networks whose scores are no logits of exclusive classes: independent labels, or no class scores
at all."""

import pytest

from dashboard.views.navigation import PAGES
from featurestore.reader import Store
from tests.support.page_app import fine, settled, show, words
from tests.support.stores.scored import network_file, scored_store

NOTHING = "gives no class scores"


@pytest.fixture
def labels(serve):
    store = scored_store("Labels", 5)
    serve(store, trusted=(str(network_file("Labels")),))
    return Store(store).open()


@pytest.fixture
def pyramid(serve):
    store = scored_store("Pyramid", 0)
    serve(store, trusted=(str(network_file("Pyramid")),))
    return Store(store).open()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_of_a_network_without_classes(page, pyramid):
    app = settled(fine(show(page)))
    assert app.header[0].value == PAGES[page].title and not app.warning


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_of_independent_labels(page, labels):
    app = settled(fine(show(page)))
    assert app.header[0].value == PAGES[page].title and not app.warning


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("image", {}),
        ("image", {"tab": "occlusion"}),
        ("image", {"tab": "saliency", "method": "saliency"}),
        ("mistakes", {}),
        ("map", {"color": "predicted"}),
        ("lab", {"method": "fool", "live": "true"}),
    ],
)
def test_an_honest_line_stands_where_there_are_no_classes(page, query, pyramid):
    assert NOTHING in words(settled(fine(show(page, query))))


@pytest.mark.slow
def test_a_comparison_says_that_there_are_no_predictions(pyramid, serve):
    serve(scored_store("Pyramid", 0), scored_store("Labels", 5))
    for tab in ("summary", "predictions", "neighbors", "channels", "maps"):
        app = settled(
            fine(show("compare", {"store": "Pyramid-store", "other_store": "Labels-store", "tab": tab}))
        )
        if tab in ("summary", "predictions"):
            assert NOTHING in words(app)


@pytest.mark.slow
def test_labels_above_a_half_are_listed(labels):
    row = labels.image(0)
    above = [each["class"] for each in row["top5"] if each["probability"] > 0.5]
    text = words(settled(fine(show("image", {"image": 0}))))
    assert (f"Labels above 50%: {', '.join(above)}" if above else "No label is above 50%") in text
    assert "most probable" in text


@pytest.mark.slow
def test_lists_of_labels_have_no_confusion_matrix(labels):
    assert "no confusion matrix" in words(fine(show("mistakes")))
    fine(show("mistakes", {"tab": "classes"}))
    fine(show("mistakes", {"tab": "neighbors"}))


@pytest.mark.slow
def test_channels_and_neighbours_count_each_label_of_a_list(labels):
    tops = set(labels.table("channels")["top_class"].drop_null().to_pylist())
    assert tops and tops <= set(labels.class_names)
    own = labels.image(0)["label"].split("|")
    nearest = labels.neighbors("feature", 0).slice(0, 6)["neighbor_id"].to_pylist()
    others = [labels.image(image_id)["label"].split("|") for image_id in nearest]
    shares = [sum(name in other for name in own) / len(own) for other in others]
    assert len(own) == 2 and 0 < sum(shares) / 6 < 1
    app = fine(show("neighbors", {"image": 0, "count": 6}))
    assert app.metric[0].value == f"{sum(shares) / 6:.0%}"


@pytest.mark.slow
def test_the_overview_says_what_the_scores_mean(labels):
    app = fine(show("overview"))
    assert any("independent labels" in str(table.value) for table in app.table)
