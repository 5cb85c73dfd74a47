"""Images as thumbnails, page by page; the page is a field of the view, so a link opens on it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from dashboard.components import GridItem, image_grid
from dashboard.data import runs
from dashboard.widgets.header import Opened
from dashboard.widgets.image_picker import grid_items
from dashboard.widgets.paging import page_of

PER_PAGE = 48
COLUMNS = ("image_id", "path", "label", "predicted", "correct", "split", "probability", "loss")
"""What is said of an image on the pages that show many."""


def known(opened: Opened) -> pa.Table:
    """COLUMNS of all images: row i is image i."""
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
    on_click: Callable[[int], None] | None = None,
) -> int | None:
    """One page of the images (n,), in their order, as buttons; returns the image clicked in this run.

    field: of the view, the number of the page. badges, notes: a text an image, upon it and below it. judged:
    whether the badge's colour says if the prediction is right. label: the wall's name for screen readers.
    on_click is called before the script runs.
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
    return image_grid(items, key=key, label=label, size=84, selected=selected, on_click=on_click)
