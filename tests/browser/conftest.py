"""For the browser tests: one server and one store a test run."""

import contextlib
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.support.servers.dashboard import PATIENCE, dashboard, ready
from tests.support.stores.served import copied_store

HERE = Path(__file__).parent
NOT_OURS = ("WebGL", "GPU stall", "GL Driver", "Failed to load resource", "Image source error")
"""In messages of Chromium about its own software rendering, and of what `watch` reads from the answers."""
EXPECTED = ("/media/",)
"""May be refused: a running job's picture is gone once the next one is there."""


FAILED = pytest.StashKey[bool]()
"""Of a test that went wrong while it ran."""


def pytest_collection_modifyitems(items):
    """Every test of this folder needs a browser."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Tell the fixtures of a test, which are taken down after it, whether it went wrong."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """A folder with the store "digits", beside which live results, selections and links may be kept."""
    folder = tmp_path_factory.mktemp("stores")
    copied_store(folder / "digits")
    return folder


@pytest.fixture(scope="session")
def server(stores):
    with dashboard(str(stores)) as address:
        yield address


@pytest.fixture
def visit(browser, request):
    """Opens an address, each time in a browser of its own. Nothing may be asked from elsewhere, and nothing
    may go wrong in the browser. prepare: is given the page before it goes there."""
    contexts, wrong = [], []

    def open_page(address, prepare=None):
        url = address if address.startswith("http") else request.getfixturevalue("server") + address
        context = browser.new_context(
            viewport={"width": 1400, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        watch(page, "/".join(url.split("/")[:3]), wrong)
        if prepare is not None:
            prepare(page)
        page.goto(url)
        return ready(page)

    yield open_page
    for context in contexts:
        if request.node.stash.get(FAILED, False):
            _say_what_is_shown(context)
        context.close()
    assert wrong == []


def _say_what_is_shown(context):
    """Print each page of a browser, for whoever can't look at the one that a test has failed on."""
    for page in context.pages:
        with contextlib.suppress(PlaywrightError):
            state = page.locator("[data-testid=stApp]").get_attribute("data-test-script-state", timeout=5000)
            print(f"{page.url}\nThe page ({state}) shows:\n{page.inner_text('body', timeout=5000)[:4000]}")


def watch(page, server, wrong):
    """Notes requests to other hosts, exceptions, errors on the console and answers of 400 and above."""
    own = (server, server.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(own) or wrong.append(f"foreign: {request.url}"))
    page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
    page.on("response", lambda answer: _is_refusal(answer) and wrong.append(f"{answer.status}: {answer.url}"))
    page.on("console", lambda message: _is_error(message) and wrong.append(f"console: {message.text}"))


def _is_refusal(answer):
    return answer.status >= 400 and not any(each in answer.url for each in EXPECTED)


def _is_error(message):
    return message.type == "error" and not any(each in message.text for each in NOT_OURS)
