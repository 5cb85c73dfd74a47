"""The dashboard in a real Chromium: a link shows all the same, Back and Forward work, jobs are shared."""

from datetime import UTC, datetime

import pytest

from dashboard.findings.folder import Folder
from dashboard.findings.record import Finding
from featurestore.reader import Store
from tests.support.pictures import encoded, noise
from tests.support.servers.dashboard import (
    DRAWN,
    address_has,
    far_away,
    pictures,
    ready,
    serving,
    shows_number,
)


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


def test_a_press_on_start_also_ends_what_was_being_typed_and_starts_with_it(visit):
    page = visit("/lab?image=2&method=invert")
    page.get_by_role("spinbutton", name="Iterations").fill("17")
    start = page.get_by_role("button", name="Start")
    start.hover()
    page.mouse.down()
    address_has(page, "p.iterations=17")
    page.mouse.up()
    address_has(page, "live=1")
    page.get_by_role("button", name="Compute again").wait_for()


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
    """A row leads to the atlas, which then names the layer and channel that a card would show first."""
    names = ("channel=", "layer=")
    return [part for part in address.split("&") if not part.startswith(names)]


def test_a_row_is_reached_and_followed_by_keys_alone(visit):
    page = visit("/?store=digits")
    link = page.get_by_role("table", name="Layers").get_by_role("link", name="conv2")
    link.focus()
    page.keyboard.press("Enter")
    address_has(page, "opened=conv2")


def test_a_row_opens_in_a_tab_of_its_own(visit):
    page = visit("/?store=digits")
    link = page.get_by_role("table", name="Layers").get_by_role("link", name="conv2")
    with page.context.expect_page() as opened:
        link.click(button="middle")
    assert "opened=conv2" in ready(opened.value).url and "/channels" not in page.url


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
    page = visit("/lab?store=digits&image=4&method=saliency&p.variant=integrated&live=1")
    page.get_by_role("button", name="Compute again").wait_for()
    page.goto(page.url.split("/lab")[0] + "/results?store=digits&method=saliency")
    ready(page)
    link = page.locator("a.over[href*='variant=integrated']").first  # other tests leave others
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


FAR = 0.5
"""Seconds until a browser has the server's answer, in which a person clicks more than once."""


def far(page):
    far_away(page, FAR)


def test_what_is_typed_is_kept_where_the_next_click_comes_before_the_answer(visit):
    page = visit("/?show=ask", prepare=far)
    page.get_by_label("Question in SQL").fill("select image_id from images order by image_id limit 3")
    # The field is left when the button is pressed, and the button clicked when it is let go.
    page.get_by_role("button", name="Ask", exact=True).click(delay=150)
    page.get_by_text("3 rows").wait_for()
    assert page.get_by_label("Question in SQL").input_value().startswith("select image_id")


def test_each_click_counts_where_the_next_comes_before_the_answer_and_back_still_leads_back(visit):
    page = visit("/neighbors?image=3", prepare=far)
    up = page.get_by_test_id("stNumberInputStepUp").first
    for _ in range(6):
        up.click()
        page.wait_for_timeout(600 * FAR)
    address_has(page, "image=9")
    ready(page)
    page.wait_for_timeout(2000 * FAR)
    shows_number(page, "9")
    while "image=3" not in page.url:
        before = page.url
        page.go_back()
        page.wait_for_function("before => location.href !== before", arg=before)
    address_has(page, "image=3")
    page.wait_for_timeout(2000 * FAR)
    shows_number(page, "3")
    assert "image=3" in page.url


def test_what_a_click_has_set_is_kept_where_the_next_comes_before_the_answer(visit):
    page = visit("/?show=ask", prepare=far)
    page.get_by_role("button", name="Columns of a table").click()
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("column_name").first.wait_for(state="attached")
    assert page.get_by_label("Question in SQL").input_value() == "DESCRIBE images"
