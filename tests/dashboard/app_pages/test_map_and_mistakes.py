"""Map and Mistakes through AppTest on a real store: searches, selections, cells, votes, classes."""

from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from compute.analysis.label_agreement import disagreements
from compute.reports.mistakes import class_table
from dashboard.data import runs, selections
from dashboard.sections.mistakes import classes
from dashboard.widgets import image_wall
from featurestore.reader import Store
from tests.support.page_app import button, fine, forget, link_table, query_of, said, show, words
from tests.support.stores.served import IMAGES

pytestmark = pytest.mark.slow


@pytest.fixture
def images(copied):
    return Store(copied).open().table("images")


def test_hits_become_a_selection_that_leads_to_its_mistakes(copied, serve, images):
    serve(copied)
    app = fine(show("map", {"store": "digits"}))
    app = fine(app.text_input(key="map.search").set_value("label:5").run())
    count = pc.sum(pc.equal(images["label"], "5")).as_py()
    assert f"{count} of {IMAGES} images found" in words(app) and query_of(app)["search"] == "label:5"
    app = fine(button(app, "Select the hits").click().run())
    assert f"{count} images selected" in words(app) and f"Labels: 5 {count}." in words(app)
    name = query_of(app)["selection"]
    app = fine(show("mistakes", {"store": "digits", "selection": name}))
    assert f"**{count} images selected**" in words(app) and f" of {count} are right" in words(app)
    app = fine(button(app, "All images").click().run())
    assert f" of {IMAGES} are right" in words(app) and "selection" not in query_of(app)


def test_a_search_without_hits_says_how_to_search(copied, serve):
    serve(copied)
    app = fine(show("map", {"store": "digits", "search": "nowhere", "hits_page": 99}))
    assert f"0 of {IMAGES} images found" in words(app) and "No image has nowhere" in words(app)
    app = fine(button(app, "Clear the search").click().run())
    assert "search" not in query_of(app) and "images found" not in words(app)


def test_a_page_past_the_last_is_the_last(copied, serve, monkeypatch):
    monkeypatch.setattr(image_wall, "PER_PAGE", 5)
    serve(copied)
    app = fine(show("map", {"store": "digits", "search": "png", "hits_page": 99}))
    assert app.session_state["map.hits_page"] == -(-IMAGES // 5)


def test_selections_of_images_that_the_run_lacks_are_cut(copied, serve):
    serve(copied)
    run = Store(copied).open()
    name = selections.keep("digits", np.array([7, 3, 10**6, -4, 3]))
    assert selections.read("digits", run, name).tolist() == [3, 7]
    assert selections.keep("digits", np.array([])) == "" and len(selections.read("digits", run, "")) == 0


@pytest.mark.parametrize("color", ["path", "top5", "width", "image_id"])
def test_the_map_has_colours_by_other_columns(color, store, serve):
    serve(store)
    app = fine(show("map", {"store": "digits", "color": color}))
    assert query_of(app)["color"] == color and not app.warning


def test_a_cell_on_the_diagonal_shows_what_is_right(store, serve):
    serve(store)
    images = Store(store).open().table("images")
    right = images.filter(pc.and_(pc.equal(images["label"], "4"), images["correct"]))
    app = fine(show("mistakes", {"store": "digits", "label": "4", "predicted": "4"}))
    assert "4, recognised" in words(app) and f"{len(right)} images, the least sure ones first" in words(app)
    app = fine(show("mistakes", {"store": "digits", "label": "no such"}))
    assert "There is no such image" in words(app)


def test_images_that_neighbours_outvote_are_counted(store, serve):
    serve(store)
    run = Store(store).open()
    found = disagreements(run.table("images")["label"], run.select("neighbors", "feature"), 20)
    app = fine(show("mistakes", {"store": "digits", "tab": "neighbors", "k": 20}))
    assert f"{len(found)} of {IMAGES} images are outvoted" in words(app) and "Wilson 1972" in words(app)


def test_a_run_without_neighbours_says_how_to_find_them(copied, serve):
    forget(copied, "neighbors")
    serve(copied)
    app = fine(show("mistakes", {"store": "digits", "tab": "neighbors"}))
    assert "--stages neighbors" in said(app.info)


CLASSES = "Counts, recall and precision of each class"


def test_classes_are_a_table_of_links_to_their_images(store, serve):
    serve(store)
    counted = class_table(Store(store).open().table("images"), Store(store).open().class_names).to_pylist()
    app = fine(show("mistakes", {"store": "digits", "tab": "classes", "selection": ""}))
    rows = link_table(app, CLASSES)
    assert [cells[:3] for _, cells, _ in rows] == [
        [each["class"], str(each["images"]), str(each["right"])] for each in counted
    ]
    for (address, _, others), each in zip(rows, counted, strict=True):
        for asked, count in (
            (address, each["images"] - each["right"] or each["right"]),
            (others[0], each["right"]),
        ):
            query = dict(parse_qsl(urlsplit(asked).query))
            assert query["store"] == "digits" and query["label"] == each["class"]
            assert f"{count} images, the" in words(fine(show("mistakes", query)))


def test_classes_are_sorted_as_the_address_says_and_turned_by_pages(store, serve, monkeypatch):
    monkeypatch.setattr(classes, "PER_PAGE", 4)
    serve(store)
    counted = class_table(Store(store).open().table("images"), Store(store).open().class_names).to_pylist()
    expected = sorted(counted, key=lambda each: -each["loss"])
    app = fine(show("mistakes", {"store": "digits", "tab": "classes", "sort": "-loss", "classes_page": 2}))
    assert [cells[0] for _, cells, _ in link_table(app, CLASSES)] == [each["class"] for each in expected[4:8]]
    assert query_of(app)["sort"] == "-loss"


def test_classes_without_a_value_come_last_in_either_order():
    table = pa.table({"class": ["b", "a", "c", "d"], "recall": [0.5, None, 0.9, 0.5]})
    assert classes.ordered(table, "recall")["class"].to_pylist() == ["b", "d", "c", "a"]
    assert classes.ordered(table, "-recall")["class"].to_pylist() == ["c", "b", "d", "a"]
    assert classes.ordered(table, "") == table


def test_images_without_labels_have_no_mistakes(store, serve, monkeypatch):
    whole = runs.table

    def unlabelled(run, name, columns=None):
        table = whole(run, name, columns)
        index = table.schema.get_field_index("label")
        return table.set_column(index, "label", pa.nulls(len(table), pa.string())) if index >= 0 else table

    monkeypatch.setattr(runs, "table", unlabelled)
    serve(store)
    app = fine(show("mistakes", {"store": "digits"}))
    assert "no labels" in said(app.info) and "images/cat" in said(app.info)


def test_triage_lists_suspects_judges_and_goes_on(store, serve, tmp_path):
    serve(store, findings=str(tmp_path))
    app = fine(show("triage", {"store": "digits", "least": 0.0, "kind": "improbable"}))
    first = query_of(app)["image"]
    app = fine(button(app, "Label error").click().run())
    assert query_of(app)["image"] != first and len(list((tmp_path / "verdicts").iterdir())) == 1
    app = fine(app.segmented_control(key="triage.state").set_value("judged").run())
    assert query_of(app)["image"] == first and "1 suspect" in words(app)
    assert "100% (21% to 100%)" in [value for each in app.table for value in each.value["Precision"]]
    app = fine(button(app, "Take back").click().run())
    assert "No image is that suspicious." in words(app)


def test_triage_says_what_can_not_be_computed_and_lets_no_visitor_judge(store, serve, tmp_path):
    serve(store, findings=str(tmp_path), read_only=True)
    app = fine(show("triage", {"store": "digits", "least": 0.0}))
    assert "judge nothing" in words(app) and "Label error" not in [each.label for each in app.button]
    app = fine(show("triage", {"store": "digits", "kind": "disputed"}))
    assert "no second run is chosen" in words(app)


def test_a_verdict_that_can_not_be_written_is_said_and_the_image_stays(store, serve, tmp_path):
    blocked = tmp_path / "findings"
    blocked.write_text("a file")
    serve(store, findings=str(blocked))
    app = fine(show("triage", {"store": "digits", "least": 0.0}))
    first = query_of(app)["image"]
    app = button(app, "Fine").click().run()
    assert "so nothing was kept" in said(app.error) and query_of(app)["image"] == first
