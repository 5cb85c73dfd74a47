"""Server time of every page: the first visit on cold caches, and reruns with another image than before,
everything else warm. Timed within the server (`ScriptRunner._run_script`)."""

import datetime
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.testing.v1 import AppTest

from compute.methods.base import Step
from dashboard.findings.folder import Folder
from dashboard.findings.record import Finding
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import kept_beside
from dashboard.settings import Settings
from dashboard.views.definitions import CompareView
from dashboard.views.navigation import PAGES
from featurestore.reader import Run, Store
from tests.support import ROOT
from tests.support.page_options import set_page_options

SHELL = ROOT / "dashboard" / "app_pages" / "shell.py"
TABS = CompareView.__dataclass_fields__["tab"].metadata["choices"]
RERUNS = 20
KEPT = 200
"""Live results and findings, for the pages that list them."""

RESULTS_MB = 1024
FIRST_VISIT = 600
"""Seconds that a page may take at most."""


def server_times(path: Path, other: Path, trusted: tuple[str, ...] = ()) -> dict[str, list[float]]:
    """Page -> seconds of its first visit, then of each rerun. other: a second store over the same images.
    trusted: model files that live methods may run."""
    set_page_options()
    run = Store(path).open()
    with tempfile.TemporaryDirectory() as findings:
        keep_findings(Path(findings), path.name, run)
        keep_results(path)
        Settings((str(path), str(other)), "cpu", trusted, RESULTS_MB, findings).write()
        asked = {page: {} for page in PAGES if page != "compare"}
        asked |= {f"compare, {tab}": {"tab": tab, "other_store": other.name} for tab in TABS}
        return {what: _times(what.partition(",")[0], query, path.name, run) for what, query in asked.items()}


def _times(page: str, query: dict[str, str], store: str, run: Run) -> list[float]:
    images = np.random.default_rng(0).integers(run.image_count, size=RERUNS + 2)
    st.cache_resource.clear()
    st.cache_data.clear()
    app = AppTest.from_file(str(SHELL), default_timeout=FIRST_VISIT)
    app.query_params["store"] = store
    if page != next(iter(PAGES)):
        app.run()
        app.switch_page(f"{page}.py")
    taken: list[float] = []
    for image in images:
        for name, value in {**query, "store": store, "image": str(image)}.items():
            app.query_params[name] = value
        with timed(taken):
            app.run()
        if app.exception:
            raise ValueError(f"page {page}, image {image}: {app.exception[0].value}")
        if app.error:
            raise ValueError(f"page {page}, image {image}, says {app.error[0].value}")
    # The second run still fills caches that the first one's query did not reach.
    return [taken[0], *taken[2:]]


class timed:
    """Appends the time of the script that runs in the meantime, with those that it starts anew."""

    def __init__(self, taken: list[float]):
        self.taken, self.run = taken, ScriptRunner._run_script

    def __enter__(self):
        self.taken.append(0.0)

        def run(runner, *arguments):
            started = perf_counter()
            self.run(runner, *arguments)
            self.taken[-1] += perf_counter() - started

        ScriptRunner._run_script = run

    def __exit__(self, *_):
        ScriptRunner._run_script = self.run


def keep_results(store: Path) -> None:
    """KEPT live results beside the store, where there are none yet."""
    cache = kept_beside(store, RESULTS_MB * 2**20)
    for number in range(KEPT - len(cache.entries())):
        picture = np.random.default_rng(number).random((3, 96, 96), np.float32)
        result = Result.of(Step(1, 1, "image", picture), 1.0, {"device": "cpu"})
        query = {"store": store.name, "image": str(number), "method": "dream"}
        facts = {"method": "dream", "image": str(number)}
        cache.put(f"{number:016x}", f"dream of image {number}", result, page="lab", query=query, facts=facts)


def keep_findings(folder: Path, store: str, run: Run) -> None:
    """KEPT findings, of every page that has an image in turn."""
    pages = ("image", "neighbors", "overview", "mistakes")
    for number in range(KEPT):
        page, created = pages[number % len(pages)], datetime.datetime.now(datetime.UTC)
        query = {"image": str(number % run.image_count)} if page in ("image", "neighbors") else {}
        said = f"Finding {number}", "A note.", created, page, query, store, run.fingerprint
        Folder(folder).add(Finding(*said, numbers={"accuracy": 0.5}), None)
