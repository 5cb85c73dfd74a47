"""The button Pin: it keeps what a page shows, with a note and its numbers, as a finding, and names it."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.data import runs
from dashboard.findings.folder import findings
from dashboard.findings.names.form import draw_said, make, name_fields
from dashboard.findings.names.of_run import names_of
from dashboard.findings.names.things import things_of
from dashboard.findings.recheck import environment_of, numbers_of
from dashboard.findings.record import LONGEST_NOTE, LONGEST_TITLE, Finding
from dashboard.jobs.result import Result
from dashboard.sharing.downloads import main_download
from dashboard.sharing.link_panel import proved
from dashboard.text import reason, sentence
from dashboard.views.definitions import AboutView, FindingsView, ResultsView
from dashboard.views.navigation import PAGES
from dashboard.views.state import ViewState
from featurestore.reader import Run

CAME = "what came of pinning"
"""Under it in the session: what draws it."""

NOTHING_TO_PIN = (AboutView, FindingsView, ResultsView)


def draw_pin(view: ViewState, run: Run, result: Result | None) -> None:
    """Draw the button, and its form once it is opened; nothing where visitors may not pin."""
    if isinstance(view, NOTHING_TO_PIN) or runs.settings().read_only:
        return
    panel = st.popover(
        "Pin",
        icon=":material/keep:",
        help="Keep this view as a finding, with a note and its numbers; name what it shows",
        key=f"{view.page}/pin",
        on_change="rerun",
    )
    if panel.open:
        with panel, st.form(f"{view.page}/finding", border=False, enter_to_submit=False):
            things = things_of(view, run, names_of(run))
            changes = name_fields(view.page, things)
            title = st.text_input(
                "Title",
                max_chars=LONGEST_TITLE,
                placeholder="Without one, the name alone is kept" if things else None,
            )
            note = st.text_area("Note", max_chars=LONGEST_NOTE, placeholder="What is to be seen here?")
            if st.form_submit_button("Pin", type="primary", icon=":material/keep:"):
                came = [partial(draw_said, said) for said in make(changes, view.store, run)]
                if title.strip():
                    came.append(_pin(view, run, result, title.strip(), note.strip()))
                elif note.strip() or not changes:
                    came.append(partial(_nothing, bool(things)))
                st.session_state[CAME] = came
                if changes:
                    st.rerun()  # the fields are those of the new names now, and written into there
            for draw in st.session_state.pop(CAME, ()):
                draw()


def _nothing(has_names: bool) -> None:
    also = " Or write another name above." if has_names else ""
    st.error(f"A finding needs a title.{also}", icon=":material/error:")


def _pin(view: ViewState, run: Run, result: Result | None, title: str, note: str) -> Callable[[], None]:
    """Keep the finding. Returns what draws what came of it."""
    try:
        finding = finding_of(view, run, result, title, note)
        picture = picture_of(view, run, result)
    except ValueError as error:
        return partial(_wrong, sentence(error))
    folder = findings()
    try:
        slug = folder.add(finding, picture)
    except OSError as error:
        return partial(_refused, finding, folder.path, error)
    return partial(_pinned, folder.path / slug)


def _wrong(said: str) -> None:
    st.error(said, icon=":material/error:")


def _pinned(path: Path) -> None:
    st.success(sentence(f"pinned as {path}.toml; commit it to share it"), icon=":material/keep:")
    st.page_link(PAGES[FindingsView.page].file, label="All findings", icon=":material/keep:")


def _refused(finding: Finding, folder, error: OSError) -> None:
    st.error(
        sentence(f"the folder {folder} can't be written ({reason(error)})")
        + " Make it writable, start the dashboard with `--findings` naming another one, or save this text "
        "there yourself:",
        icon=":material/error:",
    )
    st.code(finding.to_toml(), language="toml", height=240)


def finding_of(view: ViewState, run: Run, result: Result | None, title: str, note: str) -> Finding:
    """Return a view as a finding; ValueError where the view's numbers can't be made."""
    shown, manifest = proved(view, run, result), run.manifest
    return Finding(
        title=title,
        note=note,
        created=datetime.now(UTC).replace(microsecond=0),
        page=view.page,
        query=dataclasses.replace(shown, proof="").to_query(),
        store=view.store,
        run=run.fingerprint,
        model=_texts(manifest.model, "name", "weights_hash"),
        images=_texts(manifest.images, "hash"),
        environment=environment_of(run, result),
        numbers=numbers_of(view, run, result),
        proof=shown.proof,
    )


def picture_of(view: ViewState, run: Run, result: Result | None) -> bytes | None:
    """Return the view's main picture as PNG; None where it has none, or it can't be drawn."""
    download = main_download(view, run, runs.stores()[view.store], result)
    try:
        return None if download is None else download.picture
    except ValueError:
        # An original that is gone is no reason to lose the note and the numbers.
        return None


def _texts(said, *names: str) -> dict[str, str]:
    return {name: str(said[name]) for name in names if said.get(name) is not None}
