"""Histograms of columns, side by side; a part of one is brushed with the mouse or by its two handles."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import streamlit as st

from dashboard.components.loader import declare

_mount = declare("brushes")


class Brush(NamedTuple):
    """What was brushed: bins `first` to `last` of the histogram of a column; -1, -1 for nothing."""

    column: str
    first: int
    last: int


@dataclass(frozen=True)
class Histogram:
    """Counts of a column.

    edges: of the bins, one more than counts; the outer bins have what lies beyond them, too.
    all: counts of all images.
    kept: of those that pass the other brushes.
    first, last: bins that are brushed; -1, -1 for none.
    """

    column: str
    title: str
    edges: Sequence[float]
    all: Sequence[int]
    kept: Sequence[int]
    first: int = -1
    last: int = -1


def brushes(histograms: Sequence[Histogram], *, key: str, on_brush: Callable[[Brush], None]) -> None:
    """Draw histograms; `on_brush` gets what was brushed before the script runs."""

    def brushed() -> None:
        if brush := st.session_state[key]["brush"]:
            on_brush(Brush(*brush))

    _mount(key=key, data={"histograms": [asdict(each) for each in histograms]}, on_brush_change=brushed)
