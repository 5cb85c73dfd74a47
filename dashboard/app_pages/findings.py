"""The Findings page: pinned views with a note and their numbers, whether they still hold; names; stories."""

import streamlit as st

from dashboard.data import runs as data
from dashboard.findings.folder import FindingFile, Folder, findings
from dashboard.findings.recheck import Check, recheck, view_of
from dashboard.findings.record import Finding, Value
from dashboard.jobs.lookup import result_of
from dashboard.sections.findings import names
from dashboard.sections.stories import MARKS, stories
from dashboard.text import plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import FindingsView
from dashboard.views.link_html import linked_picture
from dashboard.views.navigation import PAGES, link
from dashboard.views.state import LiveView, ViewState
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_wall import page_of

KINDS = {"findings": "Findings", "names": "Names", "stories": "Stories"}
PER_PAGE = 12
FIRST = 4
"""Numbers that a card shows before it is asked for all of them."""

SHOWN = 60
"""Characters of a number's text that are shown."""


def draw(opened: Opened[FindingsView]) -> None:
    """Draw the page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Show",
            list(KINDS),
            key=binding.key(FindingsView, "show"),
            format_func=KINDS.get,
            on_change=_turn_back,
        )
        st.text_input(
            "Find",
            key=binding.key(FindingsView, "find"),
            icon=":material/search:",
            placeholder="words of a title, a note, a name, a page or a store",
            width=420,
            on_change=_turn_back,
        )
    if opened.view.show == "names":
        names(opened)
    elif opened.view.show == "stories":
        stories(opened)
    else:
        _findings(opened)


def _turn_back() -> None:
    binding.change(FindingsView, findings_page=1, story="")


def _findings(opened: Opened[FindingsView]) -> None:
    folder = findings()
    everything, place = folder.all(), plain(str(folder.path))
    if not everything:
        st.info(
            f"There is no finding in {place} yet. **Pin** at the top of a page keeps what it shows, "
            "with a note and its numbers, as a text file there; keep the folder in git.",
            icon=":material/keep:",
        )
        return
    shown = [each for each in everything if _has(each, opened.view.find)]
    st.caption(
        f"{len(shown):,} of {len(everything):,} findings in {place}. `make findings` computes all of them "
        " again, live ones too."
    )
    for kept in shown[page_of(FindingsView, "findings_page", len(shown), PER_PAGE)]:
        with st.container(border=True):
            _card(folder, kept)


def _has(kept: FindingFile, find: str) -> bool:
    finding = kept.finding
    said = () if finding is None else (finding.title, finding.note, finding.page, finding.store)
    text = "\n".join([kept.slug, *said]).casefold()
    return all(word in text for word in find.casefold().split())


def _card(folder: Folder, kept: FindingFile) -> None:
    if kept.finding is None:
        st.error(
            sentence(f"the file {kept.slug}.toml can't be read: {kept.problem}"), icon=":material/error:"
        )
        return
    finding, opens = kept.finding, _opens(kept.finding)
    picture, words, numbers = st.columns([2, 4, 3], gap="medium")
    with picture:
        _picture(folder, kept, opens)
    with words:
        st.subheader(plain(finding.title), anchor=False)
        if finding.note:
            st.text(finding.note)
        _state(finding, opens)
        st.caption(f"{finding.created:%Y-%m-%d %H:%M} UTC, {plain(kept.slug)}.toml")
    with numbers:
        _numbers(finding)


def _opens(finding: Finding) -> ViewState | None:
    """Return the view that a finding opens; None where its store or its page is not there."""
    try:
        return view_of(finding)[0] if data.shown_store(finding.store) else None
    except ValueError:
        return None


def _picture(folder: Folder, kept: FindingFile, opens: ViewState | None) -> None:
    """Draw a finding's picture, which is a link where there is something that it can open."""
    thumbnail = folder.thumbnail(kept.slug)
    if thumbnail is None:
        st.caption("No picture.")
        return
    alt = f"thumbnail of {kept.finding.title}"
    if opens is None:
        st.image(thumbnail, alt=alt, width="stretch")
    else:
        linked_picture(thumbnail, opens, alt, key=f"findings/{kept.slug}", width="stretch")


def _state(finding: Finding, opens: ViewState | None) -> None:
    try:
        view, _ = view_of(finding)
    except ValueError as error:
        st.markdown(MARKS["unchecked"])
        st.caption(sentence(error))
        return
    live = isinstance(view, LiveView)
    check = recheck(finding, result_of) if live else _stored(finding, _runs(finding))
    gone = " :orange-badge[:material/history_toggle_off: run gone]" if check.run_gone else ""
    st.markdown(f"{MARKS[check.kind]}{gone}")
    st.caption(sentence(check.sentence))
    if opens is not None:
        link(opens, f"Open {PAGES[opens.page].title}")


@st.cache_data(max_entries=256, show_spinner="Checking …", hash_funcs={Finding: Finding.to_toml})
def _stored(finding: Finding, runs: tuple[str, ...]) -> Check:
    """Check a finding that needs only the store.

    runs: the store's runs. These never change, so the check is done once for them.
    """
    return recheck(finding, result_of)


def _runs(finding: Finding) -> tuple[str, ...]:
    return tuple(data.run_names(finding.store)) if data.shown_store(finding.store) else ()


def _numbers(finding: Finding) -> None:
    st.caption(f"Store {plain(finding.store)}, network {plain(finding.model.get('name', 'unknown'))}")
    rows = {plain(name): plain(_written(value)) for name, value in finding.numbers.items()}
    first = dict(list(rows.items())[:FIRST])
    if first:
        st.table({"": first}, border="horizontal", hide_header=True)
    if len(rows) > FIRST:
        with st.popover(f"All {len(rows)} numbers", icon=":material/numbers:"):
            st.table({"": rows}, border="horizontal", hide_header=True)


def _written(value: Value) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


draw(open_page(FindingsView))
