"""A grid of images that are buttons, or links, in one component."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import streamlit as st

from dashboard.components.loader import declare
from dashboard.text import one_line

_mount = declare("image_grid")


@dataclass(frozen=True)
class GridItem:
    """One image of the grid.

    src: an address relative to the app, or a data URL.
    caption, note: the lines below the image.
    badge, tone: the label upon the image and its color.
    box: a rectangle upon the image, (left, top, right, bottom) in fractions of its width and height; it may
        pass the border.
    boxes: further ones, in thinner lines.
    goes_to: what stands for the item in the address of the grid's link, where that is not its id.
    """

    id: int | str
    src: str
    alt: str
    caption: str = ""
    note: str = ""
    badge: str = ""
    tone: Literal["neutral", "good", "bad"] = "neutral"
    box: tuple[float, float, float, float] | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    goes_to: int | str | None = None


def image_grid(
    items: Sequence[GridItem],
    *,
    key: str,
    label: str = "Images",
    columns: int | None = None,
    size: int = 96,
    selected: int | str | None = None,
    pixelated: bool = False,
    link: str = "",
    on_click: Callable[[int | str], None] | None = None,
) -> int | str | None:
    """Show `items` as buttons and return the id of the one clicked in this run of the script, else None.

    With a link they are links, and none is clicked.

    columns: None fills the width; a narrow page has fewer.
    size: an image's side in CSS pixels.
    selected: the id that is shown as chosen.
    pixelated: whether images are enlarged without smoothing, as for filters.
    link: the address that a click opens, see `dashboard.views.navigation.address_up_to`; the id follows it.
    label: names the grid for screen readers.
    on_click: called with the id before the script runs, as Streamlit's own callbacks are.
    """

    def clicked() -> None:
        if on_click is not None:
            on_click(st.session_state[key]["clicked"])

    with st.container(key=f"{key}/room"):
        st.html(_room(items, columns, size))
        result = _mount(
            key=key,
            data={
                "items": [asdict(item) | _texts(item) for item in items],
                "label": label,
                "columns": columns,
                "size": size,
                "selected": selected,
                "pixelated": pixelated,
                "link": link,
            },
            on_clicked_change=clicked,
        )
    return result.get("clicked")


def _room(items: Sequence[GridItem], columns: int | None, size: int) -> str:
    """Return an empty grid of the same height, behind the component (`page.css`).

    The browser knows it before the component's script has come, so that nothing below moves then.
    """
    lines = max((bool(item.caption) + bool(item.note) for item in items), default=0)
    kind = "grid-room columned" if columns else "grid-room"
    style = f"--size: {size}px; --columns: {columns}; --lines: {lines}"
    return f'<div class="{kind}" style="{style}" aria-hidden="true">{"<i></i>" * len(items)}</div>'


def _texts(item: GridItem) -> dict[str, str]:
    """Return an item's texts, none of which turns the direction of what stands beside it."""
    return {name: one_line(getattr(item, name)) for name in ("alt", "caption", "note", "badge")}
