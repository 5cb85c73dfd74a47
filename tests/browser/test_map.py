"""Map and Mistakes in a real Chromium: search, lasso, from a cell of the matrix to its images."""

from datetime import UTC, datetime

import pyarrow.compute as pc
import pytest
from playwright.sync_api import expect

from compute.analysis.image_search import search
from compute.reports.maps.clusters import named_clusters
from dashboard.findings.names.folder import FOLDER, NamesFolder
from dashboard.findings.names.of_run import names_in
from dashboard.findings.names.record import Name, stem_of
from featurestore.reader import Store
from tests.support.servers.dashboard import DRAWN, address_has, draw_lasso, serving
from tests.support.stores.served import IMAGES


@pytest.fixture(scope="module")
def images(stores):
    return Store(stores / "digits").open().table("images")


def buttons(page):
    return page.locator(".grid :is(a, button)")


def test_a_search_marks_its_hits_and_lists_them(visit, images):
    asked = []
    page = visit("/map")
    page.wait_for_selector(DRAWN)
    page.on("response", lambda response: asked.append(response) if "/hits/" in response.url else None)
    page.get_by_label("Search", exact=True).fill("label:3")
    page.get_by_label("Search", exact=True).press("Enter")
    address_has(page, "search=label%3A3")
    found = search(images, "label:3")
    page.get_by_text(f"{len(found)} of {IMAGES} images found").wait_for()
    page.wait_for_selector(DRAWN)
    assert buttons(page).count() == len(found) > 0
    assert [response.status for response in asked] == [200]
    page.get_by_role("button", name="Select the hits").click()
    page.get_by_text(f"{len(found)} images selected").wait_for()
    page.go_back()
    address_has(page, "search=label%3A3")
    page.get_by_text("images selected").wait_for(state="hidden")


def test_a_lasso_leads_to_its_images_and_to_their_tools(visit):
    page = visit("/map?map=pca")
    page.wait_for_selector(DRAWN)
    draw_lasso(page)
    page.get_by_text("images selected").wait_for()
    picked = buttons(page).locator("img").evaluate_all("images => images.map(image => image.src)")
    assert 2 < len(picked) < IMAGES
    again = visit(page.url)
    again.get_by_text("images selected").wait_for()
    assert buttons(again).locator("img").evaluate_all("images => images.map(image => image.src)") == picked
    buttons(again).nth(2).click()
    image = picked[2].rsplit("/", 1)[1]
    address_has(again, f"image={image}&")
    again.set_viewport_size({"width": 700, "height": 1000})
    again.get_by_role("link", name="Strongest channels").last.click()
    address_has(again, "/image")
    assert f"image={image}&" in again.url
    again.go_back()
    address_has(again, "selection=")
    again.get_by_text("images selected").wait_for()
    again.get_by_role("link", name="Neighbours").last.click()
    address_has(again, "/neighbors")
    assert f"image={image}" in again.url


def test_a_brush_over_a_histogram_is_a_range_of_the_search(visit, images):
    page = visit("/map?map=pca")
    figure = page.locator("figure", has_text="Probability")
    bars = figure.locator(".bars")
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.505 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.99 * box["width"], middle, steps=4)
    page.mouse.up()
    address_has(page, "search=probability%3A0.5..")
    found = search(images, "probability:0.5..")
    page.get_by_text(f"{len(found)} of {IMAGES} images found").wait_for()
    figure.get_by_text(f"≥ 0.5 · {len(found)}").wait_for()
    page.get_by_role("slider", name="Loss, to").focus()
    page.keyboard.press("ArrowLeft")
    address_has(page, "loss%3A..%3C")
    again = visit(page.url)
    again.get_by_text("Grid", exact=True).click()
    again.wait_for_selector(DRAWN)
    veiled = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    )
    again.locator("canvas.veil").wait_for()
    again.wait_for_timeout(1000)
    assert again.locator("canvas.veil").evaluate(veiled)
    again.get_by_role("button", name="clear", exact=True).first.click()
    address_has(again, "search=loss%3A..%3C")
    again.get_by_role("button", name="clear", exact=True).click()
    again.get_by_text("images found").wait_for(state="hidden")
    again.wait_for_timeout(1000)
    assert not again.locator("canvas.veil").evaluate(veiled)


def test_a_click_on_a_clusters_name_selects_its_images(visit, stores):
    page = visit("/map?map=tsne")
    page.wait_for_selector(DRAWN)
    page.get_by_role("button", name="Clusters").click()
    address_has(page, "clusters=1")
    found = named_clusters(Store(stores / "digits").open(), "tsne")
    names = page.locator(".names button:visible")
    names.first.wait_for()
    largest = found.table.to_pylist()[0]
    assert names.first.inner_text().replace("\n", "") == f"{largest['name']}{largest['share']:.0%}"
    names.first.click()
    page.get_by_text(f"{largest['images']} images selected").wait_for()
    again = visit(page.url)
    again.get_by_text(f"{largest['images']} images selected").wait_for()
    again.locator(".names button:visible").first.wait_for()


def test_a_cell_of_the_confusion_matrix_shows_its_images(visit, images):
    page = visit("/mistakes")
    right = images.filter(pc.and_(pc.equal(images["label"], "0"), pc.equal(images["predicted"], "0")))
    page.get_by_label("0 recognised").click()
    address_has(page, "label=0&predicted=0")
    page.get_by_text("0, recognised").wait_for()
    assert buttons(page).count() == len(right) > 0
    page.get_by_label("label 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    address_has(page, "label=1&predicted=0")
    page.get_by_text("1 taken for 0").wait_for()
    page.go_back()
    address_has(page, "label=0&predicted=0")
    page.get_by_text("0, recognised").wait_for()
    buttons(page).first.click()
    address_has(page, "/image")


def test_a_class_stays_chosen_while_its_name_is_given_and_taken_away(visit, stores, tmp_path):
    folder = NamesFolder(tmp_path / "findings" / FOLDER)
    run = Store(stores / "digits").open()
    label = named_clusters(run, "tsne").table.to_pylist()[0]["name"]
    name = Name("<b>round</b>", names_in(folder, run).the_class(label), datetime.now(UTC))
    called = f"<b>round</b> ({label})"
    splits = iter(("test", "train", "all splits"))
    with serving(str(stores), options=["--findings", str(tmp_path / "findings")]) as served:
        page = visit(f"{served.address}/mistakes?label={label}")
        box = page.get_by_test_id("stSelectbox").filter(has_text="Label").locator("input").first
        for change, shown in (
            (lambda: folder.give(name), called),
            (lambda: folder.remove(stem_of(name.thing)), label),
            (lambda: folder.give(name), called),
        ):
            change()
            page.get_by_role("radio", name=next(splits), exact=True).click()
            expect(box).to_have_value(shown)
            assert f"label={label}&" in page.url
        page.goto(f"{served.address}/map?map=tsne&clusters=1")
        page.locator(".names button .name").filter(has_text=called).first.wait_for()
        page.locator(".legend .name").filter(has_text=called).wait_for()
