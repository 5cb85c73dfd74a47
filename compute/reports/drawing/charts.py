"""Charts as pictures: matplotlib on a canvas of its own, with no display and no state between charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from compute.reports.drawing import palettes
from compute.reports.drawing.coloring import Coloring
from compute.reports.drawing.plain_text import as_plain_text

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colorbar import Colorbar
    from matplotlib.colorizer import ColorizingArtist
    from matplotlib.figure import Figure

DPI = 100


@dataclass(frozen=True)
class LegendStyle:
    """How large a legend is drawn, in points.

    most: names at most; the legend says how many more there are.
    scale_title, scale_numbers: text of a colour scale.
    """

    most: int
    title: int
    names: int
    marker: int
    scale_title: int
    scale_numbers: int


def canvas(width: int, height: int) -> "Figure":
    """Return an empty white figure of width x height pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def scale_beside(
    figure: "Figure", axes: Any, legend: tuple[tuple[str, ...], float, float], shrink: float = 1.0
) -> "Colorbar":
    """Draw a bar of colours at equal steps beside axes, one or an array of them, and return it.

    legend: the colours, and what the first and the last stand for.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    colors, low, high = legend
    return figure.colorbar(
        ScalarMappable(Normalize(low, high), ListedColormap(colors)), ax=axes, shrink=shrink
    )


def rendered(figure: "Figure") -> np.ndarray:
    """Return the figure as pixels: (height, width, 3) uint8."""
    as_plain_text(figure)
    canvas = cast("FigureCanvasAgg", figure.canvas)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def colormap(coloring: Coloring) -> dict[str, Any]:
    """Return what matplotlib draws a coloring's values with: cmap, vmin and vmax."""
    from matplotlib.colors import LinearSegmentedColormap

    if coloring.categories is None:
        scale = LinearSegmentedColormap.from_list("viridis", coloring.hues)
        return {"cmap": scale, "vmin": coloring.low, "vmax": coloring.high}
    return category_colormap(coloring.hues or (palettes.UNKNOWN,))


def category_colormap(hues: Sequence[str]) -> dict[str, Any]:
    """Return cmap, vmin and vmax that give the values 0, 1, … these colours."""
    from matplotlib.colors import ListedColormap

    return {"cmap": ListedColormap(hues), "vmin": -0.5, "vmax": len(hues) - 0.5}


def legend(
    figure: "Figure", axes: Any, drawn: "ColorizingArtist", coloring: Coloring, style: LegendStyle
) -> None:
    """Draw what colours stand for: names of categories, or the scale of the values `drawn` in the axes.

    Categories without an image are left out: a class that is only predicted has its colour beside the labels.
    """
    from matplotlib.lines import Line2D

    if coloring.categories is None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6)
        unit = f" ({coloring.unit})" if coloring.unit else ""
        bar.set_label(f"{coloring.column}{unit}", size=style.scale_title)
        bar.ax.tick_params(labelsize=style.scale_numbers)
        return
    there = np.unique(coloring.values[np.isfinite(coloring.values)]).astype(int)
    shown = there[: style.most]
    names = [str(coloring.categories[each]) for each in shown]
    dots = [
        Line2D([], [], color=coloring.hues[each], marker="o", linestyle="", markersize=style.marker)
        for each in shown
    ]
    if more := len(there) - len(shown):
        names.append(f"… {more} more")
        dots.append(Line2D([], [], linestyle=""))
    sizes = {"title_fontsize": style.title, "fontsize": style.names}
    figure.legend(dots, names, title=coloring.column, loc="outside right upper", **sizes)
