"""The tab Summary: how much stayed the same, in a sentence and a chart; all numbers are folded below."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import plotly.graph_objects as go
import pyarrow.compute as pc
import streamlit as st

from dashboard.data import comparison
from dashboard.data.comparison import Pair
from dashboard.data.predictions import predicts
from dashboard.sections.compare.numbers import numbers
from dashboard.text import counted, map_name, percent, plain
from dashboard.widgets import figures

ROW = 26
"""Height of a bar with its gap, in CSS pixels."""


def draw(pair: Pair) -> None:
    """Draw the tab."""
    st.markdown(sentence_of(pair))
    agreements = list(measured(pair))
    if agreements:
        st.plotly_chart(
            chart(agreements), config={"displayModeBar": False}, alt="how much of each is the same in both"
        )
    with st.expander("All numbers", icon=":material/numbers:"):
        numbers(pair)


def sentence_of(pair: Pair) -> str:
    """Say in a sentence, of the networks by their names, what changed from the first run to the other."""
    first, other = map(plain, pair.names)
    said = [*_said_of_predictions(pair), *_said_of_neighbors(pair)]
    if not said:
        return f"Of **{first}** and **{other}** there is nothing that can be compared image by image."
    return f"From **{first}** to **{other}**, {', '.join(said[:-1])}{' and ' if said[1:] else ''}{said[-1]}."


def _said_of_predictions(pair: Pair) -> Iterator[str]:
    if not all(predicts(run) for run in pair.runs) or not len(pair.compared.predictions):
        return
    predictions, scores = pair.compared.predictions, pair.compared.accuracies
    changed = pc.sum(pc.not_equal(predictions["kind"], "same")).as_py() or 0
    share = percent(changed / len(predictions)) if changed else "none"
    yield f"the predicted class of **{share}** of {counted(len(predictions))} changes"
    if scores.count and scores.mine == scores.theirs:
        yield f"as many of the labelled ones are right, **{percent(scores.mine)}**"
    elif scores.count:
        points = f"{100 * (scores.theirs - scores.mine):+.1f} points, McNemar's p {scores.p:.2g}"
        yield f"right are **{percent(scores.theirs)}** in place of {percent(scores.mine)} ({points})"


def _said_of_neighbors(pair: Pair) -> Iterator[str]:
    if pair.compared.have("neighbors"):
        k = pair.view.k
        mean = comparison.neighbor_overlap(*pair.runs, k).mean
        if mean is not None:
            yield f"an image keeps **{mean * k:.1f}** of its {k} nearest images"


@dataclass(frozen=True)
class Agreement:
    """How much of something is the same in both runs.

    share, chance, partners: 0 to 1; chance is what unrelated networks would have, partners what channels have
        in common with the channel of the other network that suits them best. None where there is none.
    """

    name: str
    share: float
    chance: float | None = None
    partners: float | None = None


def measured(pair: Pair) -> Iterator[Agreement]:
    """Yield all that can be measured of the two runs, in the order of the chart."""
    compared = pair.compared
    if all(predicts(run) for run in pair.runs) and len(predictions := compared.predictions):
        same = pc.sum(pc.equal(predictions["kind"], "same")).as_py() or 0
        yield Agreement("Predicted class", same / len(predictions))
    if compared.have("neighbors"):
        overlap = comparison.neighbor_overlap(*pair.runs, pair.view.k)
        if overlap.mean is not None:
            chance = overlap.chance(len(pair.matched) - 1)
            yield Agreement(f"{pair.view.k} nearest images", overlap.mean, chance)
    if compared.have("features") and compared.cka.value is not None:
        yield Agreement("Features (linear CKA)", compared.cka.value, compared.cka.chance)
    yield from _measured_channels(pair)
    for name in compared.maps:
        with suppress(ValueError):
            residual = comparison.moved(*pair.runs, name).aligned.residual
            yield Agreement(f"Map by {map_name(name)} (1 minus residual)", 1 - residual)


def _measured_channels(pair: Pair) -> Iterator[Agreement]:
    if not pair.compared.have("layers", "channels", "top_patches"):
        return
    for layer in pair.compared.layers:
        channels = comparison.channels(*pair.runs, layer)
        if channels.overlap.mean is not None:
            yield Agreement(f"Channels of {layer}", channels.overlap.mean, partners=channels.partner_mean)


def chart(agreements: Sequence[Agreement]) -> go.Figure:
    """Draw a bar for each, 0 to 1, with marks for chance and for the best partners."""
    places, names = list(range(len(agreements))), [figures.label(each.name) for each in agreements]
    bars = go.Bar(
        x=[each.share for each in agreements],
        y=places,
        orientation="h",
        name="the same in both",
        marker_color=figures.palettes.BAR,
        customdata=names,
        hovertemplate="%{customdata}: %{x:.1%}<extra></extra>",
    )
    marks = [
        _marks("by chance", "line-ns-open", [each.chance for each in agreements]),
        _marks("with each channel's best partner", "diamond-open", [each.partners for each in agreements]),
    ]
    figure = go.Figure([bars, *filter(None, marks)])
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    height = ROW * len(agreements) + 96
    figure.update_layout(
        margin=figures.MARGIN | {"r": 24, "t": 36}, height=height, legend=legend, bargap=0.35
    )
    figure.update_xaxes(range=[0, 1.01], tickformat=".0%", dtick=0.25, ticklabeloverflow="allow")
    figure.update_yaxes(autorange="reversed", tickvals=places, ticktext=names, showgrid=False)
    return figure


def _marks(name: str, symbol: str, values: Sequence[float | None]) -> go.Scatter | None:
    places = [place for place, value in enumerate(values) if value is not None]
    if not places:
        return None
    return go.Scatter(
        x=[values[place] for place in places],
        y=places,
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 11, "color": figures.palettes.VERDICTS[0], "line": {"width": 2.5}},
        hovertemplate=f"{name}: %{{x:.1%}}<extra></extra>",
    )
