"""Histograms of columns, of which a part is brushed, and lists of values, of which some are chosen."""

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
    digits: significant ones, in which the edges are told apart.
    asked: the range in words, where it is not one of whole bins; "" where the bins say it.
    found: how many images are in that range, of those that are kept.
    """

    column: str
    title: str
    edges: Sequence[float]
    all: Sequence[int]
    kept: Sequence[int]
    first: int = -1
    last: int = -1
    digits: int = 3
    asked: str = ""
    found: int = 0


class Clicked(NamedTuple):
    """The value that was clicked, by its number."""

    column: str
    number: int


@dataclass(frozen=True)
class Value:
    """A value of a column.

    all, kept: counts as in a histogram.
    chosen: whether it is one of those that are asked for.
    """

    number: int
    name: str
    all: int
    kept: int
    chosen: bool


@dataclass(frozen=True)
class ValueList:
    """Values of a column; `more` is how many are not listed."""

    column: str
    title: str
    values: Sequence[Value]
    more: int = 0


def brushes(
    histograms: Sequence[Histogram],
    lists: Sequence[ValueList] = (),
    *,
    key: str,
    on_brush: Callable[[Brush], None],
    on_click: Callable[[Clicked], None],
) -> None:
    """Draw histograms and lists; `on_brush` and `on_click` get what was done before the script runs."""

    def brushed() -> None:
        if brush := st.session_state[key]["brush"]:
            on_brush(Brush(*brush))

    def clicked() -> None:
        if value := st.session_state[key]["value"]:
            on_click(Clicked(*value))

    data = {"histograms": [asdict(each) for each in histograms], "lists": [asdict(each) for each in lists]}
    _mount(key=key, data=data, on_brush_change=brushed, on_value_change=clicked)
