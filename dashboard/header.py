"""What is above every page: which store and run it shows, and what to do where they are not there."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn
from urllib.parse import urlencode

import streamlit as st

from dashboard import binding, data
from dashboard.binding import View
from dashboard.boundary import sentence
from dashboard.pages import PAGES, link
from dashboard.view_state import Facts
from featurestore.reader import Run, Store


@dataclass(frozen=True)
class Opened(Generic[View]):
    """A page's view, held to what its run has."""

    view: View
    run: Run

    @property
    def store(self) -> str:
        return self.view.store


def open_page(cls: type[View]) -> Opened[View]:
    """Reads the view, opens its run, writes the address, draws the header; ends the page where it can't."""
    view, notes = binding.current(cls)
    navigation = st.container(horizontal=True, gap="xsmall", key="navigation")
    listed = data.stores()
    if not listed:
        _no_stores()
    if view.store and view.store not in listed:
        _unknown_store(view, list(listed))
    view = dataclasses.replace(view, store=view.store or next(iter(listed)))
    run, latest = _open_run(view, listed)
    facts = data.facts(run)
    view, more = dataclasses.replace(view, run=run.fingerprint).fitted(facts)
    binding.settle(view)
    with navigation:
        _navigate(view, facts)
    _draw(view, list(listed))
    if latest != run.fingerprint:
        _offer_latest(view)
    for note in notes + more:
        st.warning(f"{note[0].upper()}{note[1:]}.", icon=":material/link_off:")
    return Opened(view, run)


def _navigate(view: View, facts: Facts) -> None:
    """Links to all pages, each with its whole view in the address: a click is one entry of the history."""
    for entry in PAGES.values():
        if entry.view is type(view):
            link(view)
        else:
            link(binding.following(entry.view, view, st.session_state).fitted(facts)[0])


def _open_run(view: View, listed: dict[str, Path]) -> tuple[Run, str]:
    path = listed[view.store]
    try:
        store = Store(path)
        latest = store.current()
        wanted = view.run or latest
        if wanted in store.runs():
            return data.run_at(str(path), wanted), latest
    except ValueError as error:
        _unreadable(view, list(listed), error)
    _gone(view)


def _draw(view: View, listed: list[str]) -> None:
    entry = PAGES[view.page]
    heading, controls = st.columns([3, 2], vertical_alignment="center")
    heading.header(entry.title, anchor=False)
    heading.caption(entry.help)
    with controls.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        _choose_store(type(view), listed)
        with st.popover("Link", icon=":material/link:", help="The address of exactly this view"):
            st.caption(f"Opens on the same view: run `{view.run}` of store `{view.store}`.")
            st.code(address(view), language=None, wrap_lines=True)


def address(view: View) -> str:
    """The page's own address, with the view as it is."""
    here = (st.context.url or "").split("?")[0]
    return f"{here}?{urlencode(view.to_query())}"


def _choose_store(cls: type[View], listed: list[str]) -> None:
    st.selectbox(
        "Store",
        listed,
        key=binding.key(cls, "store"),
        label_visibility="collapsed",
        width=220,
        help="A network's answers over one set of images",
        on_change=lambda: binding.change(cls, run=""),
    )


def _offer_latest(view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"This store was regenerated: you see its older run `{view.run}`, as your link asks.",
            icon=":material/update:",
        )
        st.button(
            "Show the new run", on_click=lambda: binding.change(type(view), run=""), icon=":material/refresh:"
        )


def _unreadable(view: View, listed: list[str], error: ValueError) -> NoReturn:
    st.header(f"Store {view.store} can't be read", anchor=False)
    st.error(sentence(error), icon=":material/error:")
    for name in listed:
        if name != view.store:
            _offer(dataclasses.replace(view, store=name, run=""), f"Show {name}")
    st.stop()


def _gone(view: View) -> NoReturn:
    st.header("This run is gone", anchor=False)
    st.warning(
        f"The link asks for run `{view.run}` of store `{view.store}`, which was deleted or is of another "
        "copy of the store. The same view can be shown on its current run; numbers and pictures may differ.",
        icon=":material/history_toggle_off:",
    )
    _offer(dataclasses.replace(view, run=""), "Show the current run")
    st.stop()


def _unknown_store(view: View, listed: list[str]) -> NoReturn:
    st.header("No such store", anchor=False)
    st.warning(
        f"The link asks for store `{view.store}`, which this dashboard does not serve. It serves: "
        f"{', '.join(listed)}. Start it with `--stores` naming the one you want.",
        icon=":material/database_off:",
    )
    for name in listed:
        _offer(dataclasses.replace(view, store=name, run=""), f"Show {name}")
    st.stop()


def _offer(view: View, label: str) -> None:
    st.button(label, type="primary", on_click=_adopt, args=(view,))


def _adopt(view: View) -> None:
    binding.remember(view, st.session_state)
    st.query_params.from_dict(view.to_query())


def _no_stores() -> NoReturn:
    st.header("No stores yet", anchor=False)
    places = ", ".join(f"`{place}`" for place in data.settings().stores)
    st.info(
        f"There is no store in {places}. `make` builds the demo store; `make store MODEL=… IMAGES=… STORE=…` "
        "builds one of your network and your images. This page finds it when you reload it.",
        icon=":material/database:",
    )
    st.stop()
