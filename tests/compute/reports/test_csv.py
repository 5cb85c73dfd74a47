"""The CSV of a report: what a spreadsheet would run is a text in it, and all else is as it was."""

import csv
import io

import pyarrow as pa
import pytest

from compute.reports.drawing.formats import CSV
from compute.reports.drawing.report import Report

RUN = (
    "=1+1", '=HYPERLINK("http://a.example","x")', "@SUM(1+1)*cmd", "+1+1", "-2+3", "=cmd|' /C calc'!A0",
    "\t=1", "  =1", "\r=1", "\n@x", "\uff1d1", "-", "+x",
)  # fmt: skip
NOT_RUN = ("cat", "a=b", "-1", "+2.5", "-1e-3", "1+1", "'quoted", "", "x@y", "#N", "–2")


def rows(table):
    content = Report({}, tabulate=lambda: table).file(CSV).decode()
    return list(csv.reader(io.StringIO(content, newline="")))


@pytest.mark.parametrize("text", RUN)
def test_a_formula_becomes_a_text(text):
    assert rows(pa.table({"label": [text], text: ["x"]})) == [["label", f"'{text}"], [f"'{text}", "x"]]


@pytest.mark.parametrize("text", NOT_RUN)
def test_other_texts_stay(text):
    assert rows(pa.table({"label": [text], "n": [1]}))[1] == [text, "1"]


def test_numbers_stay_numbers():
    table = pa.table({"a": [-1, None], "b": pa.array([-0.1, 2.0], pa.float32()), "c": [["=1"], []]})
    assert rows(table)[1:] == [["-1", "-0.1", '["=1"]'], ["", "2.0", "[]"]]
