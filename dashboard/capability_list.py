"""Every method in a row: what it shows, its paper, and whether the run's network allows it."""

import streamlit as st

from compute.methods import METHODS
from featurestore.reader import Run

QUERIES = {
    "filters": "First-layer filters",
    "neighbors": "Nearest neighbours",
    "maps": "Maps and grids",
    "patches": "Maximally activating patches",
}


def capability_table(run: Run) -> None:
    """As the run's manifest says; what it doesn't say (a method added since) is left open."""
    known = run.manifest.model.get("capabilities", {})
    titles = QUERIES | {name: method.title for name, method in METHODS.items()}
    rows = [
        {"": _mark(name, known), "What": title, "Not available because": known.get(name) or ""}
        for name, title in titles.items()
    ]
    st.table(rows, border="horizontal")


def reason(run: Run, name: str) -> str | None:
    """Why the run's network does not allow a method or query; None where it does, or was not asked."""
    return run.manifest.model.get("capabilities", {}).get(name)


def _mark(name: str, known: dict) -> str:
    if name not in known:
        return ":material/help: not probed"
    return ":green[:material/check_circle:] available" if known[name] is None else ":orange[:material/block:] no"
