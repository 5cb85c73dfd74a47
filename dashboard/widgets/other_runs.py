"""What is said where a store has another run than the link's: ways to the new one, and back to the old."""

import dataclasses

import streamlit as st

from dashboard.data import runs
from dashboard.sharing.proof import Proof
from dashboard.views.state import ViewState
from dashboard.widgets import errors
from featurestore.reader import Run, Store


def offer(view: ViewState, run: Run, latest: str, proof: Proof | None) -> None:
    """Offer the store's current run, and the run of the link, where they are not what is shown."""
    if proof is not None and not proof.is_of(run):
        _to_the_old(view, run, proof)
    if latest != run.fingerprint:
        _to_the_new(view, run, latest)


def _to_the_new(view: ViewState, run: Run, latest: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"This store was regenerated: you see its older {runs.spoken(run)}; the current one is "
            f"the {runs.spoken(runs.run_at(str(runs.stores()[view.store]), latest))}.",
            icon=":material/update:",
        )
        errors.offer(dataclasses.replace(view, run=""), "Show the same view on the new run", primary=False)


def _to_the_old(view: ViewState, run: Run, proof: Proof) -> None:
    store = Store(runs.stores()[view.store])
    old = next((each for each in store.runs() if proof.is_of_fingerprint(each)), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        gone = "" if old else " The old run's folder is gone, so it can't be shown any more."
        st.info(
            f"This store was regenerated: the link was made on run `{proof.run}`; you see the same view on "
            f"the {runs.spoken(run)}.{gone}",
            icon=":material/update:",
        )
        if old:
            errors.offer(dataclasses.replace(view, run=old), "Show the old run", primary=False)
