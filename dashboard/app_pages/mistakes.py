"""Which classes are taken for which, and the errors the network is most sure of."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboard import binding, data, figures
from compute.exhibits.confusion import confusion_counts, most_confused
from dashboard.header import Opened, open_page
from dashboard.image_wall import wall
from dashboard.view_state import MistakesView

MOST_CLASSES = 40
"""More can't be read in one picture."""

COLUMNS = ("image_id", "path", "label", "predicted", "correct", "split", "probability", "loss")


def draw(opened: Opened[MistakesView]) -> None:
    images = data.table(opened.run, "images", COLUMNS)
    known = images.filter(pc.is_valid(images["label"]))
    if not len(known):
        st.info("These images have no labels, so there are no mistakes to show.", icon=":material/label_off:")
        return
    known = _of_split(opened.view, known)
    matrix, errors = st.columns([3, 2], gap="large")
    with matrix:
        _matrix(opened, known)
    with errors:
        _errors(opened, known)


def _of_split(view: MistakesView, images: pa.Table) -> pa.Table:
    splits = sorted(pc.unique(images["split"]).drop_null().to_pylist())
    if len(splits) < 2:
        return images
    st.segmented_control(
        "Split", ["", *splits], key=binding.key(MistakesView, "split"), format_func=lambda name: name or "all"
    )
    return images if view.split not in splits else images.filter(pc.equal(images["split"], view.split))


def _matrix(opened: Opened[MistakesView], images: pa.Table) -> None:
    counts, rows, cols = confusion_counts(images, opened.run.class_names)
    right = pc.sum(images["correct"]).as_py() or 0
    st.subheader(f"{right:,} of {len(images):,} are right ({right / len(images):.1%})", anchor=False)
    if max(len(rows), len(cols)) > MOST_CLASSES:
        counts, rows = most_confused(counts, rows, cols, MOST_CLASSES)
        cols = rows
        st.caption(f"The {MOST_CLASSES} classes with most errors; choose others on the right.")
    st.plotly_chart(figures.confusion(counts, rows, cols), alt="confusion matrix of labels and predictions")


def _errors(opened: Opened[MistakesView], images: pa.Table) -> None:
    st.subheader("Most confident errors", anchor=False)
    classes = sorted(pc.unique(images["label"]).to_pylist())
    predictions = sorted(pc.unique(images["predicted"]).drop_null().to_pylist())
    with st.container(horizontal=True):
        st.selectbox(
            "Label",
            ["", *classes],
            key=binding.key(MistakesView, "label"),
            width=200,
            format_func=lambda name: name or "any",
        )
        st.selectbox(
            "Taken for",
            ["", *predictions],
            key=binding.key(MistakesView, "predicted"),
            width=200,
            format_func=lambda name: name or "any",
        )
    view = opened.view
    wrong = images.filter(pc.equal(images["correct"], False))
    for name, value in (("label", view.label), ("predicted", view.predicted)):
        wrong = wrong.filter(pc.equal(wrong[name], value)) if value else wrong
    if not len(wrong):
        st.caption("There is no such error.")
        return
    st.caption(f"{len(wrong):,} errors, those of the greatest probability first. A click opens the image.")
    wall(opened, wrong.sort_by([("probability", "descending"), ("image_id", "ascending")]), "mistakes/wall")


draw(open_page(MistakesView))
