"""The images nearest to one, by features or by pixels, and what the network says of an uploaded image.

Of its own images the store holds both; of an uploaded one they are computed when they are asked for.
"""

from collections.abc import Iterator

import pyarrow as pa
import streamlit as st

from compute.images.decoding import DECODED, decoded_size
from compute.images.sources import names_apart
from compute.reports.neighbors import Nearest, how_found, neighbors_of_file, not_read_because
from dashboard.components import GridItem, image_grid
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.data.runs import BY_FOLDER
from dashboard.data.uploads import uploads
from dashboard.jobs.task import Task, key_of
from dashboard.text import sentence
from dashboard.views import urls
from dashboard.views.state import ViewState
from dashboard.widgets.header import Opened
from dashboard.widgets.image_picker import choose
from dashboard.widgets.live.run import live_result
from featurestore.reader import Run

MOST = 20
"""Neighbours that are searched for of an uploaded image, on all pages, so that one job serves them all."""

SPACES = {
    "feature": "By what the network sees: cosine distance of the last linear layer's input",
    "pixel": "By pixels: Euclidean distance of the crops",
}


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def top_classes(run: Run, upload: str) -> list[tuple[str, float]]:
    """Return the five most probable classes of an uploaded image and their probabilities."""
    with photographs.decoded(run, 0, upload) as image:
        return runs.model(run).top_classes(image)


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def feature_neighbors(run: Run, upload: str, count: int) -> pa.Table:
    """Return an uploaded image's neighbours by cosine distance of the features: neighbor_id, distance."""
    content, search = uploads().read(upload), runs.feature_search(run)
    with DECODED.taking(decoded_size(content)):
        *_, nearest = neighbors_of_file(run, runs.model(run), content, "feature", count, features=search)
    return nearest.table()


def pixel_neighbors(run: Run, upload: str, count: int, view: ViewState | None = None) -> pa.Table | None:
    """Return an uploaded image's neighbours by Euclidean distance of the pixels: neighbor_id, distance.

    None while the store's images are read, which takes a while: the progress is drawn.
    view: what the list of jobs opens.
    """
    model, _ = runs.model(run), uploads().read(upload)

    def steps() -> Iterator[Nearest]:
        return neighbors_of_file(run, model, uploads().read(upload), "pixel", count, read=runs.original)

    key = key_of("pixel neighbours", run.fingerprint, upload, count)
    task = Task(key, "Pixel neighbours of an uploaded image", lambda: steps, view)
    job = live_result(task, starts_itself=True)
    return None if job is None else job.step.table()


def neighbors(opened: Opened, chosen: ChosenImage, space: str, count: int) -> pa.Table | None:
    """Return the images nearest to the chosen one in `space`, "feature" or "pixel": neighbor_id, distance.

    Of an uploaded image they are searched for; None while that goes on, which is drawn.
    ValueError where there are none.
    """
    if chosen.image_id is not None:
        return opened.run.neighbors(space, chosen.image_id).slice(0, count)
    if space == "feature":
        return feature_neighbors(opened.run, chosen.upload, MOST).slice(0, count)
    nearest = pixel_neighbors(opened.run, chosen.upload, MOST, opened.view)
    return None if nearest is None else nearest.slice(0, count)


def is_alone(nearest: pa.Table) -> bool:
    """Return whether an image has no neighbours at all, and say so."""
    if not len(nearest):
        st.caption("There is no other image in this store: none, or copies of this one's file alone.")
    return not len(nearest)


def strip(opened: Opened, chosen: ChosenImage, space: str, count: int, size: int = 96) -> None:
    """Draw one row of neighbours in `space`, "feature" or "pixel"; a click moves to that image."""
    st.markdown(f"**{SPACES[space]}**")
    if chosen.image_id is not None and (because := not_read_because(opened.run, chosen.image_id)):
        st.caption(sentence(because))
        return
    if chosen.image_id is not None and (found := how_found(opened.run, space)):
        st.caption(found)
    nearest = neighbors(opened, chosen, space, count)
    if nearest is None or is_alone(nearest):
        return
    ids = nearest["neighbor_id"].to_pylist()
    rows = opened.run.rows("images", ids, ("image_id", "path", "label", "predicted")).to_pylist()
    items = [
        _item(opened, row, distance)
        for row, distance in zip(rows, nearest["distance"].to_pylist(), strict=True)
    ]
    image_grid(
        items,
        key=f"{opened.view.page}/neighbors/{space}",
        label=f"Neighbours by {space}s",
        size=size,
        on_click=lambda chosen: choose(type(opened.view), chosen),
    )


def _item(opened: Opened, row: dict, distance: float) -> GridItem:
    return GridItem(
        row["image_id"],
        urls.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=f"{row['path']}, {row['label'] or 'no label'}, at distance {distance:.3f}",
        caption=row["label"] or row["path"],
        note=f"{distance:.3f}{_otherwise(row)}",
    )


def _otherwise(row: dict) -> str:
    """Say what an image is taken for, where that is none of its labels."""
    own = {row["label"], *names_apart(row["label"] or "")}
    return "" if row["predicted"] is None or row["predicted"] in own else f" → {row['predicted']}"
