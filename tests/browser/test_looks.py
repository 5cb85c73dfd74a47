"""How every page looks, light and dark, wide and on a phone: the bar above it, and text that can be read."""

import pytest

from tests.support.servers.dashboard import PATIENCE, ready

SIZES = {"wide": ((1400, 950), 110), "phone": ((420, 950), 160)}
"""Width and height of a window in pixels, and the most that the header may take of the height."""

PAGES = (
    "/",
    "/map",
    "/channels",
    "/image?image=3&tab=occlusion",
    "/mistakes",
    "/lab?image=3",
    "/compare",
    "/about",
)
LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2, 1.4.3."""

# Colors are painted to be read: a browser says color-mix and rgb in different ways. Text upon a bar of a
# chart has no background of its own to compare with, and an icon is a picture.
FAINT = """least => {
  const deep = root => [...root.querySelectorAll('*')].flatMap(
    each => each.shadowRoot ? [each, ...deep(each.shadowRoot)] : [each])
  const up = each => each.parentElement ?? each.getRootNode().host
  const paint = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext(
    '2d', {willReadFrequently: true})
  const read = color => {
    paint.clearRect(0, 0, 1, 1)
    paint.fillStyle = color
    paint.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = ([r, g, b, a], [R, G, B]) => [a * r + (1 - a) * R, a * g + (1 - a) * G, a * b + (1 - a) * B, 1]
  const behind = each => {
    if (!each) return [255, 255, 255, 1]
    const own = read(getComputedStyle(each).backgroundColor)
    return own[3] >= 1 ? own : over(own, behind(up(each)))
  }
  const opacity = each => each ? Number(getComputedStyle(each).opacity) * opacity(up(each)) : 1
  const luminance = color => {
    const [r, g, b] = color.map(each => each / 255).map(
      each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = each => {
    const style = getComputedStyle(each), svg = each.namespaceURI.endsWith('svg')
    const [r, g, b, a] = read(svg ? style.fill : style.color)
    const back = behind(each), shade = a * opacity(each) * (svg ? Number(style.fillOpacity) : 1)
    const [light, dark] = [luminance(over([r, g, b, shade], back)), luminance(back)].sort((x, y) => y - x)
    return (light + 0.05) / (dark + 0.05)
  }
  const texts = deep(document.querySelector('[data-testid=stMain]')).filter(each =>
    [...each.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
  return texts.filter(each => each.checkVisibility({visibilityProperty: true, opacityProperty: true})
      && each.getClientRects().length && each.getBoundingClientRect().width > 1
      && !each.matches('style, .bartext-inside, [translate=no], .icon, :disabled, :disabled *'))
    .map(each => [contrast(each), each.textContent.trim().slice(0, 40), each.className.toString()])
    .filter(([found]) => found < least)
}"""


# Streamlit's text fields, whose input is without a border, are outlined as a whole.
# The page as a whole is reached first.
OUTLINED = """() => {
  if (document.activeElement.matches('main')) return true
  const own = getComputedStyle(document.activeElement)
  const ringed = each => each && (getComputedStyle(each).outlineStyle !== 'none'
    && parseFloat(getComputedStyle(each).outlineWidth) >= 2)
  let each = document.activeElement
  for (let depth = 0; depth < 4 && each; depth++, each = each.parentElement) if (ringed(each)) return true
  return own.boxShadow !== 'none'
}"""


def opened(browser, address, size, scheme="light"):
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    return ready(page)


def test_the_page_that_is_open_is_in_sight_in_a_phones_navigation(browser, server):
    page = opened(browser, f"{server}/findings", SIZES["phone"][0])
    here = page.locator(".st-key-navigation").get_by_role("link", name="Findings")
    box = here.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= SIZES["phone"][0][0]
    page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_header_is_one_low_bar(browser, server, size):
    window, most = SIZES[size]
    page = opened(browser, f"{server}/image?image=3", window)
    box = page.locator(".st-key-header").bounding_box()
    assert box["y"] + box["height"] <= most
    for control in ("Featurescope", "Overview", "About"):
        assert page.locator(".st-key-header").get_by_role("link", name=control, exact=True).count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing passes the border"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_text_can_be_read(browser, server, path, scheme):
    page = opened(browser, server + path, SIZES["wide"][0], scheme)
    # The style sheet may come a moment after the words.
    for _ in range(20):
        if not (faint := page.evaluate(FAINT, LEAST_CONTRAST)):
            break
        page.wait_for_timeout(250)
    assert faint == []
    page.context.close()


def test_the_focus_is_seen(browser, server):
    page = opened(browser, f"{server}/image?image=3", SIZES["wide"][0])
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINED), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    page.context.close()


def test_the_first_screen_shows_all_of_it_without_scrolling(browser, server):
    (width, height), _ = SIZES["wide"]
    page = opened(browser, server + "/", (width, height))
    parts = [
        page.get_by_text("shows what the network"),
        page.locator(".st-key-overview-map"),
        *page.locator('[class*="st-key-overview-channel"]:not([class*="-room"])').all(),
        page.get_by_text("Most confident errors").first,
        page.get_by_text("Latest findings").first,
        page.get_by_text("The network and its images: numbers"),
    ]
    assert len(parts) == 8, "three channels"
    for part in parts:
        part.wait_for()
        box = part.bounding_box()
        assert box["height"] > 10 and box["y"] >= 0 and box["y"] + box["height"] <= height, part
    assert page.locator('[class*="st-key-overview-channel"] img').count() == 3 * 6
    page.context.close()


@pytest.mark.parametrize("query", ["search=3&image=3", "map=pca&image=3"])
def test_what_was_found_stands_beside_the_map(browser, server, query):
    (width, height), _ = SIZES["wide"]
    page = opened(browser, f"{server}/map?{query}", (width, height))
    beside = page.locator(".st-key-map-beside")
    beside.locator("img").first.wait_for()
    box, image = beside.bounding_box(), beside.locator("img").first.bounding_box()
    assert box["x"] > width / 2 and box["y"] < 260
    assert image["y"] + image["height"] < height, "in sight"
    if "search" in query:
        found = beside.get_by_text("images found")
        assert found.bounding_box()["y"] < height - 150
    page.context.close()


def test_before_and_after_lie_upon_each_other_with_a_slider_between(browser, server):
    page = opened(browser, f"{server}/lab?image=3&method=fool&live=1", SIZES["wide"][0])
    slider = page.get_by_label("How much of the picture before")
    slider.wait_for()
    before, after = page.locator("img.before"), page.locator("img.after")
    assert before.bounding_box() == after.bounding_box()
    assert before.get_attribute("src") != after.get_attribute("src")
    for share, clipped in ((25, "75%"), (100, "0%")):
        slider.evaluate(
            "(input, share) => { input.value = share; input.dispatchEvent(new Event('input')) }", share
        )
        shown = before.evaluate("each => getComputedStyle(each).clipPath")
        assert clipped in shown or (share == 100 and shown == "inset(0px)"), shown
    box = after.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.up()
    assert float(slider.input_value()) == pytest.approx(50, abs=2)
    page.context.close()


@pytest.mark.parametrize("path", ["/triage?least=0", "/compare", "/findings?show=stories", "/?show=ask"])
def test_nothing_passes_the_border_of_a_phone(browser, server, path):
    page = opened(browser, server + path, SIZES["phone"][0])
    pictures = page.locator("[data-testid=stImage] img")
    if path.startswith("/triage"):
        pictures.first.wait_for()
    rights = pictures.evaluate_all("all => all.map(each => each.getBoundingClientRect().right)")
    assert all(right <= SIZES["phone"][0][0] - 16 for right in rights)
    assert page.locator("[data-testid=stMain]").evaluate("each => each.scrollWidth <= each.clientWidth")
    page.context.close()


def test_the_atlas_says_that_its_tiles_are_being_drawn(visit):
    held = []

    def hold(page):
        page.route("**/channel-tiles/**", lambda route: held.append(route))

    page = visit("/channels?show=atlas", hold)
    said = page.get_by_text("drawing the tiles…").first
    said.wait_for()
    page.wait_for_timeout(1000)
    assert held and said.is_visible()
    for each in held:
        each.continue_()
    page.wait_for_selector(".picture.loaded")
    said.wait_for(state="hidden")
