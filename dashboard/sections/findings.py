"""The names on the Findings page: what each is the name of; it can be changed there, and taken away."""

from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from dashboard.data import runs
from dashboard.findings.names import Names, names_of
from dashboard.findings.names.folder import NameFile
from dashboard.findings.names.form import Said, draw_said, given, taken_away
from dashboard.findings.names.record import LONGEST_NAME, Channel, Name, NamedClass
from dashboard.findings.names.things import opened_by, view_of
from dashboard.text import counted, one_line, plain, sentence
from dashboard.views.definitions import FindingsView
from dashboard.views.navigation import PAGES, link
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import page_of

PER_PAGE = 24
SAID = "said of a name"


def names(opened: Opened[FindingsView]) -> None:
    """Draw the names that have the words of the view, those of this run's network and of others."""
    if (said := st.session_state.pop(SAID, None)) is not None:
        draw_said(said)
    called = names_of(opened.run)
    files = called.kept.files
    if not files:
        st.info(
            "Nothing has a name yet. **Pin** at the top of a page names the channel, the class or the region "
            "of the map that it shows; each name is a text file, to keep in git.",
            icon=":material/label:",
        )
        return
    shown = [each for each in files if _has(each, opened.view.find)]
    st.caption(
        f"{len(shown):,} of {counted(len(files), 'name')}. They appear wherever what they name appears."
    )
    for file in shown[page_of(FindingsView, "findings_page", len(shown), PER_PAGE)]:
        if file.name is None:
            problem = f"the file names/{file.stem}.toml can't be read: {file.problem}"
            st.error(sentence(problem), icon=":material/error:")
        else:
            with st.container(border=True, horizontal=True, vertical_alignment="center"):
                _row(opened, called, file.stem, file.name)


def _has(file: NameFile, find: str) -> bool:
    name = file.name
    said = () if name is None else (name.text, name.thing.where, name.by, name.network, name.store)
    text = "\n".join([file.stem, *said]).casefold()
    return all(word in text for word in find.casefold().split())


def _row(opened: Opened[FindingsView], called: Names, stem: str, name: Name) -> None:
    here = called.has(name.thing)
    with st.container():
        other = "" if here else f" :gray-badge[{_others(name)}]"
        st.markdown(f"**{plain(name.text)}**: {plain(_what(called, name))}{other}")
        by = f" by {plain(name.by)}" if name.by else ""
        where = f"network {plain(name.network or 'unknown')}, store {plain(name.store or 'unknown')}"
        st.caption(f"{where}, {name.named:%Y-%m-%d %H:%M} UTC{by}, {plain(stem)}.toml")
    view = view_of(name, opened.store, opened.run) if here else opened_by(name)
    if view is not None:
        link(view, f"Open {PAGES[view.page].title}")
    if not runs.settings().read_only:
        _changing(stem, name)


def _what(called: Names, name: Name) -> str:
    """Say what a name is of."""
    thing = name.thing
    if isinstance(thing, Channel):
        return thing.where
    if isinstance(thing, NamedClass):
        return f"class {thing.label}"
    count = f", {counted(len(called.image_ids(name)))}" if called.has(thing) else ""
    return f"region of the {thing.where}{count}"


def _others(name: Name) -> str:
    return "of other classes" if name.thing.kind == "class" else "of another network or other images"


def _changing(stem: str, name: Name) -> None:
    """Draw the form that changes a name, or takes it away."""
    panel = st.popover("Change", icon=":material/edit:", key=f"names/{stem}", on_change="rerun")
    if not panel.open:
        return
    # Of the name too, so that it doesn't write over one that was given meanwhile.
    key = f"names/{stem} {name.text}"
    with panel, st.form(key, border=False, enter_to_submit=False):
        text = st.text_input("Name", name.text, max_chars=LONGEST_NAME, key=f"{key} text")
        if st.form_submit_button("Rename", type="primary", icon=":material/edit:"):
            now = datetime.now(UTC).replace(microsecond=0)
            _shown_above(given(replace(name, text=one_line(text), named=now)))
        if st.form_submit_button("Remove the name", icon=":material/label_off:"):
            _shown_above(taken_away(name.thing))


def _shown_above(said: Said) -> None:
    """Run the page again, which then says what came of a change and lists the names as they are now."""
    st.session_state[SAID] = said
    st.rerun()
