"""Charts (plotly) of numbers; nothing here knows Streamlit or the store. Colors are perceptually uniform."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_hex

from compute.occlusion.drawing import class_hues
from compute.reports.drawing import palettes
from dashboard.text import cut, one_line

MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
MOST_CLASSES = 10
"""As many have a color of their own."""

LONGEST = 32
"""Characters of a name beside a bar; all of it is said under the mouse."""


def read_under_the_mouse(
    image_url: str,
    said: Sequence[Sequence[str]],
    places: tuple[Sequence[float], Sequence[float]],
    size: tuple[int, int],
) -> go.Figure:
    """Draw a picture whose values are said under the mouse.

    said: (rows, cols), what is said at each place.
    places: center of each row, and of each column, in pixels of the picture.
    size: (height, width) of the picture.
    """
    ys, xs = (list(each) for each in places)
    nothing = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]
    heat = go.Heatmap(
        z=np.zeros((len(ys), len(xs))),
        y=ys,
        x=xs,
        text=[[label(each) for each in row] for row in said],
        colorscale=nothing,
        showscale=False,
        hovertemplate="row %{y:.0f}, column %{x:.0f}<br>%{text}<extra></extra>",
    )
    figure = go.Figure(heat)
    height, width = size
    figure.add_layout_image(
        source=image_url,
        xref="x",
        yref="y",
        x=0,
        y=0,
        sizex=width,
        sizey=height,
        sizing="stretch",
        layer="below",
    )
    _as_image(figure, size)
    return figure


def label(text: str) -> str:
    """Return what plotly, which reads some HTML in all texts, shows as this text."""
    return escape(one_line(text), quote=False)


def color_bar(colors: Sequence[str], low: float, high: float, title: str) -> go.Figure:
    """Draw the legend of a picture: `colors` at equal steps from `low` to `high`.

    title: what they stand for, with the unit.
    """
    places = np.linspace(low, high, len(colors))
    figure = go.Figure(
        go.Heatmap(
            z=[places],
            x=places,
            y=[0],
            zmin=low,
            zmax=high,
            colorscale=list(colors),
            showscale=False,
            hovertemplate="%{x:.4g}<extra></extra>",
        )
    )
    # Without the least height plotly makes no room for the ticks, and leaves them out.
    figure.update_layout(margin={"l": 24, "r": 24, "t": 0, "b": 0}, height=76, minreducedheight=10)
    figure.update_xaxes(
        title=label(title),
        showgrid=False,
        range=[low, high],
        tickvals=np.linspace(low, high, 5),
        tickformat=".2~g",
        ticklabeloverflow="allow",
    )
    figure.update_yaxes(visible=False)
    return figure


def class_legend(classes: np.ndarray, names: Sequence[str]) -> go.Figure:
    """Draw the legend of a map of classes: a bar for each, in its color, as long as its share of the map.

    classes: (H, W), their indices.
    """
    counts = Counter(classes.ravel().astype(int).tolist())
    hues = dict(list(class_hues(classes.astype(int)).items())[:MOST_CLASSES])
    figure = _shares([names[index] for index in hues], [counts[index] / classes.size for index in hues])
    figure.update_traces(
        marker_color=[to_hex(hue) for hue in hues.values()],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{customdata}: %{x:.2%} of the map<extra></extra>",
    )
    figure.update_layout(height=28 * len(hues) + 68)
    return figure


def _shares(names: Sequence[str], values: Sequence[float]) -> go.Figure:
    """Draw horizontal bars of 0 to 1, the first on top. Names may be numbers, and two may be the same."""
    places = list(range(len(names)))
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=places,
            customdata=[label(name) for name in names],
            orientation="h",
            marker_color=palettes.BAR,
            text=[f"{value:.1%}" for value in values],
            textposition="auto",
            insidetextfont_color="white",
            hovertemplate="%{customdata}: %{x:.4f}<extra></extra>",
        )
    )
    figure.update_layout(margin=MARGIN | {"r": 24}, height=36 * len(names) + 50)
    # The last tick is as wide as the margin, and would be left out.
    figure.update_xaxes(
        range=[0, 1], title="share of the map", tickformat=".0%", dtick=0.5, ticklabeloverflow="allow"
    )
    figure.update_yaxes(
        autorange="reversed",
        tickvals=places,
        ticktext=[label(cut(one_line(name), LONGEST)) for name in names],
    )
    return figure


def curves(shares: Sequence[float], lines: Mapping[str, Sequence[float]], x: str, y: str) -> go.Figure:
    """Draw lines by name over the same shares."""
    figure = go.Figure(
        [
            go.Scatter(x=list(shares), y=list(values), name=name, line_color=color, mode="lines")
            for (name, values), color in zip(lines.items(), palettes.CATEGORIES, strict=False)
        ]
    )
    figure.update_layout(margin=MARGIN, height=260, legend={"orientation": "h", "y": 1.15})
    figure.update_xaxes(title=x, tickformat=".0%")
    figure.update_yaxes(title=y, range=[0, 1.02])
    return figure


def _as_image(figure: go.Figure, size: tuple[int, int]) -> None:
    """Give a figure square pixels, its origin at the upper left, and no axes."""
    height, width = size
    figure.update_xaxes(range=[0, width], visible=False, constrain="domain")
    figure.update_yaxes(range=[height, 0], visible=False, scaleanchor="x", constrain="domain")
    figure.update_layout(margin=MARGIN, height=420, plot_bgcolor="rgba(0,0,0,0)")
