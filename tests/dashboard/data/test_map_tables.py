"""What the Map and Mistakes pages count and find, without Streamlit: searches, colours, classes."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compute.analysis.image_search import COLUMNS, range_of, search, with_range
from compute.reports.drawing.coloring import COLOR_COLUMNS, TOP5, _scale, color_title, coloring
from compute.reports.mistakes import class_table
from dashboard.sections.brushes import Binned, Listed
from dashboard.server.routes.of_runs import make_routes
from dashboard.views import urls
from featurestore.schemas import TABLES
from tests.support.stores.small import CLASSES, COUNT, write_store


@pytest.mark.parametrize("seed", range(3))
def test_a_brush_finds_what_its_bins_count(seed):
    random = np.random.default_rng(seed)
    values = np.concatenate([random.exponential(2, 3000), np.linspace(0, 8, 81), [np.inf, np.nan]])
    loss = values.astype(np.float32)
    binned = Binned.of(loss.astype(np.float64), 0.0, 8.0)
    names = dict.fromkeys(("path", "label", "predicted", "split"), ["x"] * len(loss))
    images = pa.table({"image_id": np.arange(len(loss)), **names, "loss": pa.array(loss, from_pandas=True)})
    assert sum(binned.counts()) == len(loss) - 1
    for first, last in [(0, 0), (0, 39), (39, 39), *random.integers(0, 40, (20, 2))]:
        first, last = sorted((int(first), int(last)))
        text = f"loss:{binned.text(first, last)}"
        found = search(images, text)
        assert len(found) == sum(binned.counts()[first : last + 1])
        assert binned.counts(found)[first : last + 1] == binned.counts()[first : last + 1]
        assert binned.brushed(range_of(text, "loss")) == (first, last)


def test_values_that_are_too_close_have_no_bins():
    assert Binned.of(np.array([1.0, 1.000001]), 1.0, 1.000001) is None
    assert Binned.of(np.array([1.0, np.nextafter(1, 2)]), 1.0, np.nextafter(1, 2), pa.float64()) is None


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(1.7e9, 1.7e9 + 400, 9), (1990, 2024, 5), (-1e-9, 1e-9, 3), (0, 8, 3), (1, 1.000001, 9)],
)
def test_a_brush_over_a_further_column_finds_what_its_bins_count(low, high, shown):
    random = np.random.default_rng(0)
    numbers = random.uniform(low, high, 500)
    binned = Binned.of(np.append(numbers, np.nan), low, high, pa.float64())
    assert binned.shown_digits == shown
    names = dict.fromkeys(("path", "label", "predicted", "split"), ["x"] * 501)
    number = pa.array([*numbers.tolist(), None], pa.float64())
    images = pa.table({"image_id": np.arange(501), **names, "columns.time taken": number})
    counts = binned.counts()
    assert sum(counts) == 500 and max(counts) < 40
    for first, last in [(0, 0), (3, 3), (5, 30), (39, 39)]:
        text = with_range("x", "columns.time taken", binned.text(first, last), ["time taken"])
        assert len(search(images, text)) == sum(counts[first : last + 1])
        assert binned.brushed(range_of(text, "columns.time taken", ["time taken"])) == (first, last)


def test_values_are_listed_by_how_many_have_them():
    column = ["b", "a", None, "b", "c", "c", None, None, "a", "d"]
    listed = Listed.of(pa.chunked_array([column[:4], column[4:]], pa.string()))
    assert listed.names == ["", "a", "b", "c", "d"] and listed.counts() == [3, 2, 2, 2, 1]
    assert [listed.names[code] for code in listed.codes] == [each or "" for each in column]
    assert listed.counts(np.array([0, 3, 9])) == [0, 0, 2, 0, 1]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("map") / "small")


def test_the_route_gives_what_the_search_finds(store):
    client = TestClient(Starlette(routes=make_routes(lambda name, run: store.open(run))))
    run = store.open()
    for text in ("loss:1..2.5", f"label:{CLASSES[1]}", f"{CLASSES[1]}/7.png", "50%?&#", 'x "y'):
        response = client.get("/" + urls.hits("small", run.fingerprint, text))
        assert response.status_code == 200
        expected = search(run.table("images", COLUMNS), text)
        np.testing.assert_array_equal(np.frombuffer(response.content, "<u4"), expected)
    assert len(search(run.table("images"), f"label:{CLASSES[1]}")) == COUNT // 3


def test_there_are_colours_by_every_column_with_one_value_an_image():
    scalar = {field.name for field in TABLES["images"] if not pa.types.is_nested(field.type)}
    assert set(COLOR_COLUMNS) == (scalar - {"sha256"}) | {"top5"}
    assert COLOR_COLUMNS[:2] == ("label", "predicted") and color_title("top5") == "Label in the top 5"


def test_every_column_is_categories_or_a_scale(store):
    run = store.open()
    for column in COLOR_COLUMNS:
        made = coloring(run, column)
        assert made.values.dtype == np.dtype("<f4") and made.values.shape == (COUNT,)
        known = made.values[~np.isnan(made.values)]
        if made.categories is not None:
            assert known.min() >= 0 and known.max() < len(made.categories)
    assert coloring(run, "path").categories == tuple(sorted(CLASSES))
    width = coloring(run, "width")
    assert (width.low, width.high, width.unit, width.clipped) == (20, 20, "pixel", False)
    assert coloring(run, "loss").clipped and coloring(run, "probability").high == 1
    with pytest.raises(ValueError, match="no colours by 'sha256', choose one of label, "):
        coloring(run, "sha256")


class Rows:
    """A run that has just these images."""

    manifest = SimpleNamespace(labels_are_lists=False)

    def __init__(self, images):
        self.images = images

    def table(self, name, columns):
        return self.images.select(columns)


def test_the_top_five_are_looked_through_for_the_label():
    top = [[("cat", 0.9), ("dog", 0.1)], [("dog", 1.0)], [], None, [("cat", 1.0)]]
    rows = [
        None if each is None else [dict(zip(("class", "probability"), pair, strict=True)) for pair in each]
        for each in top
    ]
    field = TABLES["images"].field("top5")
    images = pa.table({"label": ["dog", "cat", "cat", "cat", None], "top5": pa.array(rows, field.type)})
    made = coloring(Rows(images), "top5")
    np.testing.assert_array_equal(made.values, [1, 0, 0, np.nan, np.nan])
    assert made.categories == TOP5


def test_class_table_counts_by_class():
    images = pa.table(
        {
            "label": ["cat", "cat", "cat", "dog", "cow", "cat"],
            "predicted": ["cat", "dog", "dog", "dog", "cat", None],
            "loss": [0.5, 1.5, 1.0, 0.25, 4.0, None],
        }
    )
    rows = {row.pop("class"): row for row in class_table(images, ("dog", "cat", "ant")).to_pylist()}
    assert list(rows) == ["dog", "cat", "cow"]
    assert rows["cat"] == {
        "images": 3,
        "right": 1,
        "recall": pytest.approx(1 / 3),
        "precision": 0.5,
        "taken_for": "dog",
        "taken": 2,
        "loss": pytest.approx(1.0),
    }
    assert rows["dog"]["taken_for"] is None and rows["dog"]["precision"] == pytest.approx(1 / 3)
    assert rows["cow"]["precision"] is None and rows["cow"]["recall"] == 0


def test_class_table_of_nothing_is_empty():
    columns = {"label": pa.string(), "predicted": pa.string(), "loss": pa.float32()}
    assert len(class_table(pa.schema(columns).empty_table(), ("cat",))) == 0


def test_a_column_without_values_has_no_scale():
    made = _scale("loss", np.full(3, np.nan, np.float32), "nat")
    assert made.categories == () and made.hues == ()
