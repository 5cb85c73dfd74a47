"""Which classes a channel responds to, as far as its strongest patches and its selectivity say."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dashboard.widgets.bar_charts import Bar

CLEARLY = 2
"""Times as much as of the other classes is clearly the most."""


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


def bars(groups: Sequence[ClassPatches], titled: Callable[[str], str]) -> Iterator[Bar]:
    """Yield a bar for each class, as long as the mean activation of its patches.

    titled: says what a class is called.
    """
    longest = max((each.mean for each in groups), default=0.0)
    for each in groups:
        name, patches = titled(each.name) or "no label", f"{each.patches} of the patches"
        share = max(each.mean, 0.0) / longest if longest > 0 else 0.0
        about = f"{name}: mean activation {each.mean:.4g}, {patches}"
        yield Bar(name, share, f"{each.mean:.3g}, {patches}", about)
