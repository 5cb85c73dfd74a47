"""What stands above every page: store, link and pin, and what to do where the store or run is not there."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import partners, runs, selections
from dashboard.findings.names.things import name_of, with_region
from dashboard.findings.pin_button import draw_pin
from dashboard.jobs.lookup import result_of
from dashboard.jobs.result import Result
from dashboard.sharing.link_panel import draw_link, draw_verdict, proof_of
from dashboard.text import choice_names, sentence
from dashboard.views import binding
from dashboard.views.binding import View
from dashboard.views.definitions import OverviewView
from dashboard.views.navigation import PAGES, link, title
from dashboard.views.query_text import Notes
from dashboard.views.state import Choices, ViewState
from dashboard.widgets import errors
from dashboard.widgets.keyboard import keyboard
from featurestore.places import Place
from featurestore.reader import Run, Store

SAID = "said of the address"
STYLE = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Opened(Generic[View]):
    """A page's view, held to what its run has.

    result: the live result that it shows, where it is finished.
    """

    view: View
    run: Run
    result: Result | None = None

    @property
    def store(self) -> str:
        return self.view.store


@dataclass(frozen=True)
class _Bar:
    """Places of the bar above every page, filled once the page's run is known.

    name, pages, tools: of its first row.
    heading: the row below it.
    """

    name: DeltaGenerator
    pages: DeltaGenerator
    tools: DeltaGenerator
    heading: DeltaGenerator

    @classmethod
    def empty(cls) -> "_Bar":
        whole = st.container(gap="xsmall", key="header")
        bar = whole.container(horizontal=True, vertical_alignment="center", gap="small", key="bar")
        row = {"horizontal": True, "vertical_alignment": "center"}
        return cls(
            bar.container(**row, width="content", key="name"),
            bar.container(**row, gap=None, key="navigation"),
            bar.container(**row, width="content", gap="xsmall", key="tools"),
            whole.container(horizontal=True, vertical_alignment="bottom", gap="small", key="heading"),
        )


def open_page(
    cls: type[View], complete: Callable[[View, Run], View] = lambda view, run: view
) -> Opened[View]:
    """Read the page's view, open its run, write the address and draw what stands above the page.

    Ends the page where the run can't be opened.
    complete: fills in what of the view depends on more than its run, before the address is written.
    """
    view, notes = binding.current(cls)
    st.html(STYLE)
    bar = _Bar.empty()
    listed = runs.stores()
    if not listed:
        errors.no_stores()
    view = dataclasses.replace(view, store=runs.shown_store(view.store, view.run) or view.store)
    if view.store not in listed:
        errors.unknown_store(view, list(listed))
    run, latest = _open_run(view, listed)
    choices = runs.choices(run)
    view, more = dataclasses.replace(view, run=run.fingerprint).fitted(choices)
    view, dropped = selections.held(with_region(complete(view, run), run), run)
    proof, unread = proof_of(view)
    view = view if proof else dataclasses.replace(view, proof="")
    binding.settle(view)
    name = name_of(view, run)
    st.set_page_config(page_title=title(view.page, view.store, name))
    opened = Opened(view, run, result_of(view, run))
    _draw(bar, opened, choices, listed, name)
    if proof:
        draw_verdict(proof, view, run, opened.result)
    errors.other_runs(view, run, latest, proof)
    for note in _lasting(view, notes + more + dropped + unread):
        st.warning(sentence(note), icon=":material/link_off:")
    keyboard(view, run)
    return opened


def _lasting(view: View, notes: Notes) -> Notes:
    """Return the notes on an address, for as long as the address stays.

    Once written it has no fault any more, but the page runs again by itself when a job ends.
    """
    address = view.to_query()
    if notes:
        st.session_state[SAID] = address, notes
    said, lasting = st.session_state.get(SAID, ({}, ()))
    return lasting if said == address else ()


def _open_run(view: View, listed: dict[str, Place]) -> tuple[Run, str]:
    path = listed[view.store]
    if not runs.has_run(path):
        errors.unfinished(view, list(listed), Store(path))
    try:
        store = Store(path)
        latest = store.current()
        wanted = view.run or latest
        if wanted in store.runs():
            return runs.run_at(str(path), wanted), latest
    except ValueError as error:
        errors.unreadable(view, list(listed), error)
    errors.gone(view)


def _draw(bar: _Bar, opened: Opened[View], choices: Choices, listed: dict[str, Place], name: str) -> None:
    """name: of what the page shows, where it has one."""
    view, entry = opened.view, PAGES[opened.view.page]
    with bar.name:
        link(_shown_on(OverviewView, view, choices), "Featurescope", ":material/apps:")
    with bar.pages:
        for each in partners.pages(view.store, opened.run, shown=view.page):
            with st.container(width="content", key="here") if each.view is type(view) else nullcontext():
                link(_shown_on(each.view, view, choices))
    with bar.tools:
        _choose_store(type(view), listed)
        draw_link(view, opened.run, opened.result, name)
        draw_pin(view, opened.run, opened.result)
    with bar.heading:
        st.header(entry.title, anchor=False, width="content")
        st.caption(entry.help, width="stretch")


def _shown_on(cls: type[ViewState], view: ViewState, choices: Choices) -> ViewState:
    """Return the whole view that a link to another page has, so that a click is one entry of the history."""
    return view if cls is type(view) else binding.following(cls, view, st.session_state).fitted(choices)[0]


def _choose_store(cls: type[View], listed: dict[str, Place]) -> None:
    st.selectbox(
        "Store",
        list(listed),
        key=binding.key(cls, "store"),
        format_func=choice_names(
            listed, lambda name: name if runs.has_run(listed[name]) else f"{name} (not finished)"
        ),
        label_visibility="collapsed",
        width=170,
        help="What one network makes of one set of images",
        on_change=lambda: binding.change(cls, run=""),
    )
