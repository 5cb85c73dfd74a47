"""The tab Neighbours disagree of the Mistakes page: images whose nearest images carry another label."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import streamlit as st

from compute.images.sources import names_in_lists
from compute.reports.mistakes import NEIGHBOR_COLUMNS, chosen, outvoted
from dashboard.data.labelled_images import Labelled
from dashboard.data.runs import BY_FOLDER
from dashboard.findings.names import Names, names_of
from dashboard.findings.names.class_box import class_box
from dashboard.text import percent
from dashboard.views import binding
from dashboard.views.definitions import MistakesView, NeighborsView
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import wall
from featurestore.reader import Run

THEORY = (
    "Where the nearest images in feature space vote for another label than an image's own, the label may be "
    "wrong, or the image is a hard one. Such images are those that the edited nearest neighbour rule takes "
    "out of a training set (Wilson 1972); looking at them is a way to find errors in the labels (confident "
    "learning finds them from the predicted probabilities instead: Northcutt, Jiang and Chuang 2021)."
)
OF_SINGLE_LABELS = (
    "The most suspicious labels first. On each image its suspicion, the share of neighbours with another "
    "label times the probability that the network gives to other labels; below it what the neighbours vote "
    "for. A click shows them."
)
OF_LISTS = (
    "Those first of whose labels the neighbours carry one least often. On each image the share of neighbours "
    "without it; below it what they vote for in its place. A click shows them."
)
MOST = 20
"""Neighbours of each image in the store."""


def disagreeing(opened: Opened[MistakesView], judged: Labelled) -> None:
    """Draw the tab.

    judged: the labelled images of the page's split and selection.
    """
    if "neighbors" not in opened.run.tables():
        st.info(
            "This run has no neighbours: `python -m compute store --stages neighbors …` finds them.",
            icon=":material/hub:",
        )
        return
    st.caption(THEORY)
    lists = opened.run.manifest.labels_are_lists
    names = names_of(opened.run)
    _controls(names_in_lists(judged.labels) if lists else judged.labels, names)
    shown = _shown(opened, judged.images)
    if not len(shown):
        st.info("No image of this kind is outvoted by its neighbours.", icon=":material/check_circle:")
        return
    st.subheader(f"{len(shown):,} of {len(judged):,} images are outvoted", anchor=False)
    st.caption(
        OF_LISTS if lists else OF_SINGLE_LABELS,
    )
    neighbors = binding.following(NeighborsView, opened.view, st.session_state)
    wall(
        opened,
        shown["image_id"].to_numpy(),
        "images_page",
        label="Images that their neighbours outvote",
        badges=[percent(suspicion) for suspicion in shown["suspicion"].to_pylist()],
        notes=[f"vote: {names.class_(label) or label}" for label in shown["majority"].to_pylist()],
        judged=False,
        opens=replace(neighbors, upload="", count=opened.view.k),
    )


def _controls(labels: Sequence[str], names: Names) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = binding.key(MistakesView, "k")
        st.slider("Neighbours that vote", 1, MOST, key=key, width=320, on_change=_turn_back)
        label_choice("label", "Label", labels, names)
        label_choice("predicted", "Neighbours vote for", labels, names)


def label_choice(field: str, title: str, labels: Sequence[str], names: Names) -> None:
    """Draw a choice of one class, or any.

    A class that a link names and the images don't have can be seen, and taken back.
    """
    key = binding.key(MistakesView, field)
    asked = [label for label in (st.session_state[key],) if label and label not in labels]
    offered = ["", *asked, *labels]
    class_box(title, offered, key, names, "any class", width=200, on_change=_turn_back)


def _turn_back() -> None:
    binding.change(MistakesView, images_page=1)


def _shown(opened: Opened[MistakesView], images: pa.Table) -> pa.Table:
    view = opened.view
    ids, lists = images["image_id"].to_numpy(), opened.run.manifest.labels_are_lists
    return chosen(_found(opened.run, view.k), ids, view.label, view.predicted, lists)


@st.cache_resource(max_entries=8, hash_funcs=BY_FOLDER, show_spinner="Counting the neighbours' labels …")
def _found(run: Run, count: int) -> pa.Table:
    return outvoted(run, _neighbors(run), count)


@st.cache_resource(max_entries=2, hash_funcs=BY_FOLDER, show_spinner="Reading the neighbours …")
def _neighbors(run: Run) -> pa.Table:
    return run.select("neighbors", "feature", columns=NEIGHBOR_COLUMNS)
