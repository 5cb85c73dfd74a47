"""Which classes a channel answers to, as far as its strongest patches and its selectivity say."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard.widgets.figures import MARGIN, palettes

LONGEST = 22
"""Letters of a class name on the axis; the whole name is on hover."""


@dataclass(frozen=True)
class ClassAnswer:
    """name: of a label, "" for none. patches: how many of the strongest ones have it. mean: of their
    activations."""

    name: str
    patches: int
    mean: float


def by_class(values: Sequence[float], labels: Sequence[str | None]) -> list[ClassAnswer]:
    """Of a channel's strongest patches, the class with most of them first."""
    groups: dict[str, list[float]] = {}
    for value, label in zip(values, labels, strict=True):
        groups.setdefault(label or "", []).append(value)
    answers = [ClassAnswer(name, len(each), sum(each) / len(each)) for name, each in groups.items()]
    return sorted(answers, key=lambda each: (-each.patches, -each.mean, each.name))


def times_as_strong(selectivity: float) -> float:
    """m / r of the selectivity (m - r) / (m + r): the mean in its class over that in the others."""
    return float("inf") if selectivity >= 1 else (1 + selectivity) / (1 - selectivity)


def chart(answers: Sequence[ClassAnswer]) -> go.Figure:
    """A bar a class, as long as the mean activation of its patches, which are counted on it."""
    names = [each.name or "no label" for each in answers]
    figure = go.Figure(
        go.Bar(
            x=[each.mean for each in answers],
            y=list(range(len(answers))),
            orientation="h",
            marker_color=palettes.CATEGORIES[0],
            text=[f"{each.patches} of the patches" for each in answers],
            textposition="auto",
            customdata=names,
            hovertemplate="%{customdata}<br>mean activation %{x:.4g}<br>%{text}<extra></extra>",
        )
    )
    figure.update_layout(margin=MARGIN, height=28 * len(answers) + 56)
    figure.update_xaxes(title="mean activation", rangemode="tozero")
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(answers))),
        ticktext=[name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names],
    )
    return figure
