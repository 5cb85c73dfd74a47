"""The Neighbours page: the images most similar to one, by the network's last layer and by pixels."""

import numpy as np
import streamlit as st

from compute.analysis.label_agreement import agreements
from compute.reports.drawing.run_images import labels_apart
from compute.reports.neighbors import how_found, label_agreement, not_read_because
from dashboard.components import GridItem, image_grid
from dashboard.data import runs
from dashboard.data.photographs import ChosenImage, crop_or_thumbnail
from dashboard.data.predictions import NOTHING_PREDICTED, prediction, predicts
from dashboard.findings.names import names_of
from dashboard.sections.image.neighbors import MOST, is_alone, neighbors, top_classes
from dashboard.text import percent, plain
from dashboard.views import binding, urls
from dashboard.views.definitions import NeighborsView
from dashboard.widgets import image_links
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_picker import choose, pick
from featurestore.reader import Run

SAMPLED = 50_000
"""Images that the share in the whole store is counted on; of more, evenly spread blocks are taken."""

SPACES = {
    "feature": ("By what the network sees", "Cosine distance of the last linear layer's input."),
    "pixel": ("By pixels", "Euclidean distance of the network's own crops, at most 32 x 32 pixels."),
}


def draw(opened: Opened[NeighborsView]) -> None:
    """Draw the page."""
    chosen = pick(opened)
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.image(
            crop_or_thumbnail(opened.run, opened.view.image, chosen.upload),
            width=150,
            alt="the image asked about",
        )
        with st.container(width="stretch"):
            label = _describe(opened, chosen)
            st.slider("Neighbours", 1, MOST, key=binding.key(NeighborsView, "count"), width=320)
            image_links.links(opened, chosen)
            download_menu(opened)
    for column, space in zip(st.columns(2, gap="medium"), SPACES, strict=True):
        with column:
            _space(opened, chosen, space, label)


def _describe(opened: Opened[NeighborsView], chosen: ChosenImage) -> str | None:
    if chosen.image_id is None:
        _describe_upload(opened.run, chosen.upload)
        return None
    row = opened.run.image(chosen.image_id)
    if chosen.image_id in runs.unreadable(opened.run):
        of_before = f"image {chosen.image_id} ({row['path']}) could not be read, so it has no neighbours"
        raise ValueError(not_read_because(opened.run, chosen.image_id) or of_before)
    titled = names_of(opened.run).class_title
    label = titled(row["label"] or "") or "no label"
    st.markdown(f"**{plain(label)}**, {prediction(opened.run, row, titled)}")
    return row["label"]


def _describe_upload(run: Run, upload: str) -> None:
    if not predicts(run):
        st.markdown(f"An uploaded image. {NOTHING_PREDICTED}")
        return
    name, probability = top_classes(run, upload)[0]
    st.markdown(
        f"An uploaded image, predicted **{plain(names_of(run).class_title(name))}** ({percent(probability)})"
    )


def _space(opened: Opened[NeighborsView], chosen: ChosenImage, space: str, label: str | None) -> None:
    title, how = SPACES[space]
    st.subheader(title, anchor=False)
    st.caption(f"{how} {how_found(opened.run, space)}" if chosen.image_id is not None else how)
    nearest = neighbors(opened, chosen, space, opened.view.count)
    if nearest is None or is_alone(nearest):
        return
    ids = nearest["neighbor_id"].to_pylist()
    rows = opened.run.rows("images", ids, ("image_id", "path", "label", "predicted", "correct")).to_pylist()
    if label:
        here = label_agreement(opened.run, label, [row["label"] for row in rows])
        with st.container(horizontal=True):
            st.metric("Same label, this image", f"{here:.0%}")
            whole = _whole_store(opened, space)
            st.metric(
                "Same label, whole store",
                f"{whole:.0%}" if whole is not None else "–",
                help="Share of the neighbours, of as many each, that have the image's own label, over "
                + _over(opened.run),
            )
    distances = nearest["distance"].to_pylist()
    items = [_item(opened, *pair, label) for pair in zip(rows, distances, strict=True)]
    image_grid(
        items,
        key=f"neighbors/{space}",
        label=title,
        size=104,
        on_click=lambda chosen: choose(NeighborsView, chosen),
    )


def _whole_store(opened: Opened[NeighborsView], space: str) -> float | None:
    shares = _agreements(opened.run, space)
    return float(shares[min(opened.view.count, len(shares)) - 1]) if len(shares) else None


def _over(run: Run) -> str:
    return "all images" if run.image_count <= SAMPLED else f"an even sample of about {SAMPLED:,} images"


@st.cache_data(max_entries=64, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def _agreements(run: Run, space: str) -> np.ndarray:
    columns = ("image_id", "rank", "neighbor_id")
    neighbors = run.spread("neighbors", space, most=SAMPLED * MOST, columns=columns)
    return agreements(labels_apart(run, runs.table(run, "images", ("label",))["label"]), neighbors)


def _item(opened: Opened[NeighborsView], row: dict, distance: float, label: str | None) -> GridItem:
    same = label is not None and label_agreement(opened.run, label, [row["label"]]) > 0
    tone = "neutral" if label is None else ("good" if same else "bad")
    return GridItem(
        row["image_id"],
        urls.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=f"{row['path']} at distance {distance:.3f}",
        caption=row["label"] or row["path"],
        note=f"{distance:.3f}",
        tone=tone,
    )


draw(open_page(NeighborsView))
