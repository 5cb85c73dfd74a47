"""The link to what a page shows, to copy; and what opening a link has shown to be the same."""

import dataclasses
from urllib.parse import urlencode

import streamlit as st

from dashboard.components.copy_button import copy_button
from dashboard.data.partners import beside
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import results
from dashboard.sharing.proof import Proof, compare, prove
from dashboard.sharing.short_links import short_links
from dashboard.text import plain, reason, slug
from dashboard.views import urls
from dashboard.views.state import MethodView, ViewState
from featurestore.reader import Run

MARKS = {
    "reproduced": ":green[:material/verified:]",
    "close": ":blue[:material/approval:]",
    "differs": ":orange[:material/difference:]",
}

LONGEST_READ = 30
"""Characters of a name that a short link has."""

ALTERED = "the link differs from the one that was copied: its address was changed, so it proves nothing"


def draw_link(view: ViewState, run: Run, result: Result | None, name: str = "") -> None:
    """Draw the button; what it opens is made only then.

    name: of what the view shows, where it has one.
    """
    panel = st.popover(
        "Copy link",
        icon=":material/link:",
        help="A link to exactly this view",
        key=f"{view.page}/link",
        on_change="rerun",
    )
    if panel.open:
        with panel:
            _links(proved(view, run, result), name)


def _links(linked: ViewState, name: str) -> None:
    shown = f"**{plain(name)}**, this view," if name else "this view"
    st.caption(
        f"Opens on {shown} and says whether it still is the same: it carries checksums of the run"
        + (" and of the result." if Proof.from_text(linked.proof).result else ".")
    )
    full = address(linked)
    copy_button(full, label="Copy link", key=f"{linked.page}/copy link")
    st.code(full, language=None, wrap_lines=True, height=120)
    try:
        short = short_address(linked, name)
    except OSError as error:
        st.caption(f"There is no short form: it could not be kept beside the store ({plain(reason(error))}).")
        return
    copy_button(short, label="Copy short link", key=f"{linked.page}/copy short link")
    st.code(short, language=None, wrap_lines=True)
    st.caption("The short one opens wherever this store's folder is served.")


def proved(view: ViewState, run: Run, result: Result | None) -> ViewState:
    """Return the view as its link has it: opening on the result that is shown, and with the proof of it."""
    shown = dataclasses.replace(view, proof="")
    if result is not None and isinstance(view, MethodView):
        shown = dataclasses.replace(shown, live=True)
    return dataclasses.replace(shown, proof=prove(shown, run, result, *beside(view, run)).to_text())


def address(view: ViewState) -> str:
    """Return the page's own address, with the view as it is."""
    return f"{_here()}?{urlencode(view.to_query(), errors='replace')}"


def short_address(view: ViewState, name: str = "") -> str:
    """Return a short link to the view; OSError where it can't be kept.

    name: of what the view shows: the link ends in it, for those who read the link.
    """
    kept = "-".join(filter(None, (short_links(view.store).add(view), slug(name, LONGEST_READ))))
    return f"{_here().removesuffix('/' + view.page).rstrip('/')}/{urls.short_link(view.store, kept)}"


def _here() -> str:
    return (st.context.url or "").split("?")[0]


def proof_of(view: ViewState) -> tuple[Proof | None, tuple[str, ...]]:
    """Return the proof in the view's link, and notes.

    None where the link has no proof of this view.
    """
    if not view.proof:
        return None, ()
    try:
        proof = Proof.from_text(view.proof)
    except ValueError as error:
        return None, (str(error),)
    if proof.is_for(view):
        return proof, ()
    return None, (ALTERED,)


def draw_verdict(proof: Proof, view: ViewState, run: Run, result: Result | None) -> None:
    """Draw one small line that says whether what is shown is what the link was made on."""
    verdict = compare(proof, prove(view, run, result, *beside(view, run)), results(view.store), result)
    later = ""
    if isinstance(view, MethodView) and view.shows_result and not proof.result:
        later = " The link was copied before there was a result, so it says nothing of the picture."
    elif proof.result and result is None:
        later = " The result is compared once it is there."
    st.caption(f"{MARKS[verdict.kind]} {plain(verdict.sentence)}.{later}")
