"""The main journeys of people in a real Chromium, from one page to the next."""

import shlex
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from compute.images.pictures import upscaled
from dashboard.widgets.live.result import SHORTER_SIDE
from featurestore.reader import Store
from tests.support.pictures import decoded, encoded, noise
from tests.support.servers.dashboard import DRAWN, address_has, draw_lasso, ready, shows_number
from tests.support.stores.served import write_other_store

AGAIN = "Compute again"
"""The button beside every result."""
UPLOADED = "upload="


@pytest.fixture(scope="module")
def photograph():
    """A PNG that no store has."""
    return encoded(noise(40, 40))


def asked(page, name):
    """What the address has of that name."""
    return page.evaluate("name => new URLSearchParams(location.search).get(name)", name)


def follow(page, name, path):
    """A click on the last link of this name to that page: the navigation's are above it."""
    links = page.get_by_role("link", name=name, exact=True)
    links.and_(page.locator(f"a[href*='{path}']")).last.click()
    return address_has(page, path)


def result(page):
    """The picture that the page shows as the result, as pixels (H, W, 3)."""
    page.get_by_role("button", name=AGAIN).wait_for()
    image = page.locator("img[alt^='Result of']")
    image.wait_for()
    src = image.evaluate("image => image.src")
    # The picture of a slider between before and after is in its own address.
    content = urlopen(src).read() if src.startswith("data:") else page.request.get(src).body()
    return decoded(content, "RGB")


def computed(page, out):
    """What the command line beside the result makes, as the page draws it."""
    page.get_by_role("button", name="Download", exact=True).click()
    command = page.get_by_test_id("stCode").first
    command.wait_for()
    words = shlex.split(command.inner_text())
    assert main([*words[3:-1], str(out)]) == 0
    return upscaled(np.asarray(Image.open(out).convert("RGB")), SHORTER_SIDE)


def test_from_a_lasso_over_its_grid_and_an_image_to_a_channel_and_its_patch(visit, stores):
    page = visit("/map?map=pca")
    page.wait_for_selector(DRAWN)
    draw_lasso(page)
    page.get_by_text("images selected").wait_for()
    thumbnails = page.locator(".grid button")
    image = thumbnails.nth(1).locator("img").evaluate("image => image.src").rsplit("/", 1)[1]
    thumbnails.nth(1).click()
    address_has(page, f"image={image}&")
    follow(page, "Strongest channels", "image?")
    badge = page.locator(".grid button:has(.badge)").first
    badge.wait_for()
    rank = int(badge.locator(".badge").inner_text()) - 1
    badge.click()
    address_has(page, "strong=")
    follow(page, "Open this channel", "channels?")
    layer, channel = asked(page, "layer"), asked(page, "channel")
    patch = Store(stores / "digits").open().top_patches(layer, int(channel)).to_pylist()[rank]
    assert str(patch["image_id"]) == image and f"rank={rank}" in page.url
    page.get_by_text(f"Patch {rank + 1}").wait_for()
    page.get_by_text(f"unit ({patch['y']}, {patch['x']}), {patch['value']:.4f}").wait_for()


def test_an_upload_goes_along_to_its_neighbours_and_into_the_lab(visit, stores, photograph):
    page = visit("/image?image=2")
    page.get_by_role("button", name="Upload").first.click()
    page.locator("input[type=file]").set_input_files(
        {"name": "noise.png", "mimeType": "image/png", "buffer": photograph}
    )
    address_has(page, UPLOADED)
    name = asked(page, "upload")
    page.locator("img[alt='photograph noise.png']").wait_for()
    ready(page).keyboard.press("Escape")
    page.get_by_test_id("stPopoverBody").wait_for(state="hidden")
    follow(page, "Neighbours", "neighbors?")
    assert f"upload={name}" in page.url
    page.get_by_text("An uploaded image, predicted").wait_for()
    page.locator(".grid").nth(1).locator("button").nth(11).wait_for()
    page.get_by_role("button", name="In the lab").click()
    follow(page, "Fooling image", "lab?")
    assert f"upload={name}" in page.url and "method=fool" in page.url
    page.get_by_role("button", name="Start").click()
    shown = result(page)
    again = visit(page.url)
    assert np.array_equal(result(again), shown)
    page.get_by_role("button", name="Back to the store").click()
    page.wait_for_function("() => !location.href.includes('upload=')")
    image = Store(stores / "digits").open().image(0)
    page.locator(f"img[alt^='Result of'][alt$='{image['path']}']").wait_for()


@pytest.fixture
def both_stores(stores):
    """ "digits" and "other", whose layers have the same names and other numbers of channels."""
    if not (stores / "other").exists():
        write_other_store(stores / "other")
    return stores


def test_another_store_keeps_the_layer_and_the_channel_also_at_the_next_click(visit, both_stores):
    page = visit("/channels?store=digits&layer=conv3&channel=3")
    page.get_by_test_id("stSelectbox").first.locator("input").click()
    page.get_by_role("option", name="other").click()
    address_has(page, "store=other")
    layers = Store(both_stores / "other").open().table("layers").to_pylist()
    channels = next(each["channels"] for each in layers if each["layer"] == "conv3")
    page.wait_for_function(
        "text => [...document.querySelectorAll('input')].some(input => input.value === text)",
        arg=f"conv3 ({channels} channels)",
    )
    page.get_by_test_id("stNumberInputStepUp").first.click()
    address_has(page, "channel=4")
    assert (asked(page, "store"), asked(page, "layer")) == ("other", "conv3")
    page.go_back(), page.go_back()
    address_has(page, "store=digits")
    page.get_by_test_id("stNumberInputStepUp").first.click()
    address_has(page, "channel=4")
    assert (asked(page, "store"), asked(page, "layer")) == ("digits", "conv3")


def test_two_people_with_two_stores_each_see_their_own(visit, both_stores, tmp_path):
    """The same image number, method and parameters at the same time; only the store is another."""
    stores = both_stores
    ask = "/lab?store={}&image=4&method=saliency&p.variant=smoothgrad&p.samples=200&p.seed=3"
    pages = {name: visit(ask.format(name)) for name in ("digits", "other")}
    for page in pages.values():
        page.get_by_role("button", name="Start").click()
    shown = {name: result(page) for name, page in pages.items()}
    for name, page in pages.items():
        run = Store(stores / name).open()
        assert f"store={name}&run={run.fingerprint}" in page.url
        page.locator(f"img[alt='{run.image(4)['path']}']").wait_for()
        assert np.array_equal(shown[name], computed(page, tmp_path / f"{name}.png"))
        page.keyboard.press("Escape")
    for name, page in pages.items():
        row = Store(stores / name).open().image(4)
        follow(page, "Image", "image?")
        page.get_by_text(f"{row['path']}, {row['width']} x {row['height']} pixels").wait_for()


def test_back_and_forward_over_pages_parameters_and_the_maps_camera(visit):
    """Every step is one entry of the history, and shows again what it showed."""
    page = visit("/map?map=pca&image=5")
    page.wait_for_selector(DRAWN)
    addresses, entries = [page.url], page.evaluate("history.length")

    def stepped(text):
        address_has(page, text)
        addresses.append(page.url)
        assert page.evaluate("history.length") == entries + len(addresses) - 1

    box = page.locator(".view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -240)
    stepped("camera=")
    page.get_by_role("link", name="Lab", exact=True).first.click()
    stepped("/lab")
    page.get_by_test_id("stButtonGroup").first.get_by_text("Saliency", exact=True).click()
    stepped("method=saliency")
    page.get_by_role("radio", name="smoothgrad", exact=True).click()
    stepped("p.variant=smoothgrad")
    page.get_by_role("link", name="Channels", exact=True).first.click()
    stepped("/channels")
    page.locator(".line a").first.click()
    stepped("show=channel")
    patches = pictures_of_grid(page)
    channel = page.get_by_test_id("stNumberInputField").first.input_value()
    page.get_by_test_id("stNumberInputStepUp").first.click()
    stepped(f"channel={int(channel) + 1}")
    assert pictures_of_grid(page) != patches

    last = len(addresses) - 1
    back = [("back", index) for index in range(last - 1, -1, -1)]
    forward = [("forward", index) for index in range(1, last)]
    for step, index in back + forward:
        page.evaluate(f"history.{step}()")
        page.wait_for_function("address => location.href === address", arg=addresses[index])
        ready(page)
        assert page.url == addresses[index]
    shows_number(page, channel)
    assert pictures_of_grid(page) == patches
    assert page.evaluate("history.length") == entries + len(addresses) - 1


def pictures_of_grid(page):
    images = page.locator(".grid").first.locator("img")
    images.first.wait_for()
    return images.evaluate_all("images => images.map(image => image.src)")


def shown_channels(page):
    """The channels that respond most unusually to the picture, as they are listed."""
    page.locator("[aria-label^='Channels that respond most unusually'] button img").first.wait_for()
    tiles = page.locator("[aria-label^='Channels that respond most unusually'] button img")
    return tiles.evaluate_all("images => images.map(image => image.alt)")


def draw_box(page, start, end):
    """Drag over the picture, from and to places in fractions of it; the address has the box then."""
    before = asked(page, "box")
    image = page.locator(".stage img").bounding_box()
    (x, y), (to_x, to_y) = (
        (image["x"] + across * image["width"], image["y"] + down * image["height"])
        for across, down in (start, end)
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=8)
    page.mouse.up()
    page.wait_for_function("before => new URLSearchParams(location.search).get('box') !== before", arg=before)
    ready(page)
    return [float(edge) for edge in asked(page, "box").split(",")]


def test_a_box_on_a_picture_to_its_channels_a_channels_card_and_another_image(visit, stores):
    page = visit("/channels")
    page.get_by_text("By a picture").click()
    address_has(page, "picture=1")
    page.locator(".stage img").wait_for()
    whole = shown_channels(page)
    box = draw_box(page, (0.1, 0.1), (0.45, 0.5))
    assert box == pytest.approx([0.1, 0.1, 0.45, 0.5], abs=0.03)
    page.get_by_text("What responds most unusually in the box").wait_for()
    first = shown_channels(page)
    assert first != whole
    draw_box(page, (0.55, 0.5), (0.95, 0.95))
    page.get_by_label("Channels that respond most unusually in the box").wait_for()
    other = shown_channels(page)
    assert other != first
    again = visit(page.url[page.url.index("/channels") :])
    again.locator(".stage .box:not([hidden])").wait_for()
    assert shown_channels(again) == other
    name = other[0].split(",")[0].removeprefix("channel ")
    channel, _, layer = name.partition(" of ")
    again.locator("[aria-label^='Channels that respond'] button").first.click()
    address_has(again, "show=channel")
    assert (asked(again, "channel"), asked(again, "layer")) == (channel, layer)
    again.go_back()
    address_has(again, "show=atlas")
    link = again.locator("[aria-label='Other images that have these channels'] a").first
    link.wait_for()
    image = link.evaluate("link => new URL(link.href).searchParams.get('image')")
    link.click()
    address_has(again, "/image?")
    assert asked(again, "image") == image


def test_a_question_in_sql_to_its_images_and_a_link_to_it(visit, stores):
    page = visit("/?show=ask")
    question = page.get_by_label("Question in SQL")
    question.fill("select image_id, label from images where label = '3' order by image_id limit 4")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("4 rows").wait_for()
    ready(page)
    again = visit(page.url[page.url.index("/?") :])
    again.get_by_text("4 rows").wait_for()
    assert "label = '3'" in again.get_by_label("Question in SQL").input_value()
    found = Store(stores / "digits").open().table("images", ["image_id", "label"]).to_pylist()
    expected = [each["image_id"] for each in found if each["label"] == "3"][:4]
    links = again.locator("[aria-label='Images of the answer'] a")
    assert str(expected[0]) in links.first.get_attribute("href")
    links.first.click()
    address_has(again, "/image?")
    assert asked(again, "image") == str(expected[0])
    wrong = visit("/?show=ask&sql=select nothing from nowhere")
    wrong.get_by_text("nowhere").first.wait_for()
