"""Colours that read on a light and on a dark page."""

CATEGORIES = (
    "#4e79e0", "#f28e2b", "#2ca25f", "#e0435a", "#9467d8", "#22b5c8", "#d6a800", "#e377c2",
    "#8c6d4f", "#7fb800", "#a1137b", "#26ecb3", "#006884", "#d0bdff", "#1c7100", "#aa2600",
    "#5e42bd", "#84a1ff", "#ffb3a1", "#68d9ff", "#bdd92f", "#aa5e8e", "#268e97", "#a18e26",
)  # fmt: skip
"""After the first ten, each is the colour of Oklab lightness 0.48 to 0.84 furthest from all before it."""

VERDICTS = ("#e8590c", "#5b8fd6")
"""Wrong, right: orange and blue, which colour-blind people tell apart too."""

KINDS = ("#2ca25f", "#e0435a", "#d6a800", "#9467d8", "#9aa0a6")
"""What became of a prediction, in the order of `compute.analysis.comparison.KINDS`."""

VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e",
    "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
"""Perceptually uniform, at equal steps (Smith and van der Walt 2015)."""

UNKNOWN = "#9aa0a6"
"""Of points without a value."""


def categorical(count: int) -> tuple[str, ...]:
    """Return `count` colors (#rrggbb) for categories; after 24 they start again from the first."""
    return tuple(CATEGORIES[index % len(CATEGORIES)] for index in range(count))
