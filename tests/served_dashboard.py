"""A dashboard of its own on a free port, and the Chromium that looks at it."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
PATIENCE = 60_000
"""Milliseconds, for a machine that is busy."""


@contextlib.contextmanager
def dashboard(stores: str) -> Iterator[str]:
    """The address of a dashboard that serves `stores` while the context lasts."""
    port = _free_port()
    command = [sys.executable, "-m", "dashboard", "--stores", stores, "--device", "cpu", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, f"{address}/_stcore/health")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def ready(page):
    """The page once it is drawn and nothing runs."""
    page.wait_for_selector(READY)
    page.wait_for_selector("h2")
    page.wait_for_timeout(300)
    page.wait_for_selector(READY)
    return page


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(process: subprocess.Popen, url: str) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while not _answers(url):
        if process.poll() is not None:
            raise RuntimeError(f"the dashboard ended with {process.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"{url} does not answer")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False
