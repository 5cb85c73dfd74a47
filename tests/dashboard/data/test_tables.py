"""What the dashboard counts, finds and draws, without Streamlit."""

import numpy as np
import pyarrow as pa
import pytest

from compute.reports.mistakes import confusion_counts, most_confused
from dashboard.data.content_store import OVERHEAD, ContentStore, KeptBytes
from dashboard.sections.channels import classes
from dashboard.sections.overview.filters import filter_pictures
from dashboard.settings import Settings, find_stores, places_said, stores_called
from dashboard.widgets import figures
from featurestore.reader import Store
from tests.support.stores.served import served_store

IMAGES = pa.table(
    {
        "label": ["cat", "cat", "dog", None, "cow", "cat"],
        "predicted": ["cat", "dog", "dog", "dog", "cat", None],
    }
)


def test_confusion_counts_pairs_alone():
    counts, rows, cols = confusion_counts(IMAGES, ("dog", "cat"))
    assert (rows, cols) == (["dog", "cat", "cow"], ["dog", "cat"])
    assert counts.tolist() == [[1, 0], [1, 1], [0, 1]]


def test_most_confused_keeps_the_classes_with_most_errors():
    counts = np.array([[9, 0, 0, 0], [0, 5, 3, 0], [0, 1, 7, 1], [0, 0, 0, 8]])
    square, rows, cols = most_confused(counts, list("abcd"), list("abcd"), 2)
    assert rows == cols == ["b", "c"] and square.tolist() == [[5, 3], [1, 7]]
    square, rows, cols = most_confused(counts[:3], list("bca"), list("abcd"), 9)
    assert rows == cols == list("abcd") and square[[1, 2, 0]].tolist() == counts[:3].tolist()
    assert not square[3].any()


def test_labels_that_the_network_does_not_know_stand_beside_what_they_were_taken_for():
    counts = np.array([[9, 0, 0, 0], [0, 0, 3, 1], [4, 2, 0, 0]])
    found, rows, cols = most_confused(counts, ["a", "moon", "coins"], list("abcd"), 2)
    assert (rows, cols) == (["moon", "coins"], ["a", "c"])
    assert found.tolist() == [[0, 3], [4, 0]]


def test_stores_are_found_by_unique_names(tmp_path):
    for path in ("a/x", "b/x", "b/y", "b/no"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("a/x", "b/x", "b/y"):
        (tmp_path / path / "runs").mkdir()
    found = find_stores([str(tmp_path / "a" / "x"), str(tmp_path / "b"), str(tmp_path / "nothing")])
    assert list(found) == ["a-x", "b-x", "y"]
    assert list(find_stores([str(tmp_path / "b" / "x"), str(tmp_path / "b")])) == ["x", "y"]


def test_stores_whose_parents_have_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / path for path in ("a/out/demo", "b/out/demo", "out-demo", "c/demo")]
    for path in paths:
        (path / "runs").mkdir(parents=True)
    found = find_stores(map(str, paths))
    assert list(found.values()) == paths and len(set(found)) == 4
    assert list(found) == ["a-out-demo", "b-out-demo", f"{tmp_path.name}-out-demo", "c-demo"]
    alone = find_stores([str(paths[1])])
    assert list(alone) == ["demo"]
    for name in ("demo", "out-demo", "b-out-demo"):
        assert stores_called(name, alone) == ["demo"]
    assert stores_called("demo", found) == ["a-out-demo", "b-out-demo", "c-demo"]
    assert stores_called("c-demo", found) == ["c-demo"] and stores_called("other", found) == []


def test_a_place_may_have_commas_and_spaces(tmp_path, monkeypatch):
    (tmp_path / "with, comma,s").mkdir()
    monkeypatch.chdir(tmp_path)
    assert places_said("with, comma,s") == ("with, comma,s",)
    assert places_said("stores,with, comma,s,s3://bucket/x,") == ("stores", "with, comma,s", "s3://bucket/x")


def test_settings_survive_the_environment():
    environment = {}
    said = Settings(("one", "two"), "cpu", ("net.py",))
    said.write(environment)
    assert Settings.read(environment) == said and Settings.read({}) == Settings()


def test_kept_contents_go_by_their_last_use():
    kept = ContentStore("the picture", KeptBytes(25 + 2 * OVERHEAD))
    names = [kept.add(bytes([number]) * 10) for number in range(2)]
    kept.read(names[0])
    third = kept.add(b"x" * 10)
    assert kept.read(names[0]) == bytes(10) and kept.read(third) == b"x" * 10
    with pytest.raises(ValueError, match="the picture of this link is no longer kept"):
        kept.read(names[1])


def test_what_is_kept_is_counted_in_bytes_at_a_cost_independent_of_their_number():
    kept = KeptBytes(100 * (OVERHEAD + 10))
    for number in range(10_000):
        kept.put(number, bytes(10))
    assert kept.get(9_899) is None and kept.get(9_900) == bytes(10) and kept.get(9_999) == bytes(10)
    kept.put("large", bytes(100 * OVERHEAD + 1000))
    assert kept.get("large") is None and kept.get(9_999) == bytes(10)
    kept.put(9_999, bytes(20))
    kept.remove(9_998)
    kept.put("new", bytes(10))
    assert kept.get(9_999) == bytes(20) and kept.get("new") == bytes(10) and kept.get(9_998) is None


def test_values_are_read_where_they_were_measured():
    image = "data:image/png;base64,AA=="
    said = [["a", "b"], ["c", "d"]]
    figure = figures.read_under_the_mouse(image, said, ([8, 24], [4, 12]), (32, 16))
    heat = figure.data[0]
    assert list(heat.y) == [8, 24] and list(heat.x) == [4, 12]
    assert [list(row) for row in heat.text] == said
    assert figure.layout.yaxis.range == (32, 0) and figure.layout.images[0].sizex == 16


def test_the_map_of_predictions_names_each_class_once():
    figure = figures.class_legend(np.array([[3, 3], [0, 3]]), list("abcd"))
    bars = figure.data[0]
    assert list(bars.customdata) == ["d", "a"] and list(bars.x) == [0.75, 0.25]
    assert len(set(bars.marker.color)) == 2


def test_a_legend_makes_room_for_its_ticks():
    figure = figures.color_bar(["#000000", "#ffffff"], -5, 5, "points")
    assert figure.layout.minreducedheight <= 10, "plotly's own leaves the ticks out of so low a chart"
    assert list(figure.layout.xaxis.tickvals) == [-5, -2.5, 0, 2.5, 5]
    assert figure.layout.xaxis.title.text == "points"


@pytest.mark.slow
def test_filters_of_a_grey_stem_are_one_picture_each():
    filters = Store(served_store()).open().filters()
    for scaling in ("filter", "all"):
        shown = filter_pictures(filters, scaling)
        assert len(shown) == len(filters) and all(png.startswith(b"\x89PNG") for _, png in shown)


@pytest.mark.parametrize(
    "top, selectivity, labels, place",
    [
        ("cat", 0.5, ["dog", "cat", "cat"], 1),
        ("cat", 0.5, ["dog", "cat", "cat", "dog"], None),
        ("cat", 0.2, ["cat", "cat", "cat"], None),
        ("cat", 0.9, ["dog", "dog", "dog"], None),
        ("cat", 0.9, [None, None, None], None),
        ("cat", 1.0, [None, "cat", None], 1),
        (None, None, ["cat"], None),
    ],
)
def test_a_class_is_named_only_where_it_is_clearly_the_most(top, selectivity, labels, place):
    assert classes.answered_most(top, selectivity, labels) == place
