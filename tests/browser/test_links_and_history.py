"""The dashboard in a real Chromium: a link shows all the same, Back and Forward work, jobs are shared."""

import pytest

from tests.support.servers.dashboard import DRAWN, address_has, pictures, ready, shows_number


def test_a_link_shows_the_same_to_everybody(visit):
    mine = visit("/image?image=7&tab=live&method=saliency")
    mine.get_by_role("button", name="Compute again").wait_for()
    assert "run=" in mine.url and "p.variant=usual" in mine.url
    yours = visit(mine.url)
    yours.get_by_role("button", name="Compute again").wait_for()
    assert yours.url == mine.url
    shows_number(yours, "7")
    shows_number(mine, "7")
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
        shows_number(page, image)
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
    shows_number(page, "6")


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


def test_a_job_that_nobody_watches_any_more_is_listed_and_cancelled(visit):
    page = visit("/lab?image=3&method=invert&p.iterations=4096&live=1")
    page.get_by_text("of 4096").wait_for()
    page.goto("about:blank")
    page = visit("/results")
    page.get_by_text("of 4096").wait_for()
    assert "method=invert" in page.get_by_role("link", name="Open").first.get_attribute("href")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Nothing runs or waits").wait_for()


def test_a_live_result_finishes(visit):
    page = visit("/lab?image=4&method=ascend&target=3&p.iterations=150")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Compute again").wait_for()
    # The ascent of a class reads no image, and keeps the one that the next method may read.
    assert page.get_by_label("Image", exact=True).count() == 0
    assert "live=1" in page.url and "image=4" in page.url


def test_a_point_of_the_map_leads_to_its_image(visit):
    page = visit("/map")
    page.wait_for_selector(DRAWN)
    box = page.locator(".view").bounding_box()
    card = page.locator(".card")
    places = ((x, y) for y in range(6, 95, 3) for x in range(6, 95, 3))
    for x, y in places:
        page.mouse.move(box["x"] + box["width"] * x / 100, box["y"] + box["height"] * y / 100)
        if card.is_visible():
            break
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("() => !location.href.includes('image=-1')")
    ready(page)
    page.get_by_role("link", name="Explain").first.click()
    address_has(page, "/image")


@pytest.mark.parametrize(
    ("view", "path"),
    [
        ("/mistakes?store=digits&label=1&predicted=1", "/image"),
        ("/mistakes?store=digits&tab=neighbors&k=20&images_page=1", "/neighbors"),
        ("/?store=digits&scaling=all", "/channels"),
        ("/image?store=digits&image=3&overlay=0", "tab=channels"),
    ],
)
def test_a_click_is_one_entry_and_back_returns_to_the_list(visit, view, path):
    page = visit(view)
    tiles = page.locator(".grid a")
    tiles.nth(1).wait_for()
    before, entries = page.url, page.evaluate("history.length")
    shown = tiles.locator("img").evaluate_all("images => images.map(image => image.alt)")
    address = tiles.nth(1).get_attribute("href")
    tiles.nth(1).click()
    address_has(page, path)
    assert page.url == address and page.evaluate("history.length") == entries + 1
    page.go_back()
    page.wait_for_function("address => location.href === address", arg=before)
    ready(page)
    tiles.nth(1).wait_for()
    assert tiles.locator("img").evaluate_all("images => images.map(image => image.alt)") == shown
    assert page.evaluate("history.length") == entries + 1


def test_a_picture_opens_in_a_tab_of_its_own(visit):
    page = visit("/mistakes?store=digits&label=1&predicted=1")
    with page.context.expect_page() as opened:
        page.locator(".grid a").nth(1).click(modifiers=["ControlOrMeta"])
    other = ready(opened.value)
    assert "/image?" in other.url and "/mistakes" in page.url
