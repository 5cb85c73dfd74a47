"""Rows, cards and pictures as links: a click is one entry of the history, and a browser's own keys work."""

from datetime import UTC, datetime

import pytest

from dashboard.findings.folder import Folder
from dashboard.findings.record import Finding
from featurestore.reader import Store
from tests.support.pictures import encoded, noise
from tests.support.servers.dashboard import address_has, ready, serving


def click_the_middle(page, place):
    """As a person does, wherever the link lies."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize(
    ("view", "label", "column", "asked"),
    [
        ("/?store=digits", "Layers", 4, "/channels?"),
        (
            "/mistakes?store=digits&tab=classes&sort=-images",
            "Counts, recall and precision of each class",
            7,
            "label=",
        ),
    ],
)
def test_a_click_anywhere_on_a_row_follows_it_and_back_returns(visit, view, label, column, asked):
    page = visit(view)
    row = page.get_by_role("table", name=label).locator("tbody tr").nth(1)
    row.wait_for()
    before, entries = page.url, page.evaluate("history.length")
    address = row.locator("a").first.evaluate("link => link.href")
    loads = page.evaluate("performance.timeOrigin")
    click_the_middle(page, row.locator("th, td").nth(column))
    address_has(page, asked)
    ready(page)
    assert without_channel(page.url) == without_channel(address)
    assert page.evaluate("history.length") == entries + 1 and page.evaluate("performance.timeOrigin") == loads
    page.go_back()
    page.wait_for_function("address => location.href === address", arg=before)
    ready(page)
    row.locator("a").first.wait_for()


def without_channel(address):
    """A row leads to the channel that its layer shows first, which the page then names."""
    return [part for part in address.split("&") if not part.startswith("channel=")]


def test_a_row_is_reached_and_followed_by_keys_alone(visit):
    page = visit("/?store=digits")
    link = page.get_by_role("table", name="Layers").get_by_role("link", name="conv2")
    link.focus()
    page.keyboard.press("Enter")
    address_has(page, "layer=conv2")


def test_a_row_opens_in_a_tab_of_its_own(visit):
    page = visit("/?store=digits")
    link = page.get_by_role("table", name="Layers").get_by_role("link", name="conv2")
    with page.context.expect_page() as opened:
        link.click(button="middle")
    assert "layer=conv2" in ready(opened.value).url and "/channels" not in page.url


def test_a_column_s_title_sorts_and_sorts_the_other_way_round(visit):
    page = visit("/mistakes?store=digits&tab=classes")
    table = page.get_by_role("table", name="Counts, recall and precision of each class")
    for sort, order in (("-images", "descending"), ("images", "ascending")):
        table.get_by_role("link", name="Images").click()
        address_has(page, f"sort={sort}&")
        page.locator(f"th[aria-sort={order}]").wait_for()
        counts = [int(text) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
        assert counts == sorted(counts, reverse=sort == "-images")


def test_a_cell_of_its_own_leads_to_what_is_right(visit):
    page = visit("/mistakes?store=digits&tab=classes")
    row = page.get_by_role("table").locator("tbody tr").filter(has=page.locator("td:nth-child(3) a")).first
    name, count = (row.locator(place).inner_text() for place in ("th", "td:nth-child(3)"))
    row.locator("td:nth-child(3) a").click()
    address_has(page, f"predicted={name}")
    page.get_by_text(f"{count} images, the least sure ones first").wait_for()


def test_the_picture_of_a_result_opens_it(visit):
    page = visit("/lab?store=digits&image=4&method=saliency&live=1")
    page.get_by_role("button", name="Compute again").wait_for()
    page.goto(page.url.split("/lab")[0] + "/results?store=digits&method=saliency")
    ready(page)
    link = page.locator("a.over").first
    link.wait_for()
    entries = page.evaluate("history.length")
    link.click()
    address_has(page, "/lab?")
    page.get_by_role("button", name="Compute again").wait_for()
    assert "method=saliency" in page.url and page.evaluate("history.length") == entries + 1


def test_the_picture_of_a_finding_opens_its_view(visit, stores, tmp_path):
    run = Store(stores / "digits").open().fingerprint
    query = {"store": "digits", "run": run, "image": "3", "count": "7"}
    folder = Folder(tmp_path)
    folder.add(
        Finding(
            "Seven of <b>three</b>",
            "",
            datetime.now(UTC).replace(microsecond=0),
            "neighbors",
            query,
            "digits",
            run,
        ),
        encoded(noise(40, 60)),
    )
    with serving(str(stores), options=["--findings", str(tmp_path)]) as served:
        page = visit(f"{served.address}/findings?store=digits")
        link = page.get_by_role("link", name="Open: thumbnail of Seven of <b>three</b>")
        link.click()
        address_has(page, "/neighbors?")
        ready(page)
        assert "image=3" in page.url and "count=7" in page.url
        page.go_back()
        address_has(page, "/findings?")
        link.wait_for()
