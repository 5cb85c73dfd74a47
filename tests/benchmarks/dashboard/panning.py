"""Frames a second while a map is dragged about, with thumbnails and without, in the same page by turns.

    python -m tests.benchmarks.dashboard.panning --stores stores/fifty stores/million --write

Chromium draws WebGL in software here, on the machine's cores, beside the server. A graphics card draws the
points in no time: what is compared is what the thumbnails add. A frame is the time between two animation
frames while the mouse drags; the browser makes 60 a second at most. What the page itself needs of a frame,
with any card, is the processor time of its main thread: 16.7 ms are there for it.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from playwright.sync_api import Page, sync_playwright

from featurestore.reader import Store
from tests.benchmarks.reporting import report
from tests.support.servers.dashboard import CHROMIUM, DRAWN, FLAGS, dashboard

SOFTWARE = [*FLAGS, "--enable-unsafe-swiftshader"]
PATIENCE = 300_000
ROUNDS, STEPS, LONGEST, REACH = 3, 90, 8, 240
"""Drags of each kind, movements of the mouse in one, its seconds at most, and CSS pixels to either side."""

COLUMNS = [
    "images",
    "view",
    "thumbnails",
    "frames a second",
    "frame, median (ms)",
    "frame, 95th percentile (ms)",
    "page's own time a frame (ms)",
]
RECORD = """() => {
  window.frames_ = []
  const tick = now => { window.frames_.push(now); window.recording_ = requestAnimationFrame(tick) }
  window.recording_ = requestAnimationFrame(tick)
}"""
SHEET = re.compile(r"/sprites/.*/\d+/\d+_\d+$")
STOP = "() => { cancelAnimationFrame(window.recording_); return window.frames_ }"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dashboard.panning")
    parser.add_argument("--stores", type=Path, nargs="+", required=True)
    parser.add_argument("--map", default="tsne")
    parser.add_argument("--write", action="store_true", help="keep the result")
    chosen = parser.parse_args()
    rows, waits = [], []
    for store in chosen.stores:
        found, wait = _of_store(store, chosen.map)
        rows += found
        waits.append(wait)
        for row in found:
            print(*row, sep="  ", flush=True)
    note = (
        f"{ROUNDS} drags of each kind by turns, {STEPS} movements or {LONGEST} s each, at 1400 x 1000, "
        "WebGL in software on the server's own cores. Close up: about as many images are in view as fit. "
        f"From the click that asks for the first thumbnails of a map to these: {', '.join(waits)}."
    )
    if chosen.write:
        report.write("dashboard/panning", "Dragging a map", COLUMNS, rows, [note])
    print(note)


def _of_store(store: Path, method: str) -> tuple[list[list[str | float]], str]:
    number = Store(store).open().image_count
    rows: list[list[str | float]] = []
    wait = 0.0
    with dashboard(str(store)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE)
        for view, zoom in (("all of it", 1.0), ("close up", _close_up(number))):
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{address}/map?store={store.name}&map={method}&pictures=never&camera=0,0,{zoom:.4g}")
            page.wait_for_selector(DRAWN)
            page.wait_for_timeout(2000)
            taken = _show(page)
            wait = wait or taken
            page_time = _PageTime(page)
            frames: dict[bool, list[float]] = {True: [], False: []}
            spent = {True: 0.0, False: 0.0}
            for turn in range(2 * ROUNDS):
                before = page_time.milliseconds()
                frames[turn % 2 == 0] += _drag(page)
                spent[turn % 2 == 0] += page_time.milliseconds() - before
                page.get_by_role("button", name="Thumbnails at any zoom").click()
                page.wait_for_timeout(1500)
            rows += [
                [f"{number:,}", view, *_row(shown, frames[shown], spent[shown])] for shown in (False, True)
            ]
            page.close()
        browser.close()
    return rows, f"{wait:.1f} s of {number:,} images"


def _close_up(number: int) -> float:
    """The zoom at which about a hundred images of an even map are in view."""
    return float(np.sqrt(number / 100))


def _show(page: Page) -> float:
    """Press the button, and wait until a sheet of thumbnails has come. Returns the seconds that took."""
    started = perf_counter()
    with page.expect_response(SHEET):
        page.get_by_role("button", name="Thumbnails at any zoom").click()
    taken = perf_counter() - started
    page.wait_for_timeout(5000)
    return taken


def _drag(page: Page) -> list[float]:
    """Drag the map to and fro. Returns milliseconds of each frame."""
    box = page.locator(".view").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(RECORD)
    started = perf_counter()
    for step in range(1, STEPS + 1):
        if perf_counter() - started > LONGEST:
            break
        angle = 2 * np.pi * step / STEPS
        page.mouse.move(x + REACH * float(np.sin(angle)), y + REACH / 2 * float(np.sin(2 * angle)))
    times = page.evaluate(STOP)
    page.mouse.up()
    return np.diff(times).tolist()


class _PageTime:
    """The processor time of a page's main thread: scripts, styles, layout and painting."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def milliseconds(self) -> float:
        """Return what it has used since the page was opened."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")


def _row(shown: bool, frames: Sequence[float], spent: float) -> list[str | float]:
    middle, slow = np.quantile(frames, (0.5, 0.95)).tolist()
    return [
        "shown" if shown else "none",
        round(1000 / float(np.mean(frames)), 1),
        round(middle, 1),
        round(slow, 1),
        round(spent / len(frames), 1),
    ]


if __name__ == "__main__":
    main()
