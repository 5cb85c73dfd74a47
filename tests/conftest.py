"""What all tests share."""

import gc
import os

import pytest

from featurestore.objects.parts import FOLDER
from tests.support.page_options import set_page_options
from tests.support.servers.dashboard import CHROMIUM, FLAGS

REQUIRED = os.environ.get("FEATURESCOPE_REQUIRE_BROWSER") == "1"


def pytest_collection_finish() -> None:
    """All libraries are loaded: the collector needn't look through them again and again, as in a server."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def page_options() -> None:
    set_page_options()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> None:
    """What is kept on this machine (`featurestore.objects.parts`) is no test's to find or to leave."""
    os.environ.setdefault(FOLDER, str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def flags():
    """Of Chromium's command line."""
    return FLAGS


@pytest.fixture(scope="module")
def browser(flags):
    """One Chromium a module: of the whole run, its event loop would be in the way of tests with their own."""
    if CHROMIUM is None and REQUIRED:
        pytest.fail("no Chromium on the PATH")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH (FEATURESCOPE_REQUIRE_BROWSER=1 makes this fail)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()
