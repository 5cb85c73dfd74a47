"""Which other run a run is compared with where nobody says, and what to build where there is none."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from dashboard.data import comparison, runs
from dashboard.sharing.downloads.download import path_said
from dashboard.views.definitions import CompareView
from featurestore.reader import Run, Store

Place = tuple[str, str]
"""A store's listed name and a run's fingerprint."""


def partner(view: CompareView, run: Run) -> Place | None:
    """Another store's current run, or an older one of this store, that holds images of this run; None where
    there is none. The ones over the very same images first."""
    places = [*_others(view), *_older(view, run)]
    for name in ("hash", "spec", None):
        for place in places:
            other = runs.open_run(*place)
            if (name is None or _same(run, other, name)) and comparison.in_common(run, other):
                return place
    return None


def current(store: str) -> str | None:
    """None where the store has no run that can be read."""
    try:
        fingerprint = Store(runs.stores()[store]).current()
        return runs.open_run(store, fingerprint).fingerprint
    except ValueError:
        return None


def none_yet(view: CompareView, run: Run) -> None:
    """That no other run holds these images, and the command that makes one."""
    st.info(
        "No other run here is over these images, so there is nothing to compare with yet. Images are matched "
        "by the SHA-256 of their bytes. This makes a store of another network over the same images; name the "
        "network of your choice in it, and reload this page once it is made.",
        icon=":material/compare:",
    )
    st.code(command(view, run), language="shell", wrap_lines=True)


def command(view: CompareView, run: Run) -> str:
    """`make store …` of a network of torchvision's over the images of this run."""
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


def _others(view: CompareView) -> Iterator[Place]:
    for store in runs.stores():
        if store != view.store and (fingerprint := current(store)):
            yield store, fingerprint


def _older(view: CompareView, run: Run) -> Iterator[Place]:
    """Latest first."""
    for fingerprint in reversed(Store(runs.stores()[view.store]).runs()):
        if fingerprint != run.fingerprint:
            yield view.store, fingerprint


def _same(run: Run, other: Run, name: str) -> bool:
    return name in run.manifest.images and run.manifest.images[name] == other.manifest.images.get(name)
