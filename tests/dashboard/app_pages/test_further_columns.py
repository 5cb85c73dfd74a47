"""Further columns of a list of images on the pages: Map colors by them, Mistakes filters by them."""

import json
from urllib.parse import unquote

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compute.reports.drawing.report import CSV
from compute.reports.mistakes import labelled
from dashboard.components import Clicked
from dashboard.data import runs, selections
from dashboard.sections import brushes
from dashboard.server.routes.of_runs import make_routes
from dashboard.sharing.downloads import downloads_of
from dashboard.text import plain
from dashboard.views import urls
from dashboard.views.definitions import MapView, MistakesView
from featurestore.reader import Store
from tests.support.downloads import by_command
from tests.support.page_app import button, fine, query_of, said, show, words
from tests.support.stores.listed import (
    BROKEN,
    IMAGES,
    column_store,
    make_images,
    make_store,
    paths,
    write_list,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def run(serve):
    serve(column_store())
    return Store(column_store()).open()


@pytest.mark.parametrize("name", ["camera", "shutter"])
def test_the_map_is_colored_by_a_column(run, name):
    app = fine(show("map", {"store": "columns", "color": f"columns.{name}"}))
    assert query_of(app)["color"] == f"columns.{name}" and not app.warning
    (box,) = (each for each in app.selectbox if each.label == "Colour by")
    assert box.value == f"columns.{name}" and box.options[-2:] == ["camera", "shutter"]
    client = TestClient(Starlette(routes=make_routes(lambda store, fingerprint: run)))
    address = urls.colors("columns", run.fingerprint, f"columns.{name}")
    values = np.frombuffer(client.get(f"/{address}").content, "<f4")
    assert len(values) == IMAGES and values[2] == {"camera": 0, "shutter": 1}[name]


def test_a_color_that_the_run_lacks_is_said(run, store, serve):
    app = fine(show("map", {"store": "columns", "color": "columns.lens"}))
    assert query_of(app)["color"] == "label" and "columns.lens" in said(app.warning)
    serve(store)
    app = fine(show("map", {"store": "digits", "color": "columns.camera"}))
    assert query_of(app)["color"] == "label"


def test_mistakes_are_of_the_images_with_a_value(run):
    app = fine(show("mistakes", {"store": "columns"}))
    assert f"of {IMAGES - 1} are right" in words(app)
    app = fine(app.selectbox(key="mistakes.column").set_value("camera").run())
    app = fine(app.selectbox(key="mistakes.value").set_value("B_<i>").run())
    there = labelled(run, where="camera=B_<i>")
    assert f"of {len(there)} are right" in words(app)
    assert "with camera=B_<i> alone" in words(app)
    query = query_of(app)
    assert (query["column"], query["value"]) == ("camera", "B_<i>")
    # The link shows the same, and another column begins anew.
    app = fine(show("mistakes", query))
    assert f"of {len(there)} are right" in words(app)
    app = fine(app.selectbox(key="mistakes.column").set_value("shutter").run())
    assert "value" not in query_of(app) and f"of {IMAGES - 1} are right" in words(app)
    app = fine(app.text_input(key="mistakes.value").set_value("1..4").run())
    assert f"of {len(labelled(run, where='shutter=1..4'))} are right" in words(app)
    app = fine(show("mistakes", {**query_of(app), "value": "fast"}))
    assert "is no range of numbers" in said(app.warning).replace("\\", "")


def test_splits_are_shown_as_they_are(tmp_path, serve):
    make_images(tmp_path)
    names = ("**day**", "[night](https://example.org)")
    listed = write_list(tmp_path, "list.csv", split=lambda place: names[place % 2])
    serve(make_store(tmp_path, listed, "splits", "--stages", "activations"))
    shown_as = [plain(name) for name in names]
    app = fine(show("overview"))
    shown = [each.label for each in app.metric if "Accuracy" in each.label]
    assert shown == [f"Accuracy, {name}" for name in (*shown_as, "all")]
    cells = [cell for table in app.table for cell in table.value.to_numpy().ravel()]
    assert f"{shown_as[0]} {IMAGES // 2}, {shown_as[1]} {IMAGES // 2}" in cells
    app = show("image", {"image": 1})
    assert any(f"split {shown_as[1]}," in each.value for each in app.caption)
    app = fine(show("mistakes"))
    control = next(each for each in app.get("button_group") if each.key == "mistakes.split")
    assert [option.content for option in control.proto.options] == ["all splits", *shown_as]


@pytest.mark.parametrize("tab", ["confusion", "classes", "neighbors"])
def test_the_command_line_makes_the_bytes_of_the_page(run, tab, tmp_path):
    view = MistakesView("columns", run.fingerprint, tab=tab, column="camera", value="A")
    for each in downloads_of(view, run, column_store()):
        assert "--where camera=A" in each.command
        assert by_command(each, CSV, tmp_path) == each.make().file(CSV)


def test_the_map_of_a_column_is_a_download(run):
    (made,) = downloads_of(MapView("columns", map="pca", color="columns.camera"), run, column_store())
    assert "--color columns.camera" in made.command and b"B_<i>" in made.make().file(CSV)


def test_originals_are_those_of_the_list(run, serve):
    image = run.image(0)
    assert runs.original(run, 0) and image["path"] == paths(column_store().parents[1])[0]
    with pytest.raises(ValueError):
        runs.original(run, BROKEN + IMAGES)
    assert unquote(urls.colors("s", "f", "columns.a/b")).endswith("columns.a/b")


def below_the_map(app):
    """The histograms and the lists of values, by their columns."""
    (component,) = [each for each in app.get("bidi_component") if each.key == "map/brushes"]
    data = json.loads(component.proto.json)
    return tuple({each["column"]: each for each in data[kind]} for kind in ("histograms", "lists"))


def test_brushes_are_over_the_columns_and_follow_each_other(run):
    columns = run.table("columns").to_pandas().set_index("image_id")
    shutter = columns[columns["column"] == "shutter"]["number"]
    search = 'columns.shutter:5.. columns.camera:="B_<i>"'
    app = fine(show("map", {"store": "columns", "search": search}))
    camera = columns[columns["column"] == "camera"]["text"]
    both = [image for image in range(IMAGES) if shutter[image] >= 5 and camera.get(image) == "B_<i>"]
    assert f"{len(both)} of {IMAGES} images found" in words(app)
    histograms, lists = below_the_map(app)
    assert sum(histograms["columns.shutter"]["all"]) == IMAGES
    assert sum(histograms["columns.shutter"]["kept"]) == (camera == "B_<i>").sum()
    assert sum(histograms["probability"]["kept"]) == len(both) - (BROKEN in both)
    listed = {each["name"]: each for each in lists["columns.camera"]["values"]}
    for name, value in listed.items():
        having = {image for image in range(IMAGES) if camera.get(image, "no value") == name}
        assert value["all"] == len(having) and value["chosen"] == (name == "B_<i>")
        assert value["kept"] == len([image for image in having if shutter[image] >= 5])
    assert set(listed) == {"A", "B_<i>", "no value"}


def test_a_click_on_a_value_asks_for_it_and_a_second_one_no_more(run, monkeypatch):
    changes = []
    monkeypatch.setattr(brushes.binding, "change", lambda view, **change: changes.append(change["search"]))
    listed = {"columns.camera": brushes._values(run, "columns.camera")}
    text = "columns.shutter:5.."
    for name in ("B_<i>", "", "B_<i>"):
        number = listed["columns.camera"].names.index(name)
        brushes._clicked(run, text, Clicked("columns.camera", number), listed)
        text = changes[-1]
    assert changes == [
        "columns.shutter:5.. columns.camera:=B_<i>",
        "columns.shutter:5.. columns.camera:=B_<i> columns.camera:=",
        "columns.shutter:5.. columns.camera:=",
    ]


def test_what_is_selected_follows_the_search(run, tmp_path):
    name = selections.keep("columns", np.arange(10, 30))
    view = {"store": "columns", "map": "pca", "selection": name}
    app = fine(show("map", {**view, "search": "columns.shutter:10.."}))
    assert "10 of 20 images selected" in words(app)
    app = fine(button(app, "Select these alone").click().run())
    assert "10 images selected" in words(app) and query_of(app)["selection"] != name
    app = fine(show("map", {**view, "search": "columns.shutter:..1"}))
    assert "0 of 20 images selected" in words(app) and "none of the selected images" in words(app)
    shown = MapView(**view, run=run.fingerprint, search="columns.shutter:10.. columns.camera:=A")
    plane, selected = downloads_of(shown, run, column_store())
    there = set(range(20, IMAGES - 1, 2))
    assert set(plane.table["image_id"].to_pylist()) == there - {BROKEN}
    assert set(selected.table["image_id"].to_pylist()) == there & set(range(10, 30))
    assert by_command(plane, CSV, tmp_path) == plane.make().file(CSV)


@pytest.mark.parametrize(
    ("search", "said_of_it"),
    [
        ("columns.shutter:fast", "no range of columns.shutter"),
        ("loss:3..1", "ends before"),
        ("columns.lens:1", "lens"),
    ],
)
def test_a_malformed_search_is_said_and_all_images_are_shown(run, search, said_of_it):
    app = fine(show("map", {"store": "columns", "search": search}))
    warned = said(app.warning).replace("\\", "")
    assert said_of_it in warned and "All images are shown" in warned and "images found" not in words(app)
    view = MapView("columns", run.fingerprint, "pca", search=search)
    with pytest.raises(ValueError, match=said_of_it):
        downloads_of(view, run, column_store())[0].make()


@pytest.mark.parametrize(
    "word, said_of_it", [("4.321..", "≥ 4.321"), ("..4.321", "≤ 4.321"), ("2.22..7.77", "2.22 – 7.77")]
)
def test_a_typed_range_is_said_and_counted_as_it_was_typed_not_by_whole_bins(run, word, said_of_it):
    columns = run.table("columns").to_pandas()
    numbers = columns[columns["column"] == "shutter"]["number"]
    low, high = (float(end) if end else None for end in word.split(".."))
    within = numbers.between(-np.inf if low is None else low, np.inf if high is None else high)
    app = fine(show("map", {"store": "columns", "search": f"columns.shutter:{word}"}))
    histogram = below_the_map(app)[0]["columns.shutter"]
    assert 0 < within.sum() < len(numbers)
    assert (histogram["asked"], histogram["found"]) == (said_of_it, within.sum())


def test_a_brushed_range_is_said_by_its_bins(run):
    binned = brushes._values(run, "columns.shutter")
    app = fine(show("map", {"store": "columns", "search": f"columns.shutter:{binned.text(3, 17)}"}))
    histogram = below_the_map(app)[0]["columns.shutter"]
    assert (histogram["first"], histogram["last"], histogram["asked"]) == (3, 17, "")
