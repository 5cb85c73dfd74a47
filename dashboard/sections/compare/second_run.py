"""The other run of a view of two: where it lies, and what to say where it was regenerated or is gone."""

import dataclasses

import streamlit as st

from dashboard.data import runs
from dashboard.sharing.proof import Proof
from dashboard.views.definitions import CompareView
from dashboard.views.query_text import resolved
from dashboard.views.state import ViewState
from dashboard.widgets import dead_ends
from featurestore.reader import Run, Store


def other_store(view: CompareView) -> str:
    """The listed name that an address says, or abbreviates."""
    return resolved(view.other_store, runs.stores())


def open_other(view: CompareView) -> Run:
    """ValueError where it is not there."""
    store = other_store(view)
    path = runs.stores().get(store)
    fingerprint = view.other_run or (Store(path).current() if path else "")
    return runs.open_run(store, fingerprint)


def second_run(view: ViewState) -> Run | None:
    """None of a view of one run, and where the other is not there."""
    if not isinstance(view, CompareView):
        return None
    try:
        return open_other(view)
    except ValueError:
        return None


def offer(view: CompareView, other: Run) -> None:
    """The way to the other store's new run, and back to the link's; nothing where it is both."""
    store = Store(runs.stores()[view.other_store])
    linked = Proof.from_text(view.proof).other if view.proof else None
    if linked is not None and not linked.is_of(other):
        old = next((each for each in store.runs() if linked.is_of_fingerprint(each)), None)
        said = (
            f"the link was made with run `{linked.run}` as the other one; you see run `{other.fingerprint}`"
        )
        gone = "" if old else ". That run is not in the store any more"
        _say(f"{said}{gone}.", view, old, "Show the link's other run")
    latest = store.current()
    if latest != other.fingerprint:
        said = f"store `{view.other_store}` was regenerated: you see its older run `{other.fingerprint}`"
        _say(f"{said}; the current one is `{latest}`.", view, latest, "Compare with its current run")


def gone(view: CompareView, reason: str) -> None:
    """The view's other run can't be opened."""
    st.warning(f"The other run can't be shown: {reason}", icon=":material/history_toggle_off:")
    with st.container(horizontal=True):
        if view.other_store in runs.stores():
            dead_ends.offer(dataclasses.replace(view, other_run=""), "Compare with its store's current run")
        another = dataclasses.replace(view, other_store="", other_run="")
        dead_ends.offer(another, "Compare with another run", primary=view.other_store not in runs.stores())


def _say(said: str, view: CompareView, fingerprint: str | None, label: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"{said[0].upper()}{said[1:]}", icon=":material/update:")
        if fingerprint:
            dead_ends.offer(dataclasses.replace(view, other_run=fingerprint), label, primary=False)
