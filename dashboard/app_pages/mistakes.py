"""The Mistakes page: which classes are taken for which, the most confident errors, doubtful labels."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.images.sources import names_in_lists
from compute.reports.mistakes import cell, most_confused, wrong_lists
from dashboard.components import Pair, confusion_matrix
from dashboard.data import selections
from dashboard.data.labelled_images import Labelled, cell_of, labelled
from dashboard.data.predictions import NOTHING_PREDICTED, predicts
from dashboard.findings.names import Names, names_of
from dashboard.sections.mistakes.classes import classes
from dashboard.sections.mistakes.column import column_choice, of_column
from dashboard.sections.mistakes.disagreeing import disagreeing, label_choice
from dashboard.text import counted, percent, plain
from dashboard.views import binding
from dashboard.views.definitions import MistakesView
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_links import explaining
from dashboard.widgets.image_wall import wall

MOST_CLASSES = 40
"""Classes in the matrix; more can't be read in one picture."""

TABS = {"confusion": "Confusion", "neighbors": "Neighbours disagree", "classes": "Classes"}


def draw(opened: Opened[MistakesView]) -> None:
    """Draw the page."""
    if not predicts(opened.run):
        st.info(f"{NOTHING_PREDICTED} Nothing is right or wrong.", icon=":material/label_off:")
        return
    shown = labelled(opened.run)
    if not len(shown):
        st.info(
            "These images have no labels, so there are no mistakes to show. Labels are the names of the "
            "folders that the images lie in: `images/cat/1.png`, or `images/test/cat/1.png` with a split; a "
            "list of images has them in its column `label`.",
            icon=":material/label_off:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Show", list(TABS), key=_key("tab"), format_func=TABS.get, on_change=_turn_back)
        shown = _of_split(opened, shown)
        column_choice(opened)
        download_menu(opened)
    shown = of_column(opened, _of_selection(opened, shown))
    if not len(shown):
        st.info("None of these images has a label.", icon=":material/label_off:")
        return
    _headline(shown.images)
    {"confusion": _confusion, "neighbors": disagreeing, "classes": classes}[opened.view.tab](opened, shown)


def _headline(images: pa.Table) -> None:
    """Say how many images are right, of those whose label is one of the network's classes."""
    judged = pc.count(images["correct"]).as_py()
    if not judged:
        st.info(
            "No label is one of the network's classes, so nothing is right or wrong; what each label is "
            "taken for can be seen all the same. `make store CLASSES=…` names the classes.",
            icon=":material/label_off:",
        )
        return
    right = pc.sum(images["correct"]).as_py()
    others = f"; {len(images) - judged:,} have a label that the network does not know" * (
        judged < len(images)
    )
    st.subheader(f"{right:,} of {judged:,} are right ({right / judged:.1%}){others}", anchor=False)


def _of_split(opened: Opened[MistakesView], everything: Labelled) -> Labelled:
    splits = everything.splits
    if len(splits) < 2:
        return everything
    st.segmented_control(
        "Split",
        ["", *splits],
        key=_key("split"),
        format_func=lambda name: plain(name) or "all splits",
        on_change=_turn_back,
    )
    return everything if opened.view.split not in splits else labelled(opened.run, opened.view.split)


def _of_selection(opened: Opened[MistakesView], shown: Labelled) -> Labelled:
    if not opened.view.selection:
        return shown
    chosen = selections.read(opened.store, opened.run, opened.view.selection)
    region = names_of(opened.run).region(opened.view.selection)
    of_region = f", the region **{plain(region.text)}**," if region else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        images = f"Of the **{counted(len(chosen))} selected** on the map{of_region} alone."
        st.markdown(images, width="content")
        st.button(
            "All images",
            icon=":material/close:",
            on_click=lambda: binding.change(MistakesView, selection="", images_page=1),
        )
    return shown.of(chosen)


def _confusion(opened: Opened[MistakesView], shown: Labelled) -> None:
    if opened.run.manifest.labels_are_lists:
        st.info(
            "Images have several labels each, of which none is taken for another: there is no confusion "
            "matrix. An image is right where exactly its labels have a probability above 50%; those that are "
            "wrong are below, and the tab Classes counts each label.",
            icon=":material/label:",
        )
        _wrong(opened, shown)
        return
    matrix, images = st.columns([3, 2], gap="large")
    with matrix:
        _matrix(opened, shown)
    with images:
        _images(opened, shown)


def _wrong(opened: Opened[MistakesView], shown: Labelled) -> None:
    """Draw the images whose labels are not exactly those above a half, those of the greatest loss first."""
    view = opened.view
    with st.container(horizontal=True):
        label_choice("label", "Label", names_in_lists(shown.labels), names_of(opened.run))
    images = wrong_lists(shown.images, view.label, view.predicted)
    if not len(images):
        st.caption("There is no such image.")
        return
    st.caption(f"{counted(len(images))}, those of the greatest loss first. A click opens the image.")
    losses = [f"loss {loss:.2f}" for loss in images["loss"].to_pylist()]
    wall(
        opened,
        images["image_id"].to_numpy(),
        "images_page",
        label="Images with other labels",
        notes=losses,
        opens=explaining(opened, 0),
    )


def _matrix(opened: Opened[MistakesView], shown: Labelled) -> None:
    counts, rows, cols = shown.confusion
    totals = dict(zip(rows, counts.sum(1).tolist(), strict=True))
    if max(len(rows), len(cols)) > MOST_CLASSES:
        counts, rows, cols = most_confused(counts, rows, cols, MOST_CLASSES)
        st.caption(f"At most {MOST_CLASSES} classes a side, with most errors; the menus name all of them.")
    confusion_matrix(
        counts,
        rows,
        cols,
        [totals.get(name, 0) for name in rows],
        key="mistakes/matrix",
        selected=Pair(opened.view.label, opened.view.predicted),
        titles=names_of(opened.run).class_titles(),
        label="Images by label and prediction",
        on_click=lambda pair: binding.change(MistakesView, **pair._asdict(), images_page=1),
    )
    st.caption("A click on a cell shows its images; on a name, those of its row or column.")


def _images(opened: Opened[MistakesView], shown: Labelled) -> None:
    names = names_of(opened.run)
    with st.container(horizontal=True):
        label_choice("label", "Label", shown.labels, names)
        label_choice("predicted", "Predicted", shown.predictions, names)
    title, order = _chosen(opened.view, names)
    images = _of_cell(opened, shown)
    st.subheader(plain(title), anchor=False)
    if not len(images):
        st.caption("There is no such image.")
        return
    st.caption(f"{counted(len(images))}, the {order} sure ones first. A click opens the image.")
    wall(
        opened,
        images["image_id"].to_numpy(),
        "images_page",
        label=title,
        badges=[percent(share) for share in images["probability"].to_pylist()],
        opens=explaining(opened, 0),
    )


def _of_cell(opened: Opened[MistakesView], shown: Labelled) -> pa.Table:
    view = opened.view
    if view.selection or view.value:
        return cell(shown.images, view.label, view.predicted)
    return cell_of(opened.run, shown.split, view.label, view.predicted)


def _chosen(view: MistakesView, names: Names) -> tuple[str, str]:
    """Return what the images are, and whether the most or the least confident ones come first."""
    label, predicted = (each and names.class_title(each) for each in (view.label, view.predicted))
    if view.label and view.label == view.predicted:
        return f"{label}, recognised", "least"
    if view.label or view.predicted:
        return f"{label or 'Any label'} taken for {predicted or 'another'}", "most"
    return "Most confident errors", "most"


def _turn_back() -> None:
    binding.change(MistakesView, images_page=1)


def _key(name: str) -> str:
    return binding.key(MistakesView, name)


draw(open_page(MistakesView))
