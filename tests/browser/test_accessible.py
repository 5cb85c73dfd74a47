"""Every page by keyboard and for screen readers: Tab reaches every control, every picture has a text."""

import pytest

VIEWS = (
    "/?store=digits",
    "/map?map=pca&image=3",
    "/map?map=pca&show=grid",
    "/neighbors?image=3",
    "/channels",
    "/channels?picture=1&image=3",
    "/image?image=3",
    "/image?image=3&tab=channels",
    "/mistakes",
    "/triage?least=0",
    "/compare",
    "/lab?image=3&method=saliency&live=1",
    "/results",
    "/findings",
    "/findings?show=stories",
    "/about",
)
MOST_TABS, AT_ONCE = 300, 20

CONTROLS = """
const deep = root => [...root.querySelectorAll('*')].flatMap(
  each => each.shadowRoot ? [each, ...deep(each.shadowRoot)] : [each])
const shown = each => each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length > 0
const said = each => `${each.tagName} ${each.getAttribute('aria-label') ?? each.innerText} ${each.type ?? ''}`
"""
NAMELESS = (
    "() => {"
    + CONTROLS
    + """
  return deep(document).filter(each => each.matches('img:not([aria-hidden=true] *)') && shown(each))
    .filter(each => !each.getAttribute('alt')).map(each => each.src)
}"""
)
# An event of a move within a shadow root is not seen outside of it.
LISTEN = (
    "() => {"
    + CONTROLS
    + """
  window.reached = new Set()
  const note = event => reached.add(event.composedPath()[0])
  const roots = [document, ...deep(document).map(each => each.shadowRoot).filter(Boolean)]
  roots.forEach(root => root.addEventListener('focusin', note, true))
}"""
)
# One Tab stop stands for a group inside which the arrow keys move, and for a number with its two steps.
UNREACHED = (
    "() => {"
    + CONTROLS
    + """
  const roles = ['group', 'radiogroup', 'grid', 'toolbar', 'tablist']
  const group = each => each.closest(roles.map(role => `[role=${role}]`))
  const groups = new Set([...reached].map(group).filter(Boolean))
  const controls = deep(document).filter(each => each.matches('button, input, select, textarea, a[href]'))
  const reachable = controls.filter(each => shown(each) && !each.disabled)
  return reachable.filter(each => !each.matches('[data-testid^=stNumberInputStep]'))
    .filter(each => !reached.has(each) && !groups.has(group(each))).map(said)
}"""
)


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_needs_neither_a_mouse_nor_eyes(visit, view):
    page = visit(view)
    assert page.evaluate(NAMELESS) == []
    page.evaluate(LISTEN)
    for _ in range(0, MOST_TABS, AT_ONCE):
        for _ in range(AT_ONCE):
            page.keyboard.press("Tab")
        if not (unreached := page.evaluate(UNREACHED)):
            break
    assert unreached == []
