"""The components in a real Chromium: what a person does comes back, what Python sets is shown."""

import json
import math
import os
import subprocess
import sys

import pytest

from compute.reports.drawing import palettes
from compute.reports.drawing.coloring import Coloring
from dashboard.components import GridItem, build, image_grid, scatter
from dashboard.views import urls
from tests.support import ROOT
from tests.support.pictures import decoded
from tests.support.servers.dashboard import DRAWN, FLAGS, PATIENCE, READY, free_port, wait_for
from tests.support.stores.small import CLASSES, SIDE, write_store

NEXT_POINT = 0.95 / (SIDE - 1)
"""Half the distance of neighbouring points, in heights of half the map."""


@pytest.fixture(scope="module")
def flags():
    """WebGL in software, whose pixels are looked at."""
    others = [each for each in FLAGS if each != "--disable-gpu"]
    return [*others, "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser):
    assert build.main() == 0
    folder = tmp_path_factory.mktemp("components")
    write_store(folder / "small")
    port = free_port()
    own = {"STORE": str(folder / "small"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "tests.support.servers.component_app", str(port)]
        server = subprocess.Popen(command, env={**os.environ, **own}, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for(server, f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE / 1000)


@pytest.fixture
def visit(browser, address):
    """Opens a page; at the end nothing may have failed in it, nor been asked from elsewhere."""
    page = browser.new_page(viewport={"width": 900, "height": 700})
    page.set_default_timeout(PATIENCE)
    problems, elsewhere = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            elsewhere.append(request.url)
            if request.url.startswith("http") and not request.url.startswith(address)
            else None
        ),
    )

    def open_page(show, ready, **asked):
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        page.goto(f"{address}/?show={show}&{query}")
        page.wait_for_selector(READY)
        page.wait_for_selector(ready)
        return page

    yield open_page
    page.close()
    assert problems == []
    assert elsewhere == []


def came_back(page, name, after=None):
    """The value that Python got; waits until it has one, another than `after`."""
    for _ in range(300):
        texts = page.get_by_test_id("stText").all_inner_texts()
        came = json.loads(texts[0]) if texts else {}
        if came.get(name, after) != after:
            return came[name]
        page.wait_for_timeout(100)
    raise AssertionError(f"{name} did not come back, but {came}")


def middle(page):
    box = page.locator(".view").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] / 2


def place(page, image):
    """Where the map shows an image when all of it is seen."""
    x, y, half = middle(page)
    row, col = divmod(image, SIDE)
    return x + half * NEXT_POINT * (2 * col - SIDE + 1), y + half * NEXT_POINT * (2 * row - SIDE + 1)


def test_image_grid_returns_the_image_clicked(visit):
    page = visit("image_grid", ".frame.loaded")
    assert page.locator(".grid button img").nth(3).get_attribute("alt") == "image 3"
    page.locator(".grid button").nth(5).click()
    assert came_back(page, "clicked") == 5
    page.wait_for_selector("button[aria-current=true] img[alt='image 5']")


def test_image_grid_is_one_tab_stop_and_moves_by_arrow_keys(visit):
    page = visit("image_grid", ".frame.loaded")
    assert page.locator(".grid button[tabindex='0']").count() == 1
    page.locator(".grid button").first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert came_back(page, "clicked") == 6


def test_image_grid_has_fewer_columns_where_they_would_be_too_narrow(visit):
    page = visit("image_grid", ".frame.loaded")
    columns = "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').map(parseFloat)"
    assert page.locator(".grid").evaluate(columns) == [96] * 4
    page.set_viewport_size({"width": 300, "height": 700})
    page.wait_for_function("() => innerWidth === 300")
    narrow = page.locator(".grid").evaluate(columns)
    assert len(narrow) < 4 and min(narrow) >= 60


def test_image_grid_draws_the_box_where_the_image_is(visit):
    page = visit("image_grid", ".grid button:first-child .frame.loaded")
    image = page.locator(".grid button").first.locator("img").bounding_box()
    box = page.locator(".grid button").first.locator(".box").bounding_box()
    assert image["width"] / image["height"] == pytest.approx(20 / 12, rel=0.03)
    assert (box["x"] - image["x"]) / image["width"] == pytest.approx(0.25, abs=0.02)
    assert (box["y"] - image["y"]) / image["height"] == pytest.approx(0.5, abs=0.02)
    assert box["width"] / image["width"] == pytest.approx(0.5, abs=0.02)


def drag(page, start, end):
    """From one place of the picture to another, both in fractions of it."""
    image = page.locator(".stage img").bounding_box()
    places = [(image["x"] + x * image["width"], image["y"] + y * image["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=6)
    page.mouse.up()


def where(page):
    """The box that is drawn, in fractions of the picture: left, top, right, bottom."""
    image, box = (page.locator(each).bounding_box() for each in (".stage img", ".stage .box"))
    left, top = (box["x"] - image["x"]) / image["width"], (box["y"] - image["y"]) / image["height"]
    return left, top, left + box["width"] / image["width"], top + box["height"] / image["height"]


def test_image_box_is_drawn_moved_and_resized_by_pointer(visit):
    page = visit("image_box", ".stage img")
    page.wait_for_timeout(300)
    drag(page, (0.6, 0.7), (0.2, 0.3))
    box = came_back(page, "box")
    assert box == pytest.approx([0.2, 0.3, 0.6, 0.7], abs=0.02)
    assert where(page) == pytest.approx(box, abs=0.01)
    drag(page, (0.4, 0.5), (0.9, 0.5))
    box = came_back(page, "box", after=box)
    assert box == pytest.approx([0.6, 0.3, 1, 0.7], abs=0.02)
    drag(page, (0.6, 0.3), (0.5, 0.1))
    box = came_back(page, "box", after=box)
    assert box == pytest.approx([0.5, 0.1, 1, 0.7], abs=0.02)
    drag(page, (0.1, 0.1), (0.1, 0.1))
    page.wait_for_timeout(600)
    assert came_back(page, "box") == box and where(page) == pytest.approx(box, abs=0.01)


def test_image_box_works_by_keyboard_and_says_where_it_is(visit):
    page = visit("image_box", ".stage img", box="0.2,0.2,0.5,0.5")
    stage = page.get_by_role("application", name="The part that counts")
    assert where(page) == pytest.approx((0.2, 0.2, 0.5, 0.5), abs=0.01)
    stage.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    box = came_back(page, "box")
    assert box == pytest.approx([0.22, 0.24, 0.54, 0.52], abs=1e-6)
    assert page.locator("[aria-live]").inner_text() == "Box from 22 % to 54 % across, from 24 % to 52 % down"
    page.keyboard.press("Escape")
    page.locator(".stage .box").wait_for(state="hidden")
    assert came_back(page, "box", after=box) is None
    page.keyboard.press("ArrowUp")
    assert came_back(page, "box") == pytest.approx([0.3, 0.3, 0.7, 0.7])


def test_image_box_stays_within_what_is_seen(visit):
    page = visit("image_box", ".stage img", seen="0.25,0,0.75,1")
    page.wait_for_timeout(300)
    drag(page, (0.02, 0.1), (0.98, 0.6))
    assert came_back(page, "box") == pytest.approx([0.25, 0.1, 0.75, 0.6], abs=0.02)


def test_image_box_is_drawn_by_a_finger(visit, browser):
    address = visit("image_box", ".stage img").url
    context = browser.new_context(has_touch=True, viewport={"width": 420, "height": 800})
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(".stage img")
    page.wait_for_timeout(500)
    image = page.locator(".stage img").bounding_box()
    session = context.new_cdp_session(page)
    for kind, place in (("Start", (0.1, 0.2)), ("Move", (0.3, 0.4)), ("Move", (0.5, 0.8)), ("End", None)):
        x, y = place or (0, 0)
        at = {"x": image["x"] + x * image["width"], "y": image["y"] + y * image["height"]}
        points = [] if place is None else [at]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    assert came_back(page, "box") == pytest.approx([0.1, 0.2, 0.5, 0.8], abs=0.02)
    context.close()


def test_scatter_returns_the_image_clicked_and_shows_its_card(visit):
    page = visit("scatter", DRAWN)
    page.mouse.move(*place(page, 8))
    page.wait_for_selector(".card:not([hidden])")
    page.wait_for_selector(f".card >> text={CLASSES[8 % 3]}")
    assert page.locator(".card img").get_attribute("src").endswith("/8")
    page.mouse.click(*place(page, 8))
    assert came_back(page, "clicked") == 8
    page.wait_for_selector(".ring:not([hidden])")


def test_scatter_is_set_by_a_link(visit):
    spot = f"{NEXT_POINT},{NEXT_POINT},4"
    page = visit("scatter", DRAWN, camera=spot, selected=1)
    # Image 15 is one column right and one row above the middle of the map; 14 is chosen, and to its left.
    page.mouse.click(*middle(page)[:2])
    assert came_back(page, "clicked") == 15
    page.get_by_role("button", name="Zoom in").click()
    x, y, zoom = came_back(page, "camera")
    assert (x, y) == (pytest.approx(NEXT_POINT, abs=1e-3), pytest.approx(NEXT_POINT, abs=1e-3))
    assert zoom == pytest.approx(6, rel=1e-3)


MOVED_AND_PRESSED_IN_ONE_FRAME = """
(canvas, [x, y]) => {
  const tell = (type, x, buttons) => canvas.dispatchEvent(
    new MouseEvent(type, { bubbles: true, composed: true, clientX: x, clientY: y, buttons, view: window }))
  const frame = () => new Promise(requestAnimationFrame)
  tell("mousemove", x - 150, 0)
  return frame().then(frame).then(() => {
    tell("mousemove", x, 0)
    tell("mousedown", x, 1)
  }).then(frame).then(frame).then(() => tell("mouseup", x, 0))
}
"""


def test_scatter_is_not_dragged_by_how_the_mouse_came_before_it_was_pressed(visit):
    page = visit("scatter", DRAWN, camera="0.1,0.2,4")
    canvas = page.locator(".view canvas").first
    canvas.evaluate(MOVED_AND_PRESSED_IN_ONE_FRAME, list(middle(page)[:2]))
    page.get_by_role("button", name="Zoom in").click()
    assert came_back(page, "camera")[:2] == [pytest.approx(0.1, abs=1e-3), pytest.approx(0.2, abs=1e-3)]


def test_scatter_highlights_a_class_and_works_by_keyboard(visit):
    page = visit("scatter", DRAWN)
    page.locator(".legend button", has_text=CLASSES[2]).click()
    assert came_back(page, "highlight") == CLASSES[2]
    page.locator(".view").focus()
    for key in ("+", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    # A quarter of the height of what is seen to the right of the middle: between the columns 3 and 4.
    assert came_back(page, "clicked") % SIDE in (3, 4)


def painted(page):
    """How many pixels of the thumbnails' canvas are drawn on, once nothing moves any more."""
    page.wait_for_timeout(600)
    pixels = "getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
    return page.locator("canvas.sprites").evaluate(f"canvas => canvas.{pixels}.filter(Boolean).length")


def test_scatter_shows_thumbnails_where_the_images_in_view_fit_side_by_side(visit):
    page = visit("scatter", DRAWN)
    whole = painted(page)
    x, y = place(page, 8)
    # Off its point, where no point lies, but within the thumbnail.
    page.mouse.move(x + 18, y - 18)
    page.wait_for_selector(f".card >> text={CLASSES[8 % 3]}")
    page.mouse.click(x + 18, y - 18)
    assert came_back(page, "clicked") == 8
    page.locator(".legend button", has_text=CLASSES[2]).click()
    came_back(page, "highlight")
    assert painted(page) == pytest.approx(whole / 3, rel=0.1)


def test_scatter_shows_thumbnails_at_any_zoom_or_never(visit):
    page = visit("scatter", DRAWN, pictures="never", camera="0,0,0.6")
    near, always = (
        page.get_by_role("button", name=f"Thumbnails {how}") for how in ("close up", "at any zoom")
    )
    assert (painted(page), near.get_attribute("aria-pressed")) == (0, "false")
    always.click()
    assert came_back(page, "pictures") == "always"
    assert painted(page) > 0
    assert always.get_attribute("aria-pressed") == "true"
    always.click()
    assert came_back(page, "pictures", after="always") == "never"
    assert painted(page) == 0
    near.click()
    assert came_back(page, "pictures", after="never") == "near"


def test_scatter_returns_the_images_in_a_lasso_drawn_across_thumbnails(visit):
    page = visit("scatter", DRAWN)
    painted(page)
    x, y, half = middle(page)
    page.get_by_role("button", name="Lasso (or hold Shift)").click()
    radius = 2.2 * NEXT_POINT * half
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for step in range(1, 25):
        angle = math.tau * step / 25
        page.mouse.move(x + radius * math.cos(angle), y + radius * math.sin(angle))
        page.wait_for_timeout(25)
    assert float(page.locator("canvas.sprites").evaluate("canvas => getComputedStyle(canvas).opacity")) < 0.5
    page.mouse.up()
    assert sorted(came_back(page, "lasso")) == [14, 15, 20, 21]
    assert "clicked" not in json.loads(page.get_by_test_id("stText").inner_text())


def test_scatter_outlines_clusters_and_names_as_many_as_have_room(visit):
    page = visit("scatter", DRAWN)
    ring = [-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5]
    made = [
        {"name": name, "share": 0.876, "images": 1234, "x": x, "y": y, "rings": [ring]}
        for name, x, y in (("ant", 0.2, 0.2), ("bee", 0.22, 0.21), (None, -0.3, -0.6))
    ]
    page.route("**/clusters/**", lambda route: route.fulfill(json={"clusters": made}))
    page.get_by_role("button", name="Clusters").click()
    assert came_back(page, "outlined") is True
    names = page.locator(".names button:visible")
    names.first.wait_for()
    assert [text.replace("\n", "") for text in names.all_inner_texts()] == ["ant88%", "1,234 images"]
    box, (x, y, half) = names.first.bounding_box(), middle(page)
    assert box["x"] + box["width"] / 2 == pytest.approx(x + 0.2 * half, abs=2)
    assert box["y"] + box["height"] / 2 == pytest.approx(y - 0.2 * half, abs=2)
    names.last.click()
    assert came_back(page, "cluster") == 2
    assert "clicked" not in json.loads(page.get_by_test_id("stText").inner_text())
    page.get_by_role("button", name="Clusters").click()
    assert came_back(page, "outlined", after=True) is False
    assert names.count() == 0


def saturation(page, image):
    """Of the map's pixel at an image, 0 for greys."""
    x, y = place(page, image)
    shot = page.screenshot(clip={"x": round(x) - 1, "y": round(y) - 1, "width": 3, "height": 3})
    pixels = decoded(shot, "HSV")
    return float(pixels[..., 1].mean() / 255)


def test_scatter_shows_what_a_search_found_and_lets_the_others_recede(visit):
    page = visit("scatter", DRAWN, search=f"label:{CLASSES[1]}")
    page.wait_for_timeout(500)
    found, others = ([saturation(page, image) for image in images] for images in ((10, 13, 16), (9, 11, 12)))
    assert min(found) > 0.4 > 0.25 > max(others)


def test_legend_of_many_classes_lists_those_that_occur_and_is_searched(visit):
    page = visit("scatter", DRAWN, color="many")
    entry = page.locator(".legend .entries button")
    assert [text.split("\n")[0] for text in entry.all_inner_texts()] == ["name 0", "name 1", "name 2"]
    field = page.get_by_label("Find in 100 colours")
    field.fill("NAME 99")
    page.get_by_text("No such name.").wait_for()
    field.fill("NAME 2")
    assert entry.inner_text().split("\n")[0] == "name 2"
    entry.click()
    assert came_back(page, "highlight") == "name 2"


def test_confusion_matrix_returns_the_cell_clicked_and_takes_it_back(visit):
    page = visit("confusion_matrix", "table button")
    page.get_by_label("ant taken for bee: 2 images, 22% of the label").click()
    assert came_back(page, "clicked") == ["ant", "bee"]
    page.wait_for_selector("td button[aria-pressed=true]")
    page.get_by_label("ant taken for bee").click()
    page.wait_for_function(
        "document.querySelector('[data-testid=stText]').innerText.includes('[\"\", \"\"]')"
    )


def test_confusion_matrix_is_one_tab_stop_and_moves_by_arrow_keys(visit):
    page = visit("confusion_matrix", "table button")
    assert page.locator("table button[tabindex='0']").count() == 1
    page.get_by_label("label bee").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert came_back(page, "clicked") == ["bee", "bee"]
    page.get_by_label("predicted cow").click()
    page.wait_for_selector("thead button[aria-pressed=true]")
    assert came_back(page, "clicked", after=["bee", "bee"]) == ["", "cow"]


def test_confusion_matrix_calls_a_class_by_its_name_and_returns_the_class(visit):
    page = visit("confusion_matrix", "table button", titled="")
    called = "<b>wood ants</b> (ant)"
    assert [each.inner_text() for each in page.locator("tbody th").all()] == [called, "bee"]
    assert page.locator("thead th button").first.get_attribute("title") == f"predicted {called}"
    page.get_by_label(f"bee taken for {called}: 1 images").click()
    assert came_back(page, "clicked") == ["bee", "ant"]
    page.get_by_label(f"label {called}", exact=True).click()
    assert came_back(page, "clicked", after=["bee", "ant"]) == ["ant", ""]


def test_scatter_calls_a_class_by_its_name_and_returns_the_class(visit):
    page = visit("scatter", DRAWN, titled="")
    called = "<b>wood ants</b> (ant)"
    assert [each.inner_text() for each in page.locator(".legend .name").all()] == ["zebra", called, "moth"]
    painted(page)
    x, y = place(page, 10)
    page.mouse.move(x + 18, y - 18)
    page.locator(".card strong", has_text=called).wait_for()
    page.locator(".legend button", has_text="wood ants").click()
    assert came_back(page, "highlight") == "ant"


def test_scatter_has_a_scale_for_values(visit):
    page = visit("scatter", DRAWN, color="loss")
    assert page.locator(".legend .ends").inner_text().split() == ["≤", "0.035", "nat", "≥", "3.47"]


def test_scatter_says_that_it_needs_webgl(visit, browser):
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(visit("image_grid", ".grid button").url.replace("image_grid", "scatter"))
    page.wait_for_selector(".stage[data-state=no-webgl] >> text=WebGL")
    page.close()


def test_deep_zoom_shows_tiles_and_returns_cell_and_bounds(visit):
    page = visit("deep_zoom", DRAWN)
    x, y, half = middle(page)
    cell = 2 * half / SIDE
    page.mouse.click(x - 1.5 * cell, y + 0.5 * cell)
    assert came_back(page, "clicked") == [3, 1]
    page.get_by_role("button", name="Zoom in").click()
    left, top, right, bottom = came_back(page, "bounds")
    assert (left + right) / 2 == pytest.approx(3, abs=0.02)
    assert (top + bottom) / 2 == pytest.approx(3, abs=0.02)
    assert bottom - top == pytest.approx(SIDE / 1.5, abs=0.05)


def test_deep_zoom_is_set_by_a_link(visit):
    page = visit("deep_zoom", DRAWN, bounds="0,3,2,5", selected=1)
    frame = page.locator(".frame").bounding_box()
    x, y, half = middle(page)
    # The cell (4, 1) is below and to the right of the middle of what is seen, a quarter of it in size.
    assert (frame["x"], frame["y"]) == (pytest.approx(x, abs=3), pytest.approx(y, abs=3))
    assert frame["width"] == pytest.approx(half, abs=3)
    page.mouse.click(x - 20, y - 20)
    assert came_back(page, "clicked") == [3, 0]


def test_lock_file_names_no_registry():
    lock = json.loads((ROOT / "dashboard/components/package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_palette_must_fit_the_categories():
    coloring = Coloring("label", None, categories=CLASSES)
    where = urls.scatter_map("small", "run", "pca", "label")
    with pytest.raises(ValueError, match="2 colours for 3 categories"):
        scatter(where, coloring, key="map", palette=palettes.VERDICTS)


def test_image_grid_returns_nothing_outside_a_page():
    assert image_grid([GridItem(1, "thumbnail/1", alt="one")], key="grid") is None
