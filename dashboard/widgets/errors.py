"""What a page shows where it can't show what was asked for, or shows it on another run.

An error becomes a sentence that says what to do; where a link leads nowhere, the page says what is missing
and offers what can be shown instead; where a store was regenerated, ways to the new run and back to the old.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import streamlit as st

from compute.runtime.batches import is_out_of_memory
from dashboard.data import runs
from dashboard.jobs.queue import OUT_OF_MEMORY
from dashboard.sharing.proof import Proof
from dashboard.text import logged, plain, sentence
from dashboard.views import binding
from dashboard.views.binding import View
from dashboard.views.state import ViewState
from featurestore.reader import Run, Store


@contextmanager
def boundary() -> Iterator[None]:
    """Show errors in the page's place, and go on.

    ValueErrors are written for people and are shown, and so is it that a device's memory is used up. Others
    are logged, and shown by their number in the log.
    """
    try:
        yield
    except ValueError as error:
        st.error(sentence(error), icon=":material/error:")
    except Exception as error:
        if is_out_of_memory(error):
            st.error(sentence(OUT_OF_MEMORY), icon=":material/memory:")
            return
        said = sentence(logged("page"))
        st.error(
            f"{said} The rest of the dashboard goes on; reload the page, or go to another one.",
            icon=":material/bug_report:",
        )


def no_stores() -> NoReturn:
    """Say how a store is made, and end the page."""
    st.header("No stores yet", anchor=False)
    places = ", ".join(map(plain, runs.settings().stores))
    st.info(
        f"There is no store in {places}. `make` builds the demo store; `make store MODEL=… IMAGES=… STORE=…` "
        "builds one of your network and your images. This page finds it when you reload it.",
        icon=":material/database:",
    )
    st.stop()


def unknown_store(view: View, listed: list[str]) -> NoReturn:
    """Offer the stores that there are, and end the page."""
    st.header("No such store", anchor=False)
    st.warning(
        f"The link asks for store {plain(view.store)}, which this dashboard does not serve. It serves: "
        f"{', '.join(map(plain, listed))}. Start it with `--stores` naming the one you want.",
        icon=":material/database_off:",
    )
    for name in listed:
        offer(dataclasses.replace(view, store=name, run=""), f"Show {plain(name)}")
    st.stop()


def unfinished(view: View, listed: list[str], store: Store) -> NoReturn:
    """Say how far the store is that is being made, show it once it is there, offer the others meanwhile."""
    _progress(view, store)
    _offer_others(view, listed)
    st.stop()


@st.fragment(run_every=2.0)
def _progress(view: View, store: Store) -> None:
    """Draw how far a store is; rerun the page once it has a run."""
    # A fragment runs outside of the page, so it needs a boundary of its own.
    with boundary():
        if runs.has_run(store.path):
            binding.rerun()
        line = store.progress()
        if line is None:
            st.header(f"Store {plain(view.store)} is not finished", anchor=False)
            st.warning(
                "It has no run yet, and nobody on this machine is making one. Where that was interrupted, "
                "the command that began it goes on with it.",
                icon=":material/pause_circle:",
            )
            return
        st.header(f"Store {plain(view.store)} is being made", anchor=False)
        st.info("This page shows it once it is there.", icon=":material/hourglass_top:")
        if line:
            st.code(line, language=None)


def unreadable(view: View, listed: list[str], error: ValueError) -> NoReturn:
    """Say why the store can't be read, offer the others, and end the page."""
    st.header(f"Store {plain(view.store)} can't be read", anchor=False)
    st.error(sentence(error), icon=":material/error:")
    _offer_others(view, listed)
    st.stop()


def _offer_others(view: View, listed: list[str]) -> None:
    for name in listed:
        if name != view.store:
            offer(dataclasses.replace(view, store=name, run=""), f"Show {plain(name)}")


def gone(view: View) -> NoReturn:
    """Say that the link's run is no longer in the store, offer the current one, and end the page."""
    st.header("This run is gone", anchor=False)
    st.warning(
        f"This store was regenerated, or is another copy: the link's run {plain(view.run)} is no longer in "
        f"store {plain(view.store)}. The same view can be shown on the store's current run; the page then "
        "says what differs, as far as the link can tell.",
        icon=":material/history_toggle_off:",
    )
    offer(dataclasses.replace(view, run=""), "Show the same view on the current run")
    st.stop()


def offer(view: View, label: str, primary: bool = True) -> None:
    """Draw a button that leads to a view of the same page."""
    kind = "primary" if primary else "secondary"
    st.button(label, type=kind, on_click=_adopt, args=(view,))


def _adopt(view: View) -> None:
    binding.remember(view, st.session_state)
    st.query_params.from_dict(view.to_query())


def other_runs(view: ViewState, run: Run, latest: str, proof: Proof | None) -> None:
    """Offer the store's current run, and the run of the link, where they are not what is shown."""
    if proof is not None and not proof.is_of(run):
        _to_the_old(view, run, proof)
    if latest != run.fingerprint:
        _to_the_new(view, run, latest)


def _to_the_new(view: ViewState, run: Run, latest: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"This store was regenerated: you see its older {plain(runs.spoken(run))}; the current one is "
            f"the {plain(runs.spoken(runs.run_at(str(runs.stores()[view.store]), latest)))}.",
            icon=":material/update:",
        )
        offer(dataclasses.replace(view, run=""), "Show the same view on the new run", primary=False)


def _to_the_old(view: ViewState, run: Run, proof: Proof) -> None:
    store = Store(runs.stores()[view.store])
    old = next((each for each in store.runs() if proof.is_of_fingerprint(each)), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        gone = "" if old else " The old run's folder is gone, so it can't be shown any more."
        st.info(
            f"This store was regenerated: the link was made on run {plain(proof.run)}; you see the same view "
            f"on the {plain(runs.spoken(run))}.{gone}",
            icon=":material/update:",
        )
        if old:
            offer(dataclasses.replace(view, run=old), "Show the old run", primary=False)
