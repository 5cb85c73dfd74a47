"""Bar charts as HTML: they stand at once in their size, without the megabyte that Plotly's script is.

Their colors and text are the page's (`page.css`). What a bar stands for is said under the mouse, and for
screen readers in the chart's label.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st

from compute.reports.drawing import palettes
from dashboard.text import counted, one_line

LEAST = 0.5
"""Percent of the chart's height that a bar of the histogram has at least where its bin is not empty."""


@dataclass(frozen=True)
class Bar:
    """A horizontal bar.

    share: its length, 0 to 1 of the longest possible.
    text: what stands behind it.
    about: what is said under the mouse.
    """

    name: str
    share: float
    text: str
    about: str


def bars(rows: Iterable[Bar], title: str, alt: str) -> None:
    """Draw horizontal bars, the first on top. Names may be the same.

    title: of what the length is.
    alt: what the chart shows, for screen readers.
    """
    rows = tuple(rows)
    drawn = "".join(
        f'<div title="{_text(row.about)}"><span>{_text(row.name)}</span>'
        f'<span><i style="width: {100 * row.share:.2f}%; background: {palettes.BAR}"></i>'
        f"<b>{_text(row.text)}</b></span></div>"
        for row in rows
    )
    said = "; ".join(row.about for row in rows)
    st.html(
        f'<div class="bar-chart" role="img" aria-label="{_text(f"{alt}: {said}")}">{drawn}'
        f"<small>{_text(title)}</small></div>"
    )


def probabilities(names: Sequence[str], values: Sequence[float], alt: str) -> None:
    """Draw the probabilities of classes, each as long as it is of 1."""
    bars(
        (
            Bar(name, value, f"{value:.1%}", f"{name}: {value:.4f}")
            for name, value in zip(names, values, strict=True)
        ),
        "probability",
        alt,
    )


def histogram(
    counts: Sequence[int], low: float, high: float, title: str, alt: str, number: str = ".3g"
) -> None:
    """Draw how many images there are in equal bins from `low` to `high`.

    title: of what the bins are.
    alt: what the chart shows, for screen readers.
    number: how the bins' ends are written.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    most = max(counts, default=0) or 1
    columns = "".join(
        f'<span title="{edge:{number}} to {end:{number}}: {counted(count)}">'
        f'<i style="height: {_height(count, most):.2f}%; background: {palettes.BAR}"></i></span>'
        for count, edge, end in zip(counts, edges, edges[1:], strict=False)
    )
    ends = "".join(f"<small>{value:{number}}</small>" for value in (low, (low + high) / 2, high))
    said = f"{counted(sum(counts))} from {low:{number}} to {high:{number}}, at most {most:,} in a bin"
    st.html(
        f'<div class="histogram" role="img" aria-label="{_text(f"{alt}: {said}")}">'
        f"<small>{counted(most)}</small><div>{columns}</div><div>{ends}</div>"
        f"<small>{_text(title)}</small></div>"
    )


def _height(count: int, most: int) -> float:
    """Percent of the chart's height."""
    return max(100 * count / most, LEAST) if count else 0.0


def _text(text: str) -> str:
    """Return HTML that shows a text."""
    return escape(one_line(text))
