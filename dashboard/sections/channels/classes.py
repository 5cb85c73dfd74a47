"""Which classes a channel responds to, as far as its strongest patches and its selectivity say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard.widgets.figures import MARGIN, palettes

CLEARLY = 2
"""Times as much as of the other classes is clearly the most."""

LONGEST = 22
"""Letters of a class name on the axis; the whole name is shown under the mouse."""


@dataclass(frozen=True)
class ClassPatches:
    """The patches of one class among a channel's strongest ones.

    name: the class; "" for no label.
    patches: how many there are.
    mean: of their activations.
    """

    name: str
    patches: int
    mean: float


def by_class(values: Sequence[float], labels: Sequence[str | None]) -> list[ClassPatches]:
    """Group a channel's strongest patches by class, the class with most of them first."""
    by_label: dict[str, list[float]] = {}
    for value, label in zip(values, labels, strict=True):
        by_label.setdefault(label or "", []).append(value)
    groups = [ClassPatches(name, len(each), sum(each) / len(each)) for name, each in by_label.items()]
    return sorted(groups, key=lambda each: (-each.patches, -each.mean, each.name))


def times_as_strong(selectivity: float) -> float:
    """Return how many times a channel's mean over the other classes its mean in its strongest class is.

    selectivity: (m - r) / (m + r), with the mean m in the class and the mean r over the others. The result
        is m / r.
    """
    return float("inf") if selectivity >= 1 else (1 + selectivity) / (1 - selectivity)


def answered_most(
    top_class: str | None, selectivity: float | None, labels: Sequence[str | None]
) -> int | None:
    """Return the place of the strongest patch of the class that a channel clearly answers most to.

    top_class: the class of the greatest mean.
    selectivity: as in `times_as_strong`.
    labels: of the images of the channel's strongest patches, in their order.

    None where there is no such class: its mean is not twice that over the others, it doesn't have twice as
    many of the strongest patches as another class, or none of these has a label.
    """
    if selectivity is None or times_as_strong(selectivity) < CLEARLY or top_class not in labels:
        return None
    counts = Counter(label for label in labels if label)
    most_of_another = max((count for label, count in counts.items() if label != top_class), default=0)
    return labels.index(top_class) if counts[top_class] >= CLEARLY * most_of_another else None


def chart(groups: Sequence[ClassPatches]) -> go.Figure:
    """Draw a bar for each class, as long as the mean activation of its patches, with their number upon it."""
    names = [each.name or "no label" for each in groups]
    figure = go.Figure(
        go.Bar(
            x=[each.mean for each in groups],
            y=list(range(len(groups))),
            orientation="h",
            marker_color=palettes.BAR,
            insidetextfont_color="white",
            text=[f"{each.patches} of the patches" for each in groups],
            textposition="auto",
            customdata=names,
            hovertemplate="%{customdata}<br>mean activation %{x:.4g}<br>%{text}<extra></extra>",
        )
    )
    figure.update_layout(margin=MARGIN, height=28 * len(groups) + 56)
    figure.update_xaxes(title="mean activation", rangemode="tozero")
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(groups))),
        ticktext=[name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names],
    )
    return figure
