"""The nearest images to one, by features above by pixels: a click moves to that image."""

import pyarrow as pa
import streamlit as st

from dashboard.components import GridItem, image_grid
from dashboard.data.photographs import Subject
from dashboard.sections.image import uploaded
from dashboard.views import urls
from dashboard.widgets.header import Opened
from dashboard.widgets.image_picker import choose

MOST = 20
"""As many are looked for of an upload, so that it is one job for all pages."""

SPACES = {
    "feature": "By what the network sees: cosine distance of the last linear layer's input",
    "pixel": "By pixels: Euclidean distance of the crops",
}


def strip(opened: Opened, subject: Subject, space: str, count: int, size: int = 96) -> None:
    """One row of neighbours in `space`, "feature" or "pixel"."""
    st.markdown(f"**{SPACES[space]}**")
    found = _found(opened, subject, space, count)
    if found is None:
        return
    ids = found["neighbor_id"].to_pylist()
    rows = opened.run.rows("images", ids, ("image_id", "path", "label", "predicted")).to_pylist()
    items = [
        _item(opened, row, distance)
        for row, distance in zip(rows, found["distance"].to_pylist(), strict=True)
    ]
    image_grid(
        items,
        key=f"{opened.view.page}/neighbors/{space}",
        label=f"Neighbours by {space}s",
        size=size,
        on_click=lambda chosen: choose(type(opened.view), chosen),
    )


def _found(opened: Opened, subject: Subject, space: str, count: int) -> pa.Table | None:
    """None while they are looked for. ValueError where there are none."""
    if subject.image_id is not None:
        return opened.run.neighbors(space, subject.image_id).slice(0, count)
    if space == "feature":
        return uploaded.feature_neighbors(opened.run, subject.upload, MOST).slice(0, count)
    found = uploaded.pixel_neighbors(opened.run, subject.upload, MOST, opened.view)
    return None if found is None else found.slice(0, count)


def _item(opened: Opened, row: dict, distance: float) -> GridItem:
    return GridItem(
        row["image_id"],
        urls.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=f"{row['path']}, {row['label'] or 'no label'}, at distance {distance:.3f}",
        caption=row["label"] or row["path"],
        note=f"{distance:.3f}" + (f" → {row['predicted']}" if row["predicted"] != row["label"] else ""),
    )
