"""Searches of images: words, numbers, ranges, further columns; what is malformed is said."""

import numpy as np
import pyarrow as pa
import pytest

from compute.analysis.image_search import range_of, search, terms, values_of, with_range, with_values

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
        ("9" * 400, []),
        ("dog's", []),
        ("a\\b", []),
        ("label:dog label:cat", []),
        ("probability:0.25..0.8", [1, 2]),
        ("probability:..0.25", [0, 1]),
        ("probability:0.1", [0]),
        ("probability:0.8..", [2, 4]),
        ("PROBABILITY:.2..1 width:32", [1]),
        ("loss:1..", [0, 1]),
        ("loss:1e-3", [2]),
        ("probability:0.1..<0.8", [0, 1]),
        ("probability:..<0.1", []),
        ("loss:..", [0, 1, 2]),
        ("loss:-1..3 label:cat", [0]),
        ("width:32 height:24", [1]),
        ("loss:1...2", []),
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
    assert range_of("loss:1.. loss:..<5", "loss") == (1, 5)
    assert range_of("loss:3", "loss") == (3, 3)
    assert range_of("probability:3", "loss") is None


def test_an_unknown_field_belongs_to_the_word():
    assert terms('colour:red LABEL:"two words"') == [("", "colour:red"), ("label", "two words")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image:cat", "'cat' is no number of an image"),
        ("probability:0.8..0.25", "'0.8..0.25' of probability ends before it begins"),
        ("loss:high", "'high' is no range of loss: ask for a number, or for a range such as 0.2..0.8"),
        ("loss:1..2..3", "'1..2..3' is no range"),
        ("loss:nan", "'nan' is no range"),
        ("cat width:=32", "'=32' is no range of width"),
        ("columns.lens:A", "'columns.lens'; further columns are camera, time: of day, ISO, iso"),
        ("columns.iso:A", "'A' is no range of columns.iso"),
    ],
)
def test_what_is_malformed_is_said_and_finds_nothing_else(text, said):
    with pytest.raises(ValueError, match=said.replace("(", ".")):
        search(LISTED, text)


FURTHER = ("camera", "time: of day", "ISO", "iso")
LISTED = IMAGES.append_column("columns.camera", pa.array(["A", "BA", 'the "A"', None, "a"]))
LISTED = LISTED.append_column("columns.time: of day", pa.array(["late night", "noon", "Noon", None, "late"]))
LISTED = LISTED.append_column("columns.ISO", pa.array([0.1, 1 / 3, 1e9 + 1, 1e9 + 2, None], pa.float64()))
LISTED = LISTED.append_column("columns.iso", pa.array([1.0, 2.0, 3.0, 4.0, None], pa.float64()))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("columns.camera:a", [0, 1, 2, 4]),
        ("columns.camera:=A", [0]),
        ("columns.camera:=A columns.camera:=BA", [0, 1]),
        ("columns.camera:=A columns.camera:=BA label:dog", [1]),
        ("columns.camera:=A columns.camera:b", []),
        ("columns.camera:=", [3]),
        ("columns.camera:= columns.camera:=a", [3, 4]),
        ('columns.camera:"=the ""A"""', [2]),
        ("Columns.CAMERA:=a", [4]),
        ('"columns.time: of day:=late night"', [0]),
        ('"columns.time: of day:noon"', [1, 2]),
        ("columns.ISO:0.1", [0]),
        ("columns.ISO:1000000001", [2]),
        ("columns.ISO:0.3..<1000000002", [1, 2]),
        ("columns.iso:2..3", [1, 2]),
        ("columns.iso:..", [0, 1, 2, 3]),
        ("label:=dog label:=cow", [1, 2, 3]),
        ("label:=Dog", []),
        ("label:=", [4]),
        ("=cat", []),
    ],
)
def test_further_columns_are_searched(text, found):
    assert search(LISTED, text).tolist() == found


@pytest.mark.parametrize("seed", range(4))
def test_ranges_and_values_find_what_a_loop_finds(seed):
    random = np.random.default_rng(seed)
    count = 300
    iso = [None if each < 0.1 else float(each) for each in random.random(count)]
    camera = [None if each == 0 else f"{each} mm" for each in random.integers(0, 5, count)]
    names = dict.fromkeys(("path", "label", "predicted", "split"), ["x"] * count)
    images = pa.table(
        {"image_id": np.arange(count), **names, "columns.iso": pa.array(iso), "columns.camera": camera}
    )
    for _ in range(20):
        low, high = sorted(random.random(2).tolist())
        asked = random.choice(["", "1 mm", "2 mm", "4 mm"], random.integers(1, 4), replace=False).tolist()
        text = with_range("", "columns.iso", f"{low}..<{high}", FURTHER)
        text = with_values(text, "columns.camera", asked, FURTHER)
        expected = [
            number
            for number in range(count)
            if iso[number] is not None and low <= iso[number] < high and (camera[number] or "") in asked
        ]
        assert search(images, text).tolist() == expected


@pytest.mark.parametrize("column", [f"columns.{name}" for name in FURTHER])
@pytest.mark.parametrize("values", [[], ["A"], ["", 'the "A"', "two words", "a:b", "C:/x"]])
def test_values_of_a_search_are_set_and_read(column, values):
    others = 'cat "two words" loss:1.. columns.camera:x'
    made = with_values(others, column, values, FURTHER)
    assert values_of(made, column, FURTHER) == values
    assert terms(made, FURTHER)[: len(terms(others, FURTHER))] == terms(others, FURTHER)
    assert terms(with_values(made, column, [], FURTHER), FURTHER) == terms(others, FURTHER)


def test_a_quotation_that_is_still_being_typed_is_words():
    assert terms('a "b c') == [("", "a"), ("", "b"), ("", "c")]
    assert terms('a"b c"d "" e') == [("", "ab cd"), ("", "e")]
