"""A picture on which a box is drawn, by mouse, finger or keyboard."""

from collections.abc import Callable

import streamlit as st

from dashboard.components.loader import declare
from dashboard.text import one_line

_mount = declare("image_box")

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom, in fractions of the picture's width and height."""

EVERYTHING: Edges = (0.0, 0.0, 1.0, 1.0)


def image_box(
    src: str,
    *,
    alt: str,
    key: str,
    label: str = "Draw a box",
    box: Edges | None = None,
    seen: Edges = EVERYTHING,
    on_change: Callable[[Edges | None], None] | None = None,
) -> None:
    """Show a picture and the box on it.

    src: an address relative to the app, or a data URL.
    alt: what the picture shows, for screen readers.
    label: what the box is for.
    box: the one that is shown; None for none.
    seen: the part in which a box can be drawn; the rest is darkened.
    on_change: called with the box that was drawn, None where it was cleared, before the script runs.
    """

    def drawn() -> None:
        edges = st.session_state[key]["box"]
        if on_change is not None and edges is not None:
            on_change(tuple(map(float, edges)) if edges else None)

    _mount(
        key=key,
        data={"src": src, "alt": one_line(alt), "label": one_line(label), "box": box, "seen": seen},
        on_box_change=drawn,
    )
