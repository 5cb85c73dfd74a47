"""Back after a click that leads to another page: one step, to the list with its filters."""

import pytest

from tests.support.servers.dashboard import address_has, ready


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
