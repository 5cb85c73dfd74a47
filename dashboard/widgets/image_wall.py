"""Images as thumbnails, page by page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import streamlit as st

from dashboard.components import GridItem, image_grid
from dashboard.data import runs
from dashboard.data.labelled_images import COLUMNS
from dashboard.views import binding, urls
from dashboard.views.navigation import address_up_to
from dashboard.views.state import ViewState
from dashboard.widgets.header import Opened
from dashboard.widgets.keyboard import walk_through

PER_PAGE = 48


def known(opened: Opened) -> pa.Table:
    """Return COLUMNS of all images: row i is image i."""
    return runs.table(opened.run, "images", COLUMNS)


def wall(
    opened: Opened,
    image_ids: np.ndarray,
    field: str,
    *,
    label: str,
    badges: Sequence[str] | None = None,
    notes: Sequence[str] | None = None,
    judged: bool = True,
    selected: int | None = None,
    opens: ViewState | None = None,
    on_click: Callable[[int], None] | None = None,
) -> None:
    """Draw one page of the images (n,), in their order, as buttons or links.

    field: of the view, the number of the page, so that a link opens on it.
    label: the wall's name for screen readers.
    badges, notes: a text for each image, upon it and below it.
    judged: whether the badge's color says if the prediction is right.
    opens: the view that a click opens, of that image; without one, a click is for `on_click`.
    on_click: called with the image before the script runs.
    """
    page = page_of(type(opened.view), field, len(image_ids), PER_PAGE)
    items: list[GridItem] = grid_items(opened, known(opened).take(pa.array(image_ids[page])))
    for name, texts in (("badge", badges), ("note", notes)):
        if texts is not None:
            pairs = zip(items, texts[page], strict=True)
            items = [replace(item, **{name: text}) for item, text in pairs]
    if not judged:
        items = [replace(item, tone="neutral") for item in items]
    key = f"{opened.view.page}/{field}"
    link = "" if opens is None else address_up_to(opens, "image")
    if opens is not None:
        walk_through(opens, image_ids)
    image_grid(items, key=key, label=label, size=84, selected=selected, link=link, on_click=on_click)


def page_of(cls: type[ViewState], field: str, count: int, per_page: int) -> slice:
    """Draw the control that turns the pages of `count` things; return which of them are on the chosen page.

    field: of the view, the number of the page. A link, or a longer list before, may have left a number there
    that this list does not have; the last page is then shown.
    """
    return slice(count) if count <= per_page else turned(binding.key(cls, field), count, per_page)


def turned(key: str, count: int, per_page: int) -> slice:
    """Draw the control that turns pages, its number under a key of the session; return what is shown."""
    pages = math.ceil(count / per_page)
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    number = st.pagination(pages, key=key, persist_state="session")
    return slice((number - 1) * per_page, number * per_page)


def grid_items(opened: Opened, table: pa.Table) -> list[GridItem]:
    """Turn rows of `images` into buttons that say the label and whether the prediction is right.

    table: with image_id, path, label, predicted and correct.
    """
    rows = table.select(["image_id", "path", "label", "predicted", "correct"]).to_pylist()
    return [_item(opened, row) for row in rows]


def _item(opened: Opened, row: dict) -> GridItem:
    tone = "neutral" if row["correct"] is None else ("good" if row["correct"] else "bad")
    return GridItem(
        row["image_id"],
        urls.thumbnail(opened.store, opened.run.fingerprint, row["image_id"]),
        alt=row["path"] if row["predicted"] is None else f"{row['path']}, predicted {row['predicted']}",
        caption=row["label"] or row["path"],
        note="" if row["correct"] in (True, None) else f"→ {row['predicted']}",
        tone=tone,
    )
