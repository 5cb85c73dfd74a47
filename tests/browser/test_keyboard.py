"""Hands on the keyboard: to the next and previous image, to what "/" finds, and which keys there are."""

from playwright.sync_api import expect

from featurestore.reader import Store
from tests.support.servers.dashboard import address_has, far_away, ready, serving


def test_j_and_k_walk_through_the_list_that_one_came_from(visit):
    page = visit("/mistakes?store=digits&label=1&predicted=1")
    tiles = page.locator(".grid a")
    tiles.nth(1).wait_for()
    listed = tiles.evaluate_all("tiles => tiles.map(tile => new URL(tile.href).searchParams.get('image'))")
    tiles.nth(0).click()
    ready(page)
    for key, place in (("j", 1), ("ArrowRight", 2), ("k", 1)):
        page.keyboard.press(key)
        address_has(page, f"image={listed[place]}&")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_text(
        f"Next image of the list, 2 of {len(listed)}"
    ).wait_for()


def test_the_atlas_is_one_tab_stop_goes_by_arrow_keys_and_opens_a_channel(visit):
    page = visit("/channels?store=digits")
    page.wait_for_selector(".picture.loaded")
    assert page.locator('.line a[tabindex="0"]').count() == 1
    page.locator('.line a[tabindex="0"]').focus()
    last = page.evaluate(PLACE)
    page.keyboard.press("ArrowUp")
    assert page.evaluate(PLACE)["layer"] != last["layer"]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(PLACE) == {"layer": last["layer"], "channel": 0}
    page.keyboard.press("ArrowLeft")
    assert page.locator('.line a[tabindex="0"]').count() == 1
    chosen = page.evaluate(PLACE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**channel={chosen['channel']}**")
    expect(page.get_by_text(f"{chosen['layer']}, channel {chosen['channel']}")).to_be_visible()
    page.go_back()
    page.wait_for_selector(".picture.loaded")


PLACE = """() => {
  let active = document.activeElement
  while (active.shadowRoot?.activeElement) active = active.shadowRoot.activeElement
  return active.place
}"""
"""Layer and channel of the tile that has the focus."""


def test_a_layer_of_the_atlas_opens_by_its_name_and_all_by_a_switch(visit):
    page = visit("/channels?store=digits")
    page.wait_for_selector(".picture.loaded")
    lines = page.locator(".line")
    closed = lines.count()
    page.get_by_role("button", name="conv3").click()
    page.wait_for_url("**opened=conv3**")
    expect(lines).not_to_have_count(closed)
    opened = lines.count()
    page.get_by_text("Every channel").click()
    page.wait_for_url("**whole=1**")
    expect(lines).not_to_have_count(opened)
    lines.last.scroll_into_view_if_needed()
    expect(lines.last.locator(".picture.loaded").last).to_be_visible()


def test_suspects_are_judged_by_1_2_and_3(visit, stores, tmp_path):
    run = Store(stores / "digits").open()
    losses = run.table("images", ["loss"])["loss"].to_pylist()
    order = sorted(range(len(losses)), key=lambda each: -losses[each])
    path = [run.image(each)["path"] for each in order[:3]]
    with serving(str(stores), options=["--findings", str(tmp_path)]) as served:
        page = visit(f"{served.address}/triage?store=digits&least=0&kind=improbable")
        for key, now, after in (("1", 0, 1), ("3", 1, 2)):
            expect(page.get_by_alt_text(f"photograph {path[now]}")).to_be_visible()
            page.keyboard.press(key)
            expect(page.get_by_alt_text(f"photograph {path[after]}")).to_be_visible()
        page.get_by_role("radio", name="Judged").click()
        expect(page.get_by_text("2 suspects", exact=True)).to_be_visible()
        expect(page.get_by_text("Verdicts (CSV)")).to_be_visible()
    (file,) = (tmp_path / "verdicts").iterdir()
    said = [line.split(",")[2] for line in file.read_text().splitlines()[1:]]
    assert said == ["label error", "fine"]


def test_a_key_pressed_before_the_next_suspect_is_there_judges_none_unseen(visit, stores, tmp_path):
    with serving(str(stores), options=["--findings", str(tmp_path)]) as served:
        address = f"{served.address}/triage?store=digits&least=0&kind=improbable"
        page = visit(address, lambda page: far_away(page, 0.5))
        first = page.url
        for _ in range(3):
            page.keyboard.press("1")
            page.wait_for_timeout(150)
        page.wait_for_function("first => location.href !== first", arg=first)
        page.wait_for_timeout(2000)
        ready(page)
    (file,) = (tmp_path / "verdicts").iterdir()
    images = {line.split(",")[0] for line in file.read_text().splitlines()[1:]}
    assert len(images) == 1


def test_the_keys_of_channels_are_listed_and_work(visit):
    page = visit("/?store=digits")
    page.get_by_role("table", name="Layers").get_by_role("link").first.click()
    address_has(page, "show=atlas")
    page.locator(".line a").first.click()
    address_has(page, "show=channel")
    ready(page).keyboard.press("?")
    page.get_by_role("dialog", name="Keys").get_by_text("Next channel of the list").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    address_has(page, "channel=1&")


def test_an_image_that_no_list_led_to_has_its_number_s_neighbours(visit):
    page = visit("/image?store=digits&image=0")
    page.keyboard.press("k")
    page.keyboard.press("j")
    address_has(page, "image=1&")
    page.get_by_label("Image", exact=True).first.press("j")
    page.wait_for_timeout(500)
    assert "image=1&" in page.url


def test_a_slash_finds_a_page_a_channel_and_an_image(visit, stores):
    image = Store(stores / "digits").open().image(3)
    page = visit("/map?store=digits")
    for text, title, text_of_address in (
        ("neigh", "Neighbours", "/neighbors?"),
        ("conv3 5", "conv3, channel 5", "channel=5"),
        (image["path"], f"{image['label']}: {image['path']}", "image=3&"),
    ):
        page.keyboard.press("/")
        page.get_by_role("searchbox", name="Find").fill(text)
        page.get_by_role("dialog").get_by_role("link").filter(has_text=title).first.wait_for()
        page.keyboard.press("Enter")
        address_has(page, text_of_address)
    page.keyboard.press("/")
    page.get_by_role("searchbox", name="Find").fill("nothing is called like that")
    page.get_by_text("Nothing is called so.").wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
