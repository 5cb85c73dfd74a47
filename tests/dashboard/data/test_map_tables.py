"""What the Map and Mistakes pages count and find, without Streamlit: searches, colours, classes."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compute.reports.drawing.coloring import COLOR_COLUMNS, TOP5, _scale, color_title, coloring
from compute.reports.mistakes import class_table
from dashboard.data.image_search import COLUMNS, range_of, search, terms, with_range
from dashboard.sections.brushes import Binned
from dashboard.server.routes.of_runs import make_routes
from dashboard.views import urls
from featurestore.schemas import TABLES
from tests.support.stores.small import CLASSES, COUNT, write_store

IMAGES = pa.table(
    {
        "image_id": [0, 1, 2, 3, 4],
        "path": ["test/cat/01.png", "train/Dog one/2.png", "train/dog/3.png", "C:/cow/4.png", "x/00012.png"],
        "label": ["cat", "dog", "dog", "cow", None],
        "predicted": ["dog", "dog", "cat", None, "cat"],
        "split": ["test", "train", "train", None, None],
        "probability": pa.array([0.1, 0.25, 0.8, None, 1.0], pa.float32()),
        "loss": pa.array([2.5, float("inf"), 0.001, None, None], pa.float32()),
        "width": pa.array([32, 32, 640, 5, None], pa.int32()),
        "height": pa.array([32, 24, 480, 5, None], pa.int32()),
    }
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("   ", []),
        ("cat", [0, 2, 4]),
        ("CAT", [0, 2, 4]),
        ("label:cat", [0]),
        ("predicted:cat", [2, 4]),
        ("label:dog predicted:cat", [2]),
        ("dog train", [1, 2]),
        ("path:dog", [1, 2]),
        ('"Dog one"', [1]),
        ('path:"dog o"', [1]),
        ('"dog o', [0, 1, 2]),
        ("image:3", [3]),
        ("3", [2, 3]),
        ("image:12", []),
        ("12", [4]),
        ("C:/cow", [3]),
        ("split:test", [0]),
        ("label:", []),
        ("label: cat", [0, 2, 4]),
        ("nothing", []),
        (".*", []),
        ("image:cat", []),
        ("9" * 400, []),
        ("dog's", []),
        ("a\\b", []),
        ("label:dog label:cat", []),
        ("probability:0.25..0.8", [1, 2]),
        ("probability:..0.25", [0, 1]),
        ("probability:0.1", [0]),
        ("probability:0.8..", [2, 4]),
        ("probability:0.8..0.25", []),
        ("PROBABILITY:.2..1 width:32", [1]),
        ("loss:1..", [0, 1]),
        ("loss:1e-3", [2]),
        ("probability:0.1..<0.8", [0, 1]),
        ("probability:..<0.1", []),
        ("loss:..", [0, 1, 2]),
        ("loss:-1..3 label:cat", [0]),
        ("width:32 height:24", [1]),
        ("loss:high", []),
        ("loss:1...2", []),
        ("loss:1..2..3", []),
        ("loss:nan", []),
        ("width:" + "9" * 400 + "..", []),
    ],
)
def test_search_finds_images_that_have_all_words(text, found):
    assert search(IMAGES, text).tolist() == found


@pytest.mark.parametrize(
    ("text", "asked", "made"),
    [
        ("", "1..2", "loss:1..2"),
        ("loss:3..", "1..2", "loss:1..2"),
        ("cat loss:3..", "", "cat"),
        ('label:"two words" LOSS:1 C:/x "a b"', "..<2", 'label:"two words" C:/x "a b" loss:..<2'),
    ],
)
def test_a_range_of_a_search_is_set(text, asked, made):
    assert with_range(text, "loss", asked) == made
    assert terms(with_range(made, "loss", "")) == [pair for pair in terms(text) if pair[0] != "loss"]


def test_the_range_of_a_search_is_read():
    assert range_of("cat loss:1..2", "loss") == (1, 2)
    assert range_of("loss:1.. loss:..<5 loss:high", "loss") == (1, 5)
    assert range_of("loss:3", "loss") == (3, 3)
    assert range_of("probability:3 loss:high", "loss") is None


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


def test_an_unknown_field_belongs_to_the_word():
    assert terms('colour:red LABEL:"two words"') == [("", "colour:red"), ("label", "two words")]


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
