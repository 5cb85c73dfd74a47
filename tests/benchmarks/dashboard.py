"""The dashboard on a store: server time of each page's rerun, time to the drawn map, click to neighbours.

    python -m tests.benchmarks.dashboard --stores PATH [--name dashboard]

A rerun is the page's script with another image than before, everything else warm; it is timed within the server
(`ScriptRunner._run_script`). The map and the click are timed in Chromium (software WebGL) against a server of
its own, from the address or click to the drawn state.
"""

import argparse
import statistics
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import streamlit as st
from playwright.sync_api import Page, sync_playwright
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.testing.v1 import AppTest

from dashboard.settings import Settings, find_stores
from featurestore.reader import Store
from tests.benchmarks import report
from tests.served_dashboard import CHROMIUM, FLAGS, PATIENCE, READY, dashboard, ready

SHELL = Path(__file__).parents[2] / "dashboard" / "shell.py"
PAGES = ("overview", "map", "neighbors", "channels", "image", "mistakes", "about")
RERUNS, DRAWINGS, CLICKS = 20, 5, 10
FIRST_VISIT = 300_000
"""Milliseconds: the neighbours' page counts the agreement of the whole store once."""

DRAWN = ".stage[data-state=drawn]"
TARGETS = {"rerun": 0.1, "click": 0.2, 50_000: 4, 1_000_000: 8}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dashboard", description=__doc__)
    parser.add_argument("--stores", required=True, help="one store")
    parser.add_argument("--name", default="dashboard", help="of the JSON file (default: %(default)s)")
    options = parser.parse_args(arguments)
    name, path = next(iter(find_stores([options.stores]).items()))
    opening = report.seconds(lambda: Store(path).open())
    number = Store(path).open().image_count
    rows = [*server_rows(str(path), name, number), *browser_rows(str(path), name, number)]
    notes = [
        f"{number:,} images. Median and 95th percentile, seconds; opening the store (the manifest) {opening:.2g}."
    ]
    columns = ["what", "median, s", "95th percentile, s", "target, s"]
    title = f"The dashboard on {number:,} images"
    print(report.write(options.name, title, columns, rows, notes))
    return 0


def server_rows(path: str, name: str, number: int) -> list[list]:
    Settings((path,), "cpu", results_mb=0).write()
    st.cache_resource.clear()
    return [row(f"rerun of {page}", reruns(page, name, number), TARGETS["rerun"]) for page in PAGES]


def reruns(page: str, name: str, number: int) -> list[float]:
    """Seconds of the script in the server, for images drawn from a seed; the first ones fill the caches."""
    images = np.random.default_rng(0).integers(number, size=RERUNS + 2)
    app = AppTest.from_file(str(SHELL), default_timeout=120)
    app.run()
    if page != "overview":
        app.switch_page(f"app_pages/{page}.py")
    taken = []
    for image in images:
        app.query_params["store"], app.query_params["image"] = name, str(image)
        with timed(taken):
            app.run()
        if app.exception:
            raise ValueError(f"page {page}, image {image}: {app.exception[0].value}")
    return taken[2:]


class timed:
    """Appends the time of the script that runs in the meantime."""

    def __init__(self, taken: list[float]):
        self.taken, self.run = taken, ScriptRunner._run_script

    def __enter__(self):
        def run(runner, *arguments):
            started = perf_counter()
            self.run(runner, *arguments)
            self.taken.append(perf_counter() - started)

        ScriptRunner._run_script = run

    def __exit__(self, *_):
        ScriptRunner._run_script = self.run


def browser_rows(path: str, name: str, number: int) -> list[list]:
    with dashboard(path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        drawings = [drawing(browser, f"{address}/map?store={name}&map=tsne") for _ in range(1 + DRAWINGS)][1:]
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(FIRST_VISIT)
        page.goto(f"{address}/neighbors?store={name}&image=1")
        clicks = [click(ready(page)) for _ in range(2 + CLICKS)][2:]
        browser.close()
    return [
        row("map drawn, from the address", drawings, TARGETS.get(number, "")),
        row("click to neighbours", clicks, TARGETS["click"]),
    ]


def drawing(browser, url: str) -> float:
    """From the address to the drawn map, in a fresh context with an empty cache."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    started = perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(DRAWN)
    taken = perf_counter() - started
    context.close()
    return taken


def click(page: Page) -> float:
    """From a click on the nearest neighbour to its own neighbours' page at rest."""
    before = page.url
    button = page.locator(".grid button:has(img)").nth(1)
    button.wait_for()
    started = perf_counter()
    button.click()
    page.wait_for_function("before => location.href !== before", arg=before)
    page.wait_for_selector(READY)
    return perf_counter() - started


def row(what: str, times: list[float], target: float | str) -> list:
    return [what, statistics.median(times), float(np.quantile(times, 0.95)), str(target)]


if __name__ == "__main__":
    sys.exit(main())
