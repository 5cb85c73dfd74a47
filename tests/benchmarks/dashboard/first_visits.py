"""What a visit of each page costs: layout shift, bytes, and seconds until there is something to see.

    python -m tests.benchmarks.dashboard.first_visits --stores stores [--store NAME] [--visits N] [--write]

Each visit is in a browser that has nothing kept ("cold") and then again in the same one ("warm"), of a server
that has drawn the page once. `--shown` shows the page from the beginning, which the server's own start hides
until its parts have their size, and says what moved; so does a visit of more than 0.1.
"""

import argparse
import statistics
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from dashboard.views.navigation import PAGES, path_of
from tests.benchmarks.reporting import report
from tests.support.servers.dashboard import CHROMIUM, FLAGS, PATIENCE, READY, dashboard
from tests.support.servers.layout_shift import WATCH, WORST

COLUMNS = (
    "page", "cold: CLS", "MB", "requests", "s to see", "s to stand",
    "warm: CLS", "MB, warm", "s to see, warm", "s to stand, warm",
)  # fmt: skip
MUCH = 0.1
"""A layout shift of which is said what moved."""
SETTLED = 2500
"""Milliseconds after which nothing moves any more."""

# What is below the header bar and not a grey bar in its place.
SEEN = """
window.seen = undefined
const look = () => {
  const main = document.querySelector("[data-testid=stMain]")
  const kinds = "img, canvas, table, .js-plotly-plot, [data-testid=stMetric], [data-testid=stDataFrame],"
    + "[data-testid=stHeading], [data-testid=stMarkdownContainer] p, [data-testid^=stBidiComponent]"
  const inSight = element => {
    const { top, height, width } = element.getBoundingClientRect()
    return top > 90 && top < innerHeight && height > 12 && width > 12
      && getComputedStyle(element).visibility === "visible"
  }
  if (main && [...main.querySelectorAll(kinds)].some(inSight)) window.seen = performance.now()
  else requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""
SHOWN = """
new MutationObserver(() => document.documentElement.classList.remove("arriving"))
  .observe(document.documentElement, { attributes: true })
"""
MOVED = """() => shifts.map(([value, time, sources]) => [value, time, sources])"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", required=True, help="a folder of stores")
    parser.add_argument("--store", default="", help="the one that is shown (default: the first)")
    parser.add_argument("--pages", nargs="*", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--visits", type=int, default=2)
    parser.add_argument("--gzip", action="store_true", help="from a browser that takes no Brotli")
    parser.add_argument("--shown", action="store_true", help="never hide the page, and say what moves")
    parser.add_argument("--write", action="store_true", help="keep the result")
    chosen = parser.parse_args()
    rows = []
    with dashboard(chosen.stores) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for page in chosen.pages:
            rows.append(_row(browser, page, f"{address}/{path_of(page)}?store={chosen.store}", chosen))
            print(*rows[-1], sep="  ", flush=True)
        browser.close()
    note = (
        f"Medians of {chosen.visits} visits at 1400 x 950 of a server that has drawn the page before; CLS is "
        "their largest. To see: something of the page below its header bar. To stand: the script has ended."
    )
    if chosen.write:
        report.write("dashboard/first_visits", "First visits", COLUMNS, rows, [note])


def _row(browser: Browser, page: str, address: str, chosen: argparse.Namespace) -> list[Any]:
    context = browser.new_context()
    _visit(context, address, chosen)
    context.close()
    cold, warm = [], []
    for _ in range(chosen.visits):
        encoding = {"Accept-Encoding": "gzip"} if chosen.gzip else {}
        context = browser.new_context(viewport={"width": 1400, "height": 950}, extra_http_headers=encoding)
        cold.append(_visit(context, address, chosen))
        warm.append(_visit(context, address, chosen))
        context.close()
    row: list[Any] = [page, max(each["shift"] for each in cold)]
    row += [_median(cold, name) for name in ("megabytes", "requests", "seen", "stands")]
    row.append(max(each["shift"] for each in warm))
    return row + [_median(warm, name) for name in ("megabytes", "seen", "stands")]


def _median(visits: list[dict[str, float]], name: str) -> float:
    return round(statistics.median(each[name] for each in visits), 3)


def _visit(context: BrowserContext, address: str, chosen: argparse.Namespace) -> dict[str, float]:
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    for script in (WATCH, SEEN, *((SHOWN,) if chosen.shown else ())):
        page.add_init_script(script)
    network, sizes = context.new_cdp_session(page), []
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    started = perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(READY)
    stands = perf_counter() - started
    page.wait_for_timeout(SETTLED)
    shift, seen = page.evaluate(WORST), page.evaluate("seen ?? NaN")
    if chosen.shown or shift > MUCH:
        for line in _moved(page.evaluate(MOVED)):
            print("   ", line)
    page.close()
    return {
        "shift": round(shift, 3),
        "megabytes": sum(sizes) / 1e6,
        "requests": len([each for each in sizes if each]),
        "seen": seen / 1000,
        "stands": stands,
    }


def _moved(shifts: list[tuple[float, float, list[str]]]) -> Iterator[str]:
    """What moved, where that can be seen."""
    for value, time, sources in shifts:
        if value > 0.005:
            yield f"{value:.3f} at {time:.0f} ms: {'; '.join(sources)}"


if __name__ == "__main__":
    main()
