"""The other run of the Compare page: the one that is taken where the address names none, the command that
builds one where there is none, and what is said where it was regenerated or is gone.
"""

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from dashboard.data import comparison, runs
from dashboard.sharing.downloads.download import path_said
from dashboard.sharing.proof import Proof
from dashboard.views.definitions import CompareView
from dashboard.widgets import errors
from featurestore.reader import Run, Store

Place = tuple[str, str]
"""A store's listed name and a run's fingerprint."""


def partner(view: CompareView, run: Run) -> Place | None:
    """Return the run that is compared with where the address names none; None where there is none.

    It holds images of this run, and is another store's current run or an older one of this store. One over
    the very same set of images goes first.
    """
    places = [*_others(view), *_older(view, run)]
    for name in ("hash", "spec", None):
        for place in places:
            other = runs.open_run(*place)
            if (name is None or _same(run, other, name)) and comparison.in_common(run, other):
                return place
    return None


def current(store: str) -> str | None:
    """Return the fingerprint of a store's current run; None where it has none that can be read."""
    try:
        fingerprint = Store(runs.stores()[store]).current()
        return runs.open_run(store, fingerprint).fingerprint
    except ValueError:
        return None


def none_yet(view: CompareView, run: Run) -> None:
    """Say that no other run holds these images, with the command that makes one."""
    st.info(
        "No other run here is over these images, so there is nothing to compare with yet. Images are matched "
        "by the SHA-256 of their bytes. This makes a store of another network over the same images; name the "
        "network of your choice in it, and reload this page once it is made.",
        icon=":material/compare:",
    )
    st.code(command(view, run), language="shell", wrap_lines=True)


def command(view: CompareView, run: Run) -> str:
    """Return the `make store …` of a network of torchvision's over the images of this run."""
    place, chosen = runs.stores()[view.store], run.manifest.parameters
    folder = place.parent if isinstance(place, Path) else Path("stores")
    asked = {
        "MODEL": "torchvision:resnet18",
        "WEIGHTS": "DEFAULT",
        "IMAGES": run.manifest.images.get("spec", "…"),
        "LIMIT": chosen.get("limit"),
        "STORE": path_said(folder / f"{view.store}-resnet18"),
        "ARGS": f"--seed {chosen['seed']}" if chosen.get("limit") and chosen.get("seed") else None,
    }
    return shlex.join(["make", "store", *(f"{name}={value}" for name, value in asked.items() if value)])


def offer(view: CompareView, other: Run) -> None:
    """Offer the other store's new run, and the run that the link was made with, where these are not shown."""
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
    """Say that the view's other run can't be opened, and offer what can."""
    st.warning(f"The other run can't be shown: {reason}", icon=":material/history_toggle_off:")
    with st.container(horizontal=True):
        if view.other_store in runs.stores():
            errors.offer(dataclasses.replace(view, other_run=""), "Compare with its store's current run")
        another = dataclasses.replace(view, other_store="", other_run="")
        errors.offer(another, "Compare with another run", primary=view.other_store not in runs.stores())


def _others(view: CompareView) -> Iterator[Place]:
    for store in runs.stores():
        if store != view.store and (fingerprint := current(store)):
            yield store, fingerprint


def _older(view: CompareView, run: Run) -> Iterator[Place]:
    """Yield the other runs of the view's store, the latest first."""
    for fingerprint in reversed(Store(runs.stores()[view.store]).runs()):
        if fingerprint != run.fingerprint:
            yield view.store, fingerprint


def _same(run: Run, other: Run, name: str) -> bool:
    return name in run.manifest.images and run.manifest.images[name] == other.manifest.images.get(name)


def _say(said: str, view: CompareView, fingerprint: str | None, label: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"{said[0].upper()}{said[1:]}", icon=":material/update:")
        if fingerprint:
            errors.offer(dataclasses.replace(view, other_run=fingerprint), label, primary=False)
