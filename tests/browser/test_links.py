"""Links in a real Chromium: the proof's verdict, the same bytes after a restart, both runs offered."""

import pytest

from featurestore.reader import Store
from tests.support.servers.dashboard import address_has, copied_link, dashboard, pictures, ready
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
