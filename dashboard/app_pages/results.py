"""The Results page: what runs and waits now, and the live results that are kept beside the store."""

from datetime import UTC, datetime

import streamlit as st

from compute.methods import METHODS
from dashboard.data import runs as data
from dashboard.jobs.result_store import Entry, ResultCache, results
from dashboard.text import counted, plain, reason, sentence
from dashboard.views import binding
from dashboard.views.definitions import ResultsView
from dashboard.views.link_html import linked_picture
from dashboard.views.navigation import PAGES, link
from dashboard.views.state import LiveView
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_wall import page_of
from dashboard.widgets.live import job_list

PER_PAGE = 24
PICTURE = 160
"""Width of a result's picture, in CSS pixels."""

ORDERS = {"used": "Opened last", "made": "Made last", "size": "Largest"}
FAILED = "results/failed"


def draw(opened: Opened[ResultsView]) -> None:
    """Draw the page."""
    if data.settings().live:
        job_list.running_and_waiting()
        st.subheader("Kept", anchor=False)
    cache = results(opened.store)
    entries = cache.entries()
    if problem := st.session_state.pop(FAILED, None):
        st.error(problem, icon=":material/error:")
    _totals(opened, cache, len(entries))
    if not entries:
        st.info(
            "No result is kept yet. Run a method in the Lab or on the Image page: what it makes is kept "
            "here.",
            icon=":material/inventory_2:",
        )
        return
    _controls(cache, entries)
    shown = _chosen(opened.view, entries)
    page = page_of(ResultsView, "results_page", len(shown), PER_PAGE)
    runs = set(data.run_names(opened.store))
    with st.grid(4, min_column_width=240):
        for entry in shown[page]:
            with boundary():
                _card(opened, cache, entry, runs)


def _totals(opened: Opened[ResultsView], cache: ResultCache, count: int) -> None:
    used, limit = cache.total_bytes(), cache.limit_bytes
    with st.container(horizontal=True):
        st.metric("Results kept", f"{count:,}", width="content")
        st.metric("Size", f"{_spoken(used)} of {_spoken(limit)}", width="content")
    others = {name: results(name).total_bytes() for name in data.stores() if name != opened.store}
    if any(others.values()):
        sizes = ", ".join(f"{plain(name)} {_spoken(used)}" for name, used in others.items() if used)
        st.caption(f"Other stores: {sizes}.")
    st.caption(
        "Those opened longest ago go when the limit is reached (`--results-mb`, for each store); their links "
        "compute them again."
    )


def _controls(cache: ResultCache, entries: list[Entry]) -> None:
    methods = sorted({entry.facts.get("method", "") for entry in entries} & set(METHODS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Method",
            ("", *methods),
            key=binding.key(ResultsView, "method"),
            format_func=lambda name: METHODS[name].title if name else "all methods",
            width=240,
            on_change=_turn_back,
        )
        st.segmented_control(
            "Order",
            list(ORDERS),
            key=binding.key(ResultsView, "sort"),
            format_func=ORDERS.get,
            on_change=_turn_back,
        )
        if data.settings().read_only:
            return
        with st.popover("Remove all", icon=":material/delete_sweep:"):
            st.caption("Links to them go on working: they compute the results again.")
            all_of_them = counted(len(entries), "result")
            st.button(f"Remove {all_of_them}", type="primary", on_click=lambda: _try(cache.clear))


def _turn_back() -> None:
    binding.change(ResultsView, results_page=1)


def _chosen(view: ResultsView, entries: list[Entry]) -> list[Entry]:
    wanted = [entry for entry in entries if not view.method or entry.facts.get("method") == view.method]
    if view.sort == "used":
        return wanted
    order = {"made": lambda entry: entry.made, "size": lambda entry: entry.bytes}[view.sort]
    return sorted(wanted, key=order, reverse=True)


def _card(opened: Opened[ResultsView], cache: ResultCache, entry: Entry, runs: set[str]) -> None:
    view = _view_of(entry, opened.store)
    opens = view if view is not None and view.run in runs else None
    with st.container(border=True, height="stretch"):
        if (thumbnail := cache.thumbnail(entry)) is not None:
            _picture(thumbnail, opens, entry)
        st.markdown(f"**{plain(entry.title)}**")
        made = datetime.fromtimestamp(entry.made, UTC)
        where = plain(str(entry.environment.get("device", "")))
        st.caption(f"{made:%Y-%m-%d %H:%M} UTC, {_spoken(entry.bytes)}, {where}")
        st.space("stretch")
        _ways(cache, entry, opens)


def _picture(thumbnail: bytes, opens: LiveView | None, entry: Entry) -> None:
    """Draw a result's picture, which is a link where there is something that it can open."""
    alt = f"result of {entry.title}"
    if opens is None:
        st.image(thumbnail, alt=alt, width=PICTURE)
    else:
        linked_picture(thumbnail, opens, alt, key=f"results/{entry.key} {entry.digest}", width=PICTURE)


def _ways(cache: ResultCache, entry: Entry, opens: LiveView | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if opens is not None:
            link(opens, "Open", ":material/open_in_new:")
        else:
            st.caption("Its run is gone.")
        if data.settings().read_only:
            return
        st.button(
            "Remove",
            icon=":material/delete:",
            type="tertiary",
            key=f"results/remove {entry.key} {entry.digest}",
            on_click=lambda: _try(lambda: cache.remove(entry.key, entry.digest)),
        )


def _view_of(entry: Entry, store: str) -> LiveView | None:
    if entry.page not in PAGES:
        return None
    # The folder may have another name than when the result was made.
    return PAGES[entry.page].view.from_query({**entry.query, "store": store})[0]


def _try(change) -> None:
    try:
        change()
    except OSError as error:
        st.session_state[FAILED] = sentence(
            ValueError(
                f"it could not be removed ({reason(error)}); make the store's folder results/ writable"
            )
        )


def _spoken(count: int) -> str:
    """Return a number of bytes in kB or MB of 1024, as the limit is given."""
    size = count / 2**20
    return f"{size * 1024:,.0f} kB" if size < 1 else f"{size:,.1f} MB" if size < 10 else f"{size:,.0f} MB"


draw(open_page(ResultsView))
