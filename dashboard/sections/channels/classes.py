"""Which classes a channel responds to, as far as its strongest patches and its selectivity say."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard.widgets.figures import MARGIN, palettes

LONGEST = 22
"""Letters of a class name on the axis; the whole name is shown under the mouse."""


@dataclass(frozen=True)
class ClassAnswer:
    """The patches of one class among a channel's strongest ones.

    name: the class; "" for no label.
    patches: how many there are.
    mean: of their activations.
    """

    name: str
    patches: int
    mean: float


def by_class(values: Sequence[float], labels: Sequence[str | None]) -> list[ClassAnswer]:
    """Group a channel's strongest patches by class, the class with most of them first."""
    groups: dict[str, list[float]] = {}
    for value, label in zip(values, labels, strict=True):
        groups.setdefault(label or "", []).append(value)
    answers = [ClassAnswer(name, len(each), sum(each) / len(each)) for name, each in groups.items()]
    return sorted(answers, key=lambda each: (-each.patches, -each.mean, each.name))


def times_as_strong(selectivity: float) -> float:
    """Return how many times its mean in the others the mean in a channel's class is.

    selectivity: (m - r) / (m + r) of the mean m in the class and the mean r in the others; the result is m /
        r.
    """
    return float("inf") if selectivity >= 1 else (1 + selectivity) / (1 - selectivity)


def chart(answers: Sequence[ClassAnswer]) -> go.Figure:
    """Draw a bar for each class, as long as the mean activation of its patches, with their number upon it."""
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
