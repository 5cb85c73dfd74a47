"""Links in a real Chromium: the proof's verdict, the same bytes after a restart, both runs offered; what an
address or a store says is text.
"""

import urllib.request
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from featurestore.reader import Store
from tests.support.servers.dashboard import address_has, copied_link, dashboard, pictures, ready, serving
from tests.support.stores.hostile import EVIL, MARKUP, NAMES, hostile_store
from tests.support.stores.served import copied_store, write_served_store

AGAIN = "Compute again"
"""The button beside every result."""


@pytest.fixture
def store(tmp_path):
    return copied_store(tmp_path / "digits")


def test_a_copied_link_proves_itself_also_after_a_restart_and_on_a_regenerated_store(visit, store):
    with dashboard(str(store)) as server:
        mine = visit(f"{server}/lab?image=7&method=saliency&live=1&p.variant=smoothgrad")
        mine.get_by_role("button", name=AGAIN).wait_for()
        shown = pictures(mine)
        link, short = copied_link(mine, "Copy link"), copied_link(mine, "Copy short link")
        assert "proof=" in link and "proof=" not in mine.url and len(link) < 2000 and len(short) < 60
        yours = visit(short)
        yours.get_by_text("Reproduced: the same run, and the result has the same bytes").wait_for()
        assert pictures(yours) == shown and yours.url == link
        mine.context.close()
        write_served_store(store, "--seed", "1")
        # In a page that was open meanwhile, at the next click.
        yours.get_by_text("integrated", exact=True).click()
        yours.get_by_text("This store was regenerated: you see its older run").wait_for()
        assert link.split("run=")[1].split("&")[0] in yours.url
        yours.get_by_role("button", name="Show the same view on the new run").click()
        address_has(yours, f"run={Store(store).current()}")
        assert "p.variant=integrated" in yours.url
        yours.context.close()
    with dashboard(str(store)) as again:
        later = visit(link.replace(server, again))
        # The kept result: nothing is computed, so there is never a progress bar.
        later.get_by_text("Reproduced: the same run, and the result has the same bytes").wait_for()
        assert pictures(later) == shown
        later.get_by_role("button", name="Show the same view on the new run").click()
        later.get_by_text("Differs by").wait_for()
        assert f"run={Store(store).current()}" in later.url
        later.get_by_role("button", name="Show the old run").click()
        later.get_by_text("Reproduced:").wait_for()
        later.get_by_role("button", name=AGAIN).wait_for()
        assert pictures(ready(later)) == shown
        later.go_back()
        later.get_by_text("Differs by").wait_for()
        later.context.close()


def test_a_name_is_given_and_seen_on_the_card_in_the_search_and_in_a_link(visit, store, tmp_path):
    with serving(str(store), options=("--findings", str(tmp_path / "findings"))) as served:
        mine = visit(f"{served.address}/channels?layer=conv2&channel=3")
        mine.get_by_test_id("stPopover").filter(has_text="Pin").get_by_role("button").first.click()
        mine.get_by_role("textbox", name="Named by").fill("Ann")
        field = mine.get_by_role("textbox", name="Name this channel")
        for text, came in (("tyres", "commit it"), ("", "taken away"), ("<i>wheels</i>", "commit it")):
            field.fill(text)
            mine.get_by_test_id("stPopoverBody").get_by_role("button", name="Pin", exact=True).click()
            mine.get_by_text(came).wait_for()
            expect(field).to_have_value(text)
        mine.get_by_role("heading", name="<i>wheels</i> (conv2, channel 3)").wait_for()
        mine.keyboard.press("Escape")
        short = copied_link(ready(mine), "Copy short link")
        assert short.endswith("-i-wheels-i")
        mine.context.close()
        preview = urllib.request.urlopen(short, timeout=60).read().decode()
        assert '<meta property="og:title" content="&lt;i&gt;wheels&lt;/i&gt; · Channels' in preview
        yours = visit(short)
        yours.get_by_role("heading", name="<i>wheels</i> (conv2, channel 3)").wait_for()
        assert yours.title().startswith("<i>wheels</i> · Channels · ")
        yours.get_by_role("link", name="Map").first.click()
        address_has(yours, "/map?").keyboard.press("/")
        yours.get_by_role("searchbox", name="Find").fill("WHEELS")
        yours.get_by_role("dialog").get_by_role("link").filter(has_text="named channel").first.click()
        address_has(yours, "channel=3&")
        assert yours.evaluate(ACTIVE, EVIL) == []
        yours.goto(f"{served.address}/findings?show=names")
        ready(yours).get_by_role("button", name="Change").click()
        yours.get_by_role("button", name="Remove the name").click()
        yours.get_by_text("Nothing has a name yet").wait_for()
        yours.context.close()
    assert not list((tmp_path / "findings" / "names").iterdir())


def test_clicking_elsewhere_does_not_end_a_job(visit):
    page = visit("/lab?image=2&method=invert&p.iterations=3000&live=1")
    page.get_by_role("button", name="Cancel").wait_for()
    link = page.url
    page.get_by_role("link", name="About").first.click()
    page.wait_for_function("() => location.pathname.endsWith('/about')")
    page.context.close()
    watched = visit(link)
    watched.get_by_role("button", name=AGAIN).wait_for()
    assert pictures(watched)


ACTIVE = """evil => {
  const deep = root => [...root.querySelectorAll('*')].flatMap(
    each => each.shadowRoot ? [each, ...deep(each.shadowRoot)] : [each])
  const all = deep(document)
  const href = each => each.href?.baseVal ?? each.href ?? each.src ?? ''
  const leads = all.filter(each => { try { return /evil|mailto|javascript/.test(new URL(href(each)).protocol
    + new URL(href(each)).host) } catch { return false } })
  const formatted = all.filter(each => /^(STRONG|EM|CODE|H[1-6]|LI|B|I)$/.test(each.tagName)
    && /^(Expired|heading|list|bold|b|c)/.test(each.textContent.trim()))
  const others = all.filter(each => /katex|ColoredBackground/.test(String(each.className)))
  return [...leads, ...formatted, ...others].map(each => each.outerHTML.slice(0, 200))
    .concat(window.ran === undefined ? [] : ['ran'])
}"""
"""What in a page leads elsewhere, is formatted as a name asks for, or was run."""


def test_what_an_address_or_a_store_says_is_text(visit):
    store = hostile_store()
    addresses = [f"map?store={quote(MARKUP)}", f"map?run={quote(MARKUP)}", f"map?search={quote(NAMES[3])}"]
    addresses += [f"lab?method=fool&target={quote(each)}" for each in (MARKUP, NAMES[3], NAMES[5])]
    addresses += [
        f"compare?other_store=hostile&other_run={quote(MARKUP)}",
        "",
        "channels",
        "about",
        "lab?image=3",
    ]
    addresses += [
        f"image?image={number}&tab={tab}" for number in (0, 3, 5) for tab in ("glance", "occlusion")
    ]
    addresses += ["mistakes?tab=classes", "mistakes", "neighbors?image=8"]
    with dashboard(str(store)) as server:
        page = visit(server)
        for address in addresses:
            page.goto(f"{server}/{address}")
            assert ready(page).evaluate(ACTIVE, EVIL) == [], address
        page.goto(f"{server}/map?store={quote(NAMES[3])}")
        said = ready(page).get_by_test_id("stAlert").first.inner_text()
        assert NAMES[3] in said
