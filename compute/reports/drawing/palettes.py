"""Colours that read on a light and on a dark page."""

CATEGORIES = (
    "#4e79e0", "#f28e2b", "#2ca25f", "#e0435a", "#9467d8", "#22b5c8", "#d6a800", "#e377c2",
    "#8c6d4f", "#7fb800", "#d2c6de", "#e400ff", "#ba009c", "#36e4ae", "#007284", "#367200",
    "#96a2ff", "#00ea00", "#9000ff", "#ae9696", "#fc00a8", "#904e7e", "#ffa2ff", "#124eff",
)  # fmt: skip
"""After the first ten, each is the color furthest from all before it in Oklab that stands out from the
dashboard's dark page by 3:1 and from its light one by 1.6:1."""

BAR = "#0f6e84"
"""Of bars with white text in them: it is read, and the bar stands out from a dark page."""

VERDICTS = ("#e8590c", "#5b8fd6")
"""Wrong, right: orange and blue, which colour-blind people tell apart too."""

KINDS = ("#2ca25f", "#e0435a", "#d6a800", "#9467d8", "#9aa0a6")
"""What became of a prediction, in the order of `compute.analysis.comparison.KINDS`."""

VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e",
    "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
"""Perceptually uniform, at equal steps (Smith and van der Walt 2015)."""

VIRIDIS_ON_DARK = (
    "#31678e", "#29798e", "#228b8d", "#1e9d89", "#28ae80",
    "#44bf70", "#6ccd5a", "#9bd93c", "#cde11d", "#fde725",
)  # fmt: skip
"""Its upper two thirds, at equal steps: the lower one is as dark as a dark page."""

UNKNOWN = "#9aa0a6"
"""Of points without a value."""


def categorical(count: int) -> tuple[str, ...]:
    """Return `count` colors (#rrggbb) for categories; after 24 they start again from the first."""
    return tuple(CATEGORIES[index % len(CATEGORIES)] for index in range(count))
