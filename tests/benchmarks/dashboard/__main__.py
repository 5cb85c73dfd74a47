"""The dashboard on a store: server time of every page (`page_reruns`), time to a drawn map and a click.

    python -m tests.support.stores.large stores/large --images 1000000
    python -m tests.support.stores.large stores/other --images 1000000 --seed 1
    python -m tests.benchmarks.dashboard --store stores/large --other stores/other

The map and a click to an image's neighbours are timed in Chromium (software WebGL) against a server of its
own, from the address or click to the drawn state.
"""

import argparse
import statistics
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from playwright.sync_api import Page, sync_playwright

from featurestore.reader import Store
from tests.benchmarks.dashboard.page_reruns import KEPT, server_times
from tests.benchmarks.reporting import report
from tests.support.servers.dashboard import CHROMIUM, FLAGS, PATIENCE, READY, dashboard, ready

DRAWINGS, CLICKS = 5, 10
FIRST_VISIT = 300_000
"""Milliseconds: the neighbours' page counts the agreement of the whole store once."""

DRAWN = ".stage[data-state=drawn]"
TARGETS = {"rerun": 0.1, "click": 0.2, 50_000: 4, 1_000_000: 8}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dashboard", description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True, help="a second one over the same images")
    parser.add_argument(
        "--trust-model", nargs="*", default=[], metavar="FILE", help="the store's, if it has one"
    )
    parser.add_argument(
        "--name", default="dashboard/reruns", help="of the JSON file in results/ (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    opening = report.seconds(lambda: Store(options.store).open())
    number = Store(options.store).open().image_count
    times = server_times(options.store, options.other, tuple(options.trust_model))
    rows = [row(f"rerun of {what}", taken[1:], TARGETS["rerun"], taken[0]) for what, taken in times.items()]
    rows += browser_rows(str(options.store), options.store.name, number)
    notes = [
        f"{number:,} images, {KEPT} results and findings. Seconds; a first visit is of a server that has "
        "read nothing of the store, a rerun shows another image; opening the store (the manifest) takes "
        f"{opening:.2g}."
    ]
    columns = ["what", "first visit", "median", "95th percentile", "target"]
    title = f"The dashboard on {number:,} images"
    print(report.write(options.name, title, columns, rows, notes))
    return 0


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


def row(what: str, times: list[float], target: float | str, first: float | str = "") -> list:
    return [what, first, statistics.median(times), float(np.quantile(times, 0.95)), str(target)]


if __name__ == "__main__":
    sys.exit(main())
