"""The tables of docs/benchmarks.md and docs/networks.md are the committed results, number by number."""

import pytest

from tests.benchmarks.reporting.report import Report, alternately, markdown, names
from tests.benchmarks.reporting.table import marked, written
from tests.support import ROOT

PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if marked(page)])
def test_tables_equal_the_results(name):
    assert written(PAGES[name]) == PAGES[name], "`make docs` writes them"


def test_every_result_has_its_table():
    assert sorted(table for page in PAGES.values() for table in marked(page)) == names()


def test_table_of_a_report():
    machine = {
        "processor": "some CPU",
        "cores": 2,
        "threads": 2,
        "device": "cpu",
        "load": 0.5,
        "torch": "2.13.0",
    }
    report = Report(
        "t", ["network", "s"], [["alexnet", 0.12345], ["vgg16", 3]], machine, "2026-01-31", ["A note."]
    )
    assert markdown(report).splitlines() == [
        "| network | s |",
        "| --- | --- |",
        "| alexnet | 0.123 |",
        "| vgg16 | 3 |",
        "",
        "(A note. some CPU, 2 cores, 2 threads, load 0.5 with the benchmark's own, torch 2.13.0, "
        "2026-01-31.)",
    ]


def test_rows_are_as_wide_as_the_columns():
    with pytest.raises(ValueError, match="1 cells in a row of 2"):
        Report("t", ["a", "b"], [["x"]], {}, "2026-01-31")


def test_runs_alternate():
    order = []
    taken = alternately({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert [len(times) for times in taken.values()] == [2, 2]
