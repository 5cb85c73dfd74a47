"""One image as both networks see it."""

import streamlit as st

from dashboard.data import runs
from dashboard.data.comparison import Pair
from dashboard.data.predictions import NOTHING_PREDICTED, labels_above, predicts
from dashboard.findings.names import names_of
from dashboard.sections.compare import explained
from dashboard.text import plain
from dashboard.views.definitions import ImageView, MapView, NeighborsView
from dashboard.views.navigation import link
from dashboard.views.state import ViewState, read_parameters
from dashboard.widgets import bar_charts
from featurestore.reader import Run


def row_of(pair: Pair, image_id: int) -> int | None:
    """Return the image's row among the shared images; None where it is in one run alone, or is -1."""
    row = int(pair.matched.rows(image_id)) if image_id >= 0 else -1
    return row if row >= 0 else None


def show(pair: Pair) -> None:
    """Draw what both networks say of the view's image, if it has one."""
    row = row_of(pair, pair.view.image)
    if row is not None:
        both(pair, row)
    elif pair.view.image >= 0:
        st.caption(
            f"Image {pair.view.image} is in {plain(pair.stores[0])} alone, so there is nothing to compare it "
            "with."
        )


def both(pair: Pair, row: int) -> None:
    """Draw the picture, and what each network says of it.

    row: of the shared images.
    """
    image_id, other_id = int(pair.matched.ids[row]), int(pair.matched.other_ids[row])
    picture, first, second = st.columns([1, 2, 2], gap="medium")
    with picture:
        image = pair.run.image(image_id)
        if image_id not in runs.unreadable(pair.run):
            st.image(pair.run.thumbnail(image_id), width="stretch", alt=f"chosen image {image['path']}")
        label = names_of(pair.run).class_title(image["label"] or "")
        st.markdown(f"**{plain(label or 'no label')}**")
        st.caption(plain(image["path"]))
    sides = (
        (first, pair.run, pair.view.store, image_id),
        (second, pair.other, pair.view.other_store, other_id),
    )
    for (column, run, store, number), name in zip(sides, pair.names, strict=True):
        with column:
            st.markdown(f"**{plain(name)}**")
            st.caption(f"Image {number} of {plain(store)}")
            _opinion(run, number)
            _links(store, run.fingerprint, number)
    explained.draw(pair, row)


def _opinion(run: Run, image_id: int) -> None:
    """Draw the most probable classes."""
    top = run.image(image_id)["top5"] or []
    if not top:
        st.caption("This network could not read the image." if predicts(run) else NOTHING_PREDICTED)
        return
    titled = names_of(run).class_title
    if said := labels_above(run, [(each["class"], each["probability"]) for each in top], titled):
        st.caption(said)
    bar_charts.probabilities(
        [titled(each["class"]) for each in top],
        [each["probability"] for each in top],
        alt="the most probable classes",
    )


def _links(store: str, fingerprint: str, image: int) -> None:
    where = {"store": store, "run": fingerprint, "image": image}
    method = ImageView.method
    views: list[tuple[ViewState, str]] = [
        (ImageView(**where, method=method, parameters=read_parameters(method, {})[0]), "Explain"),
        (NeighborsView(**where), "Neighbours"),
        (MapView(**where), "On the map"),
    ]
    with st.container(horizontal=True, gap="small"):
        for view, label in views:
            link(view, label)
