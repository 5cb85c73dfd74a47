"""A confusion matrix whose cells, rows and columns are buttons."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import streamlit as st

from compute.reports.drawing import palettes
from dashboard.components.loader import declare

_mount = declare("confusion_matrix")


class Pair(NamedTuple):
    """A label and a prediction; "" stands for any."""

    label: str
    predicted: str


NO_PAIR = Pair("", "")


def confusion_matrix(
    counts: np.ndarray,
    rows: Sequence[str],
    cols: Sequence[str],
    totals: Sequence[int],
    *,
    key: str,
    selected: Pair = NO_PAIR,
    titles: Mapping[str, str] = MappingProxyType({}),
    label: str = "Confusion matrix",
    on_click: Callable[[Pair], None] | None = None,
) -> None:
    """Show counts (labels, predictions) of images with the classes `rows` and `cols`.

    totals: images of each row's label, those in columns that are not shown too. The colors are shares of
        them: blue for the right ones, orange, on a scale of its own, for the others.
    selected: the pair that is shown as chosen.
    titles: what a class is called where that isn't the class itself.
    label: names the matrix for screen readers.
    on_click: gets the pair clicked before the script runs, Pair("", "") where it was the one `selected`.
    """

    def clicked() -> None:
        if on_click is not None and (pair := st.session_state[key]["clicked"]):
            on_click(Pair(*pair))

    _mount(
        key=key,
        data={
            "counts": counts.tolist(),
            "rows": list(rows),
            "cols": list(cols),
            "totals": list(map(int, totals)),
            "colors": palettes.VERDICTS,
            "selected": selected,
            "titles": list(titles.items()),
            "label": label,
        },
        on_clicked_change=clicked,
    )
