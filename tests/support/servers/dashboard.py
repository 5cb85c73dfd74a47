"""A dashboard of its own on a free port, and the Chromium that looks at it."""

import asyncio
import contextlib
import hashlib
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NOT_WANTED = [
    # The address bar's lists: each window makes two pages for them, which takes longer than a page of ours.
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    # Those that Playwright turns off: of this flag, Chromium heeds the last one alone.
    *("AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay"),
    *("MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
    *("PreconnectToSearch", "ThirdPartyStoragePartitioning"),
]
FLAGS = [
    f"--disable-features={','.join(NOT_WANTED)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
PATIENCE = 120_000
"""Milliseconds, for a machine that is busy."""
DRAWN = ".stage[data-state=drawn]"
"""A map or grid that has drawn all that it has."""


@dataclass(frozen=True)
class Served:
    """pid: of the server's process."""

    address: str
    pid: int


@contextlib.contextmanager
def dashboard(stores: str) -> Iterator[str]:
    """The address of a dashboard that serves `stores` while the context lasts."""
    with serving(stores) as served:
        yield served.address


@contextlib.contextmanager
def serving(
    stores: str, log: Path | None = None, options: Sequence[str] = (), base_path: str = ""
) -> Iterator[Served]:
    """log: what the server writes to its standard output and error. options: of its command line, which may
    put it below a base_path."""
    port = free_port()
    command = [sys.executable, "-m", "dashboard", "--stores", stores, "--device", "cpu", "--port", str(port)]
    command += options
    address = f"http://127.0.0.1:{port}{base_path}"
    with contextlib.nullcontext(subprocess.DEVNULL) if log is None else log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            wait_for(process, f"{address}/_stcore/health")
            yield Served(address, process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE / 1000)


def ready(page):
    """The page once it is drawn and nothing runs."""
    page.wait_for_selector(READY)
    page.wait_for_selector("h2")
    page.wait_for_timeout(300)
    page.wait_for_selector(READY)
    return page


def far_away(page, seconds: float) -> None:
    """Let all that the page's server says come that much later. Call it before the page is opened."""

    def connect(socket) -> None:
        server, loop = socket.connect_to_server(), asyncio.get_event_loop()
        socket.on_message(server.send)
        server.on_message(lambda message: loop.call_later(seconds, socket.send, message))

    page.route_web_socket(lambda url: True, connect)


def pictures(page) -> dict[str, str]:
    """Digests of all pictures that the page shows, by their description."""
    images = page.locator("[data-testid=stImage] img")
    images.first.wait_for()
    shown = [(image.get_attribute("alt"), image.evaluate("image => image.src")) for image in images.all()]
    return {alt: hashlib.sha256(page.request.get(source).body()).hexdigest() for alt, source in shown}


def shows_number(page, number: str) -> None:
    """Waits until the first number field, the page's image or channel, has this number."""
    page.wait_for_function(
        "number => document.querySelector('[data-testid=stNumberInputField]').value === number", arg=number
    )


def address_has(page, text: str):
    """The page once its address has this text and it is drawn."""
    page.wait_for_function("text => location.href.includes(text)", arg=text)
    return ready(page)


def draw_lasso(page) -> None:
    """Around most points of the page's first map."""
    page.get_by_role("button", name="Lasso (or hold Shift)").first.click()
    box = page.locator(".view").first.bounding_box()
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.4 * box["height"]
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 25):
        angle = math.tau * step / 25
        page.mouse.move(x + radius * math.cos(angle), y + radius * math.sin(angle))
        page.wait_for_timeout(25)
    page.mouse.up()
    address_has(page, "selection=")


def copied_link(page, button):
    """What a button of the link panel puts onto the clipboard."""
    inside = page.get_by_role("button", name=button, exact=True).nth(1 if button == "Copy link" else 0)
    if not inside.is_visible():
        page.get_by_test_id("stPopover").filter(has_text="Copy link").get_by_role("button").first.click()
    inside = page.get_by_test_id("stPopoverBody")
    inside.get_by_role("button", name=button, exact=True).click()
    inside.get_by_role("button", name="Copied").first.wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def free_port() -> int:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(process: subprocess.Popen, url: str) -> None:
    """Until the address answers. RuntimeError where the process ends before, or takes too long."""
    end = time.monotonic() + PATIENCE / 1000
    while not _answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{url} does not answer")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False
