"""A short form of `make load`: visitors at once, each with live jobs of its own, and nothing is mixed."""

import asyncio

import pytest

from tests.benchmarks.reporting import report
from tests.load.__main__ import said, written
from tests.load.load import Load, Memory, Outcome, put_on
from tests.support.servers.dashboard import CHROMIUM
from tests.support.stores.served import copied_store

pytestmark = pytest.mark.slow

SECONDS = 3.0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_every_visitor_gets_the_results_asked_for(tmp_path):
    store = copied_store(tmp_path / "digits")
    load = Load(browsers=2, clients=2, seconds=SECONDS)
    outcome = asyncio.run(put_on(store, load, tmp_path / "log"))
    assert outcome.errors == [] and outcome.wrong == []
    assert outcome.compared == len(outcome.waits) >= load.browsers + load.clients
    assert outcome.distinct >= outcome.compared - 1
    assert outcome.walked >= 3 * outcome.compared


def test_the_figures_are_those_of_a_readme_table(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    memory = [Memory(second, (500 + second // 10) * 2**20) for second in range(301)]
    outcome = Outcome(memory, [1.0, 3.0, 2.0], walked=9, compared=3, distinct=3, wrong=["/lab?x"], errors=[])
    load = Load(browsers=2, clients=30, seconds=300)
    written(outcome, load, said(outcome, load))
    found = report.read("load")
    assert report.names() == ["load"] and len(found.details["memory, MB"]) > 20
    row = dict(zip(found.columns, found.rows[0], strict=True))
    assert row["minutes"] == "5" and row["clients"] == "30" and row["pages shown"] == "12"
    assert row["wrong"] == "1" and row["errors"] == "0" and row["s of a job, median"] == "2"
    assert (row["MB after a third"], row["at the end"]) == ("511", "528")
