"""The grid of an embedding as one zoomable picture of thousands of pixels, drawn from tiles."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import streamlit as st

from compute.reports.maps.grid import Pyramid
from dashboard.components.loader import declare
from dashboard.views.query_text import read_numbers, write_numbers
from dashboard.views.urls import GridAddresses

_mount = declare("deep_zoom")


class Bounds(NamedTuple):
    """The part of the grid that is seen, in cells, as fractions.

    left, right: of its columns.
    top, bottom: of its rows. All may lie beyond the border, where the view does.
    """

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def from_text(cls, text: str) -> "Bounds | None":
        """Read bounds as a link writes them; None where there are none, or they can't be read."""
        numbers = read_numbers(text, len(cls._fields))
        return None if numbers is None else cls(*numbers)

    def to_text(self) -> str:
        """Return the bounds as a link writes them."""
        return write_numbers(self)


@dataclass(frozen=True)
class DeepZoomEvents:
    """What the visitor did in this run of the script; None where nothing.

    clicked: a cell, (row, column).
    """

    clicked: tuple[int, int] | None = None
    bounds: Bounds | None = None


def deep_zoom(
    addresses: GridAddresses,
    pyramid: Pyramid,
    *,
    key: str,
    bounds: Bounds | None = None,
    selected: tuple[int, int] | None = None,
    seams: bool = False,
    titles: Mapping[str, str] = MappingProxyType({}),
    height: int = 640,
    label: str = "Grid of images",
    on_event: Callable[[DeepZoomEvents], None] | None = None,
) -> DeepZoomEvents:
    """Show the grid at `addresses` and return what was done in it in this run of the script.

    pyramid: the grid's `compute.reports.maps.grid.grid(…).pyramid`.
    bounds: the part that is shown; None for all of it. The caller keeps it and hands it in at each run.
    selected: (row, column) of the cell that is shown as chosen; kept by the caller too.
    seams: whether red lines are drawn between cells that are far apart in feature space.
    titles: what a class is called on the card where that isn't the class itself.
    height: in CSS pixels.
    label: names the picture for screen readers.
    on_event: gets the events before the script runs.
    """

    def changed() -> None:
        if on_event is not None:
            on_event(_events(st.session_state[key]))

    result = _mount(
        key=key,
        data={
            **asdict(addresses),
            **asdict(pyramid),
            "bounds": bounds,
            "selected": selected,
            "seams": seams,
            "titles": list(titles.items()),
            "height": height,
            "label": label,
        },
        height=height,
        on_clicked_change=changed,
        on_bounds_change=changed,
    )
    return _events(result)


def _events(result: Any) -> DeepZoomEvents:
    clicked, bounds = result.get("clicked"), result.get("bounds")
    return DeepZoomEvents(
        clicked=None if clicked is None else tuple(clicked),
        bounds=None if bounds is None else Bounds(*bounds),
    )
