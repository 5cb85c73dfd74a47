"""Behind Debian's nginx, with a password, below a prefix: pages, routes, websocket, links; else nothing."""

import base64
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from featurestore.reader import Store
from tests.support import ROOT
from tests.support.servers.dashboard import DRAWN, PATIENCE, address_has, free_port, ready, serving
from tests.support.stores.served import copied_store, served_store

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PASSWORD = "team:open sesame"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of the proxy; it and the dashboard behind it run while the module's tests do."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    store = copied_store(folder / "digits")
    public = f"http://127.0.0.1:{port}/featurescope/"
    options = ["--public-url", public, "--trust-proxy", "127.0.0.1", "--findings", str(folder / "findings")]
    with serving(str(store), folder / "log", options, "/featurescope") as served:
        text = (ROOT / "tests/support/servers/nginx.conf").read_text()
        filled = {"folder": str(folder), "port": str(port), "server": str(urlsplit(served.address).port)}
        for name, value in filled.items():
            text = text.replace(f"@{name}@", value)
        (folder / "nginx.conf").write_text(text)
        user, _, password = PASSWORD.partition(":")
        (folder / "htpasswd").write_text(f"{user}:{{PLAIN}}{password}\n")
        # Its workers give up root's rights where a test run has them.
        os.chmod(folder, 0o755)
        files = ["-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        process = subprocess.Popen([NGINX, *files, "-g", "" if os.getuid() else "user root;"])
        try:
            _wait(public)
            yield public
        finally:
            process.terminate()
            process.wait(PATIENCE / 1000)


def _wait(url):
    end = time.monotonic() + 20
    while status(url, None) != 401:
        assert time.monotonic() < end, "nginx does not answer"
        time.sleep(0.1)


def ask(url, password=PASSWORD):
    headers = {"Authorization": "Basic " + base64.b64encode(password.encode()).decode()} if password else {}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE / 1000)


def status(url, password=PASSWORD):
    try:
        return ask(url, password).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_nothing_without_the_password(address):
    thumbnail = f"{address}thumbnail/digits/{Store(served_store()).current()}/3"
    for url in (address, f"{address}map", thumbnail, f"{address}_stcore/health"):
        assert status(url, None) == 401 and status(url, "team:wrong") == 401
        assert status(url) == 200
    with pytest.raises(InvalidStatus, match="401"):
        connect(address.replace("http", "ws") + "_stcore/stream")
    assert status(thumbnail.replace("/3", "/99999")) == 404
    # Below the prefix alone: at the top there is nginx's own page.
    assert status(thumbnail.replace("/featurescope", "")) == 404


def test_pages_pictures_and_links_below_the_prefix(address, browser):
    user, _, password = PASSWORD.partition(":")
    context = browser.new_context(
        http_credentials={"username": user, "password": password},
        permissions=["clipboard-read", "clipboard-write"],
        viewport={"width": 1400, "height": 1000},
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    missing = []
    page.on("response", lambda answer: answer.status >= 400 and missing.append(answer.url))
    for path in ("", "map", "neighbors?image=3", "image?image=7"):
        page.goto(address + path)
        ready(page)
    page.get_by_role("link", name="Lab").first.click()
    address_has(page, "/featurescope/lab?")
    page.goto(f"{address}lab?image=7&method=saliency&live=1")
    page.get_by_role("button", name="Compute again").wait_for()
    page.get_by_test_id("stPopover").filter(has_text="Copy link").get_by_role("button").first.click()
    page.get_by_role("button", name="Copy short link").click()
    page.get_by_role("button", name="Copied").first.wait_for()
    short = page.evaluate("navigator.clipboard.readText()")
    assert short.startswith(f"{address}s/digits/")
    page.goto(short)
    page.get_by_text("Reproduced: the same run, and the result has the same bytes").wait_for()
    assert page.url.startswith(f"{address}lab?")
    page.goto(f"{address}map")
    page.wait_for_selector(DRAWN)
    # Streamlit looks for its own addresses below each page first.
    assert [url for url in missing if "/_stcore/" not in url] == []
    context.close()
