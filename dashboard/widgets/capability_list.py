"""Which methods the run's network allows, and why it does not allow the others."""

import streamlit as st

from compute.methods import METHODS
from dashboard.text import plain
from featurestore.reader import Run

QUERIES = {
    "filters": "First-layer filters",
    "neighbors": "Nearest neighbours",
    "maps": "Maps and grids",
    "patches": "Maximally activating patches",
}


def capability_list(run: Run) -> None:
    """Draw the methods that the run's manifest lists; what it doesn't list, being newer, is left open."""
    titles = QUERIES | {name: method.title for name, method in METHODS.items()}
    known = run.manifest.model.get("capabilities", {})
    able = [title for name, title in titles.items() if name in known and known[name] is None]
    unknown = [title for name, title in titles.items() if name not in known]
    st.markdown(" ".join(f":green-badge[:material/check: {title}]" for title in able))
    if unknown:
        st.caption(f"Not probed when this run was made: {', '.join(unknown)}.")
    reasons = [
        {"Not available": titles[name], "Because": plain(reason)} for name, reason in known.items() if reason
    ]
    if reasons:
        st.table(reasons, border="horizontal")


def reason(run: Run, name: str) -> str | None:
    """Return why the network does not allow a method; None where it does, or it was not asked."""
    return run.manifest.model.get("capabilities", {}).get(name)
