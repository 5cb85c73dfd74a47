"""The dashboard in a real Chromium: a link shows all the same, Back and Forward work, jobs are shared."""

import hashlib
import os

import pytest
from served_dashboard import CHROMIUM, FLAGS, PATIENCE, dashboard, ready
from served_store import served_store

REQUIRED = os.environ.get("FEATURESCOPE_REQUIRE_BROWSER") == "1"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED,
    reason="no chromium on the PATH (FEATURESCOPE_REQUIRE_BROWSER=1 makes this fail)",
)


@pytest.fixture(scope="module")
def server():
    with dashboard(str(served_store())) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, server):
    """Opens an address in a browser context of its own; nothing may be asked from elsewhere."""
    contexts, foreign = [], []

    def open_page(path):
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on(
            "request",
            lambda request: foreign.append(request.url) if is_foreign(request.url, server) else None,
        )
        page.goto(path if path.startswith("http") else server + path)
        return ready(page)

    yield open_page
    for context in contexts:
        context.close()
    assert foreign == []


def is_foreign(url, server):
    return not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))


def pictures(page):
    """Digests of all pictures that the page shows, by their description."""
    images = page.locator("[data-testid=stImage] img")
    images.first.wait_for()
    shown = [(image.get_attribute("alt"), image.evaluate("image => image.src")) for image in images.all()]
    return {alt: hashlib.sha256(page.request.get(source).body()).hexdigest() for alt, source in shown}


def shows_image(page, image):
    page.wait_for_function(
        "image => document.querySelector('[data-testid=stNumberInputField]').value === image", arg=image
    )


def address_has(page, text):
    page.wait_for_function("text => location.href.includes(text)", arg=text)
    return ready(page)


def test_a_link_shows_the_same_to_everybody(visit):
    mine = visit("/image?image=7&tab=live&method=saliency")
    mine.get_by_role("button", name="Compute again").wait_for()
    assert "run=" in mine.url and "p.variant=gradient" in mine.url
    yours = visit(mine.url)
    yours.get_by_role("button", name="Compute again").wait_for()
    assert yours.url == mine.url
    shows_image(yours, "7")
    shows_image(mine, "7")
    assert pictures(yours) == pictures(mine) and len(pictures(mine)) >= 4


def test_back_and_forward_walk_through_the_changes(visit):
    page = visit("/neighbors?image=3")
    shown = {"3": pictures(page)}
    for image in ("4", "5"):
        page.get_by_test_id("stNumberInputStepUp").first.click()
        address_has(page, f"image={image}")
        shown[image] = pictures(page)
    assert len({tuple(each.values()) for each in shown.values()}) == 3
    entries = page.evaluate("history.length")
    for step, image in ((page.go_back, "4"), (page.go_back, "3"), (page.go_forward, "4")):
        step()
        address_has(page, f"image={image}")
        shows_image(page, image)
        assert pictures(page) == shown[image]
    assert page.evaluate("history.length") == entries


def test_the_navigation_is_one_entry_and_carries_the_image(visit):
    page = visit("/neighbors?image=6&count=9")
    entries = page.evaluate("history.length")
    page.get_by_role("link", name="Lab").first.click()
    address_has(page, "/lab")
    assert "image=6" in page.url and page.evaluate("history.length") == entries + 1
    page.go_back()
    address_has(page, "/neighbors")
    assert "image=6" in page.url and "count=9" in page.url
    shows_image(page, "6")


def test_a_job_started_here_is_watched_and_cancelled_there(visit):
    link = "/lab?image=2&method=invert&p.iterations=4096"
    mine = visit(link)
    mine.get_by_role("button", name="Start").click()
    address_has(mine, "live=1")
    yours = visit(mine.url)
    cancel = yours.get_by_role("button", name="Cancel")
    cancel.wait_for()
    yours.get_by_text("of 4096").wait_for()
    cancel.click()
    yours.get_by_text("This was cancelled").wait_for()
    mine.get_by_text("This was cancelled").wait_for()


def test_a_live_result_finishes(visit):
    page = visit("/lab?image=4&method=ascend&target=3&p.iterations=150")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Compute again").wait_for()
    shows_image(page, "4")
    assert "live=1" in page.url


def test_a_point_of_the_map_leads_to_its_image(visit):
    page = visit("/map")
    canvas = page.locator("canvas").first
    canvas.wait_for()
    page.wait_for_timeout(1500)
    box = canvas.bounding_box()
    for x, y in [(x, y) for y in range(6, 95, 6) for x in range(20, 95, 6)]:
        page.mouse.click(box["x"] + box["width"] * x / 100, box["y"] + box["height"] * y / 100)
        page.wait_for_timeout(60)
        if "image=-1" not in page.url:
            break
    ready(page)
    assert "image=-1" not in page.url
    page.get_by_role("link", name="Explain").first.click()
    address_has(page, "/image")
