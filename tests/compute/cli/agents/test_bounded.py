"""What an agent is told is of bounded size, and texts of a store are data."""

import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from compute.cli.agents import pictures
from compute.cli.agents.bounded import MOST_BYTES, bounded, exact, fitting, rows_of, size, text


def test_texts_are_in_one_line_and_show_what_hides():
    assert text("a\nb\x1b[2J\u202ec\U000e0041") == "a\\u000ab\\u001b[2J\\u202ec\\U000e0041"
    assert text("Käfer 猫") == "Käfer 猫"
    assert text("x" * 10_000) == "x" * 300 + "… (10,000 characters)"


def test_a_class_is_named_as_it_is_shown():
    names = ["cat", "a\nb", "x" * 400]
    assert [exact(text(each), names) for each in names] == names
    assert exact("dog", names) == "dog"


def test_values_are_as_json_has_them():
    value = {"nan": float("nan"), "many": list(range(1000)), "bytes": b"abc", 1: np.float32(0.5), "n": None}
    found = bounded(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["nan"] is None and found["bytes"] == "3 bytes" and found["1"] == 0.5
    assert [bounded(Decimal(each)) for each in ("25", "1e3", "0.5", "NaN", "12345678901234567890")] == [
        25, 1000, 0.5, None, 12345678901234567890
    ]  # fmt: skip
    assert type(bounded(Decimal("25"))) is int
    assert found["many"][:100] == list(range(100)) and found["many"][100] == "… 900 more"


@pytest.mark.slow
def test_whatever_it_is_it_fits():
    huge = {f"k{i}": {f"m{j}": ["x" * 500] * 120 for j in range(5)} for i in range(120)}
    assert size(fitting(huge)) <= MOST_BYTES
    assert fitting({"a": [1, 2]}) == {"a": [1, 2]}
    nested = ["z" * 299]
    for _ in range(3):
        nested = [nested] * 20
    row = rows_of(pa.table({"n": [1], "nested": [nested]}), 0, 1)["rows"][0]
    assert size(row) <= MOST_BYTES and row["n"] == 1


def test_rows_end_where_they_are_too_many_bytes():
    table = pa.table({"n": range(2000), "long": ["y" * 290] * 2000, "list": [[1.0] * 100] * 2000})
    first = rows_of(table, 0, 500)
    assert 0 < len(first["rows"]) < 500 and first["total"] == 2000
    assert first["next_row"] == len(first["rows"]) and size(first["rows"]) < 1.1 * MOST_BYTES
    assert rows_of(table, first["next_row"], 1)["rows"][0]["n"] == first["next_row"]
    assert first["rows"][0]["list"][-1] == "… 84 more"
    with pytest.raises(ValueError, match="from_row is 2001; the table has 2,000 rows"):
        rows_of(table, 2001, 1)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((4000, 1000), (1024, 256)), ((28, 28), (364, 364)), ((500, 400), None), ((1, 3000), (1, 1024))],
)
def test_pictures_are_scaled_and_say_so(size, shown):
    content, said = pictures.shown(Image.new("RGB", size, "red"))
    assert pictures.of_file(content).size == (shown or size)
    assert (said["width"], said["height"]) == size
    assert ("scaled_by" in said) == (shown is not None)


def test_a_picture_of_noise_is_small_too():
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    content, said = pictures.shown(pictures.of_array(noise))
    assert len(content) <= pictures.MOST_BYTES and said["scaled_by"] < 1
