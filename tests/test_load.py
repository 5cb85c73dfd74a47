"""A short form of `make load`: visitors at once, each with live jobs of its own, and nothing is mixed."""

import asyncio
import shutil

import pytest
from served_dashboard import CHROMIUM
from served_store import served_store

from tests.load.load import Load, put_on

SECONDS = 3.0


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_every_visitor_gets_the_results_asked_for(tmp_path):
    store = shutil.copytree(served_store(), tmp_path / "digits", ignore=shutil.ignore_patterns("results"))
    load = Load(browsers=2, clients=2, seconds=SECONDS)
    outcome = asyncio.run(put_on(store, load, tmp_path / "log"))
    assert outcome.errors == [] and outcome.wrong == []
    assert outcome.compared == len(outcome.waits) >= load.browsers + load.clients
    assert outcome.distinct >= outcome.compared - 1
    assert outcome.walked >= 3 * outcome.compared
