"""The About page: every method in a sentence, with its paper and whether this network allows it."""

import streamlit as st

from compute.methods import METHODS
from compute.methods.base import Method
from dashboard.data import runs
from dashboard.text import plain
from dashboard.views.definitions import AboutView, ChannelsView, LabView, MapView, NeighborsView, OverviewView
from dashboard.views.navigation import PAGES, link
from dashboard.views.state import read_parameters
from dashboard.widgets.capability_list import reason
from dashboard.widgets.header import Opened, open_page

STORED = (
    (
        OverviewView,
        "filters",
        "First-layer filters",
        "The weights of the first convolution are in the space of pixels, so they can be looked at: edges "
        "and colours in a network that has learnt, noise in one that has not.",
        "Krizhevsky, Sutskever, Hinton 2012",
    ),
    (
        NeighborsView,
        "neighbors",
        "Nearest neighbours",
        "Images whose last-layer features lie close together mean similar things to the network, even where "
        "their pixels differ; those close by pixels look alike and often mean different things.",
        "Krizhevsky, Sutskever, Hinton 2012",
    ),
    (
        MapView,
        "maps",
        "Maps and grids",
        "The feature space of hundreds of dimensions, laid out on a plane so that near images stay near. "
        "Trustworthiness says how far a map can be believed.",
        "van der Maaten, Hinton 2008; McInnes, Healy, Melville 2018; Karpathy, cnnembed",
    ),
    (
        ChannelsView,
        "patches",
        "Maximally activating patches",
        "The patches of all images that activate a channel most show what it responds to; a patch is as "
        "large as the unit's receptive field.",
        "Zeiler, Fergus 2014; Springenberg et al. 2015",
    ),
)


def draw(opened: Opened[AboutView]) -> None:
    """Draw the page."""
    st.subheader("From the store", anchor=False)
    with st.grid(2, min_column_width=360):
        for view, name, title, theory, paper in STORED:
            _card(title, theory, paper, reason(opened.run, name), view(opened.store, opened.run.fingerprint))
    st.subheader("Live", anchor=False)
    _say_code(opened)
    with st.grid(2, min_column_width=360):
        for name, method in METHODS.items():
            _card(
                method.title,
                method.theory,
                method.reference,
                reason(opened.run, name),
                _lab(opened, name, method),
            )


def _say_code(opened: Opened[AboutView]) -> None:
    """Say which code of the operator's own the live methods run, if any."""
    code = runs.own_code(opened.run)
    if code is not None:
        sha256 = f", SHA-256 {code.sha256}" if code.sha256 else ""
        st.caption(f"The network is made by code of your own: {plain(code.model)}{sha256}")


def _lab(opened: Opened[AboutView], name: str, method: type[Method]) -> LabView:
    parameters = read_parameters(name, {})[0]
    return LabView(opened.store, opened.run.fingerprint, method=name, parameters=parameters)


def _card(title: str, theory: str, paper: str, why_not: str | None, view) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{title}**")
        st.markdown(theory)
        st.caption(paper)
        st.space("stretch")
        if why_not:
            st.caption(f":orange[:material/block:] Not for this network: {plain(why_not)}.")
        else:
            link(view, f"Open {PAGES[view.page].title}")


draw(open_page(AboutView))
