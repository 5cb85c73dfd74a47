"""Every control of every page is set; it stays so after other tabs, panels and pages, and in the link."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.servers.dashboard import copied_link, dashboard, ready
from tests.support.stores.served import copied_store, write_second_store

PRESSED = "[aria-checked=true], [aria-pressed=true], [aria-selected=true], [data-testid$=Active]"
CONTROLS = """pressed => {
  const kinds = {
    stNumberInput: each => each.querySelector("input").value,
    stSelectbox: each => each.querySelector("input").value,
    stTextInput: each => each.querySelector("input").value,
    stCheckbox: each => each.querySelector("input").checked,
    stSlider: each => each.innerText,
    stButtonGroup: each => [...each.querySelectorAll(pressed)].map(each => each.innerText).join(),
  }
  const all = [...document.querySelectorAll(Object.keys(kinds).map(each => `[data-testid=${each}]`).join())]
  const shown = all.filter(each => each.checkVisibility({ visibilityProperty: true }))
  const label = each => (each.querySelector("[data-testid=stWidgetLabel]") ?? each).innerText.split("\\n")[0]
  return shown.map(each => {
    const kind = each.dataset.testid
    return [kind, kind === "stButtonGroup" ? each.innerText : label(each), kinds[kind](each)]
  })
}"""
"""(kind, label, value) of each; a group of buttons is named by them."""

TEXTS = {"Numbers": "0-9", "Name has": "wheels", "Search": "label:3", "Find": "no such finding"}
HEADER = {"Store"}
LEFT = {"Layer", "Channel", "Row", "Column", "Neighbours vote for"}
"""One of a layer's changes what the others may be; the last is the prediction of another tab."""

WAYS = {
    "/map": ["Points", "Grid"],
    "/neighbors": [None],
    "/channels": [None],
    "/channels?layer=conv3": [None],
    "/image?image=4": ["Occlusion", "Saliency", "Segmentation", "Neighbours", "More methods"],
    "/mistakes": ["Confusion", "Neighbours disagree"],
    "/compare?other_store=second": ["Neighbours", "Channels", "Maps"],
    "/lab?image=4": ["Fooling image", "DeepDream", "Saliency", "Gradient ascent", "Style transfer"],
    "/results": [None],
    "/?store=digits": [None],
}
"""Pages, and what is pressed to see each of their tabs, methods and panels; None: what is there by itself."""

SHARED = {"Image", "Second image", "Class", "Whole picture"}
"""Of all methods that have them."""

MOST = {"/lab": 2}
"""Parameters of each method that are set: an address has no room for all of all of them."""


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory):
    """Compare is offered where there are two."""
    folder = tmp_path_factory.mktemp("two")
    copied_store(folder / "digits")
    write_second_store(folder / "second")
    with dashboard(str(folder)) as address:
        yield address


@pytest.mark.parametrize("start", WAYS)
def test_what_is_set_stays(visit, request, start):
    server = request.getfixturevalue("two_stores") if start.startswith("/compare") else ""
    if start == "/results":
        visit("/lab?image=4&method=saliency&live=1").get_by_role("button", name="Compute again").wait_for()
    page = visit(server + start + ("&" if "?" in start else "?") + "store=digits")
    path, title = urlsplit(start).path, page.get_by_role("heading", level=2).first.inner_text()
    ways, done, held = WAYS[start], set(), {}
    for way in ways:
        with looking_at(page, way):
            set_all(page, ways, done, MOST.get(path))
            held[way] = controls(page, ways)
    assert any(held.values()) or path == "/"
    assert seen(page, ways) == held, "after the other tabs"
    before = query(page)
    page.get_by_role("link", name="About", exact=True).first.click()
    page.wait_for_url("**/about?*")
    ready(page).get_by_role("link", name=title, exact=True).first.click()
    page.wait_for_url(f"**{path}?*")
    assert query(ready(page)) == before and seen(page, ways) == held, "after another page"
    other = visit(f"{server}{path}?{urlsplit(copied_link(page, 'Copy link')).query}")
    assert query(other) == before and seen(other, ways) == held, "by the link"


def seen(page, ways):
    found = {}
    for way in ways:
        with looking_at(page, way):
            found[way] = controls(page, ways)
    return found


class looking_at:
    """Presses what shows a tab, a method or a panel; a panel is closed again."""

    def __init__(self, page, way):
        self.page, self.way = page, way
        self.panel = page.get_by_test_id("stPopover").filter(has_text=way or "no such panel")

    def __enter__(self):
        if self.way is None:
            return
        if self.panel.count():
            self.panel.get_by_role("button").first.click()
        else:
            group = self.page.get_by_test_id("stButtonGroup").filter(has_text=self.way).first
            group.get_by_text(self.way, exact=True).click()
        ready(self.page)

    def __exit__(self, *_):
        if self.way is not None and self.panel.count():
            self.page.keyboard.press("Escape")
            ready(self.page)


def controls(page, ways):
    """(kind, label, value) of all controls but the header's and the ways themselves. page: ready"""
    all_controls = [tuple(each) for each in page.evaluate(CONTROLS, PRESSED)]
    return [each for each in all_controls if each[1] not in HEADER and not is_way(each, ways)]


def is_way(control, ways):
    names = control[1].split("\n")
    return control[0] == "stButtonGroup" and any(way in names for way in (*ways, "From the store"))


def set_all(page, ways, done, most):
    """Set every control that is new here; `most` of them, where an address has no room for more."""
    new = [each[:2] for each in controls(page, ways) if each[:2] not in done and each[1] not in LEFT]
    for kind, label in new[:most]:
        place = [each[:2] for each in map(tuple, page.evaluate(CONTROLS, PRESSED)) if each[0] == kind].index(
            (kind, label)
        )
        CHANGES[kind](page.get_by_test_id(kind).filter(visible=True).nth(place), label)
        ready(page)
    # Methods have parameters of the same name, each its own.
    done |= {each for each in new if most is None or each[1] in SHARED}


def step(number, _):
    up = number.get_by_test_id("stNumberInputStepUp")
    down = number.get_by_test_id("stNumberInputStepDown")
    if up.is_enabled() or down.is_enabled():
        (up if up.is_enabled() else down).click()
    else:
        number.locator("input").fill("1")
        number.locator("input").press("Enter")


def choose(box, _):
    before = box.locator("input").input_value()
    box.locator("input").click()
    options = box.page.get_by_role("option")
    options.first.wait_for()
    names = options.all_inner_texts()
    options.nth(next((place for place in reversed(range(len(names))) if names[place] != before), 0)).click()


def write(text, label):
    text.locator("input").fill(TEXTS[label])
    text.locator("input").press("Enter")


def press_another(group, _):
    pressed = group.locator(PRESSED).all_inner_texts()
    names = [name for name in group.locator("button, [role=radio]").all_inner_texts() if name not in pressed]
    group.get_by_text(names[-1], exact=True).last.click()


def slide(slider, _):
    slider.locator("[role=slider], input[type=range]").first.press("ArrowRight")


CHANGES = {
    "stNumberInput": step,
    "stSelectbox": choose,
    "stTextInput": write,
    "stCheckbox": lambda toggle, _: toggle.locator("label").click(),
    "stSlider": slide,
    "stButtonGroup": press_another,
}


def query(page):
    """What the address asks for, but for the tab, method and proof, and what comes with a method."""
    left = ("proof", "tab", "method", "p.", "show", "live", "source")
    said = dict(parse_qsl(urlsplit(page.url).query))
    return {name: text for name, text in said.items() if not name.startswith(left)}
