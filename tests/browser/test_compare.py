"""Compare in a real Chromium: an image on both sides, one lasso in both maps, a proof of both runs."""

import pytest

from featurestore.reader import Store
from tests.support.servers.dashboard import DRAWN, address_has, copied_link, dashboard, draw_lasso, ready
from tests.support.stores.served import copied_store, write_second_store, write_served_store


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two stores over some of the same images."""
    folder = tmp_path_factory.mktemp("two")
    copied_store(folder / "digits")
    write_second_store(folder / "second")
    return folder


@pytest.fixture(scope="module")
def address(two):
    with dashboard(str(two)) as served:
        yield f"{served}/compare?store=digits&other_store=second"


def test_a_click_shows_an_image_on_both_sides(visit, address):
    page = visit(f"{address}&tab=neighbors")
    entries = page.evaluate("history.length")
    page.locator(".grid a:has(img)").first.click()
    address_has(page, "image=")
    page.get_by_role("group", name="Neighbours by second").wait_for()
    image = page.url.split("image=")[1].split("&")[0]
    page.get_by_text(f"The neighbours of image {image}").wait_for()
    assert page.locator(".grid").count() == 3 and page.evaluate("history.length") == entries + 1
    listed = page.locator(".grid").last.locator("a")
    images = listed.evaluate_all("cards => cards.map(card => new URL(card.href).searchParams.get('image'))")
    page.keyboard.press("j")
    address_has(page, f"image={images[1]}&")
    ready(page).go_back()
    page.get_by_text(f"The neighbours of image {image}").wait_for()
    ready(page).go_back()
    address_has(page, "image=-1&")


def test_a_point_of_a_series_opens_the_two_runs_that_it_is_of(visit, address):
    page = visit(f"{address}&tab=series")
    points = page.locator(".scatterlayer .point")
    points.nth(1).wait_for()
    points.nth(1).click(force=True)
    address_has(page, "tab=summary")
    assert "store=digits&" in page.url and "other_store=second&" in page.url
    page.get_by_text("the predicted class of").wait_for()


def test_a_lasso_in_one_map_is_in_the_other_and_the_link_proves_both_runs(visit, address, two):
    page = visit(f"{address}&tab=maps&map=pca")
    page.locator(DRAWN).nth(1).wait_for()
    unmarked = page.locator(".view").nth(1).screenshot()
    draw_lasso(page)
    page.locator(DRAWN).nth(1).wait_for()
    page.wait_for_timeout(500)
    assert page.locator(".view").nth(1).screenshot() != unmarked
    link = copied_link(page, "Copy link")
    assert "~other~" in link and len(link) < 2000
    yours = visit(link)
    yours.get_by_text("Reproduced: the same two runs").wait_for()
    assert yours.url == link
    write_served_store(two / "second", "--limit", "9", "--stages", "activations,neighbors,embeddings")
    later = visit(link)
    later.get_by_role("button", name="Compare with its current run").click()
    later.get_by_text("Differs by the other run").wait_for()
    assert f"other_run={Store(two / 'second').current()}" in later.url
