"""The other run of the Compare page: the command that builds one where there is none, and what is said where
it was regenerated or is gone.
"""

import dataclasses
from pathlib import Path

import streamlit as st

from dashboard.data import runs
from dashboard.sharing.downloads.download import path_said
from dashboard.sharing.proof import Proof
from dashboard.text import sentence
from dashboard.views.definitions import CompareView
from dashboard.widgets import errors
from featurestore.errors import make_argument
from featurestore.reader import Run, Store


def none_yet(view: CompareView, run: Run) -> None:
    """Say what would be a run to compare with, with the command that makes one."""
    st.info(
        "No other store here is over these images, so there is nothing to compare with yet. A store of "
        "another network over the same images would be one, or a new run of this one; images are matched by "
        "the SHA-256 of their bytes. This makes one; name the network of your choice in it:",
        icon=":material/compare:",
    )
    st.code(command(view, run), language="shell", wrap_lines=True)


def command(view: CompareView, run: Run) -> str:
    """Return the `make store …` of a network of torchvision's over the images of this run.

    The store may be somebody else's: what it says is quoted for the shell and for make, and left out where it
    can't be.
    """
    place, chosen = runs.stores()[view.store], run.manifest.parameters
    folder = place.parent if isinstance(place, Path) else Path("stores")
    images, limit, seed = (
        run.manifest.images.get("spec"),
        *(each if type(each) is int else None for each in map(chosen.get, ("limit", "seed"))),
    )
    asked = {
        "MODEL": "torchvision:resnet18",
        "WEIGHTS": "DEFAULT",
        "IMAGES": images if isinstance(images, str) and images.isprintable() else "…",
        "LIMIT": limit,
        "STORE": path_said(folder / f"{view.store}-resnet18"),
        "ARGS": f"--seed {seed}" if limit and seed else None,
    }
    return " ".join(["make store", *(make_argument(name, value) for name, value in asked.items() if value)])


def offer(view: CompareView, other: Run) -> None:
    """Offer the other store's new run, and the run that the link was made with, where these are not shown."""
    store = Store(runs.stores()[view.other_store])
    linked = Proof.from_text(view.proof).other if view.proof else None
    if linked is not None and not linked.is_of(other):
        old = next((each for each in store.runs() if linked.is_of_fingerprint(each)), None)
        said = f"the link was made with run {linked.run} of store {view.other_store}; you see its "
        gone = "" if old else ". That run is not in the store any more"
        _say(f"{said}{runs.spoken(other)}{gone}.", view, old, "Show the link's other run")
    latest = store.current()
    if latest != other.fingerprint:
        said = f"store {view.other_store} was regenerated: you see its older {runs.spoken(other)}"
        now = runs.spoken(runs.open_run(view.other_store, latest))
        _say(f"{said}; the current one is the {now}.", view, latest, "Compare with its current run")


def gone(view: CompareView, reason: str) -> None:
    """Say that the view's other run can't be opened, and offer what can."""
    st.warning(sentence(f"The other run can't be shown: {reason}"), icon=":material/history_toggle_off:")
    with st.container(horizontal=True):
        if view.other_store in runs.stores():
            errors.offer(dataclasses.replace(view, other_run=""), "Compare with its store's current run")
        another = dataclasses.replace(view, other_store="", other_run="")
        errors.offer(another, "Compare with another run", primary=view.other_store not in runs.stores())


def _say(said: str, view: CompareView, fingerprint: str | None, label: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(sentence(said), icon=":material/update:")
        if fingerprint:
            errors.offer(dataclasses.replace(view, other_run=fingerprint), label, primary=False)
