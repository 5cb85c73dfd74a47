"""The tab Series: runs over these images in order, as curves; each point opens the two runs that it is of."""

import dataclasses
from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from compute.reports.compare.series import (
    CHANCE,
    MOST,
    ORDERS,
    OWN,
    SHORT,
    WITH_BEFORE,
    WITH_REFERENCE,
    Series,
    Step,
    curves_of,
    in_order,
    series_of,
)
from dashboard.data import comparison, partners, runs
from dashboard.data.comparison import Pair
from dashboard.data.partners import Place
from dashboard.sections.compare.neighbors import MOST as MOST_NEIGHBORS
from dashboard.text import choice_names, plain
from dashboard.views import binding
from dashboard.views.definitions import CompareView, OverviewView
from dashboard.views.link_html import Cell, Column, Row, link_table
from dashboard.widgets import figures
from featurestore.reader import Run

ORDER_NAMES = dict(zip(ORDERS, ("Name, numbers as such", "Time made"), strict=True))
PANEL = 190
"""Height of a panel, in CSS pixels."""
COLORS = {
    CHANCE: figures.palettes.UNKNOWN,
    OWN: figures.palettes.CATEGORIES[0],
    WITH_REFERENCE: figures.palettes.CATEGORIES[0],
    WITH_BEFORE: figures.palettes.CATEGORIES[1],
}
COLUMNS = (
    Column("Run", "Opens Compare of the reference with this run"),
    Column("Made", "UTC"),
    Column("Images", "In common with the reference", is_number=True),
    Column("Right", "Of the labelled images that all runs have; opens the run's own page", is_number=True),
    Column("Overlap, reference", "Of the nearest images, with the reference", is_number=True),
    Column("before", "Of the nearest images, with the run before; opens Compare of the two", is_number=True),
    Column("CKA, reference", "Linear CKA of the features with the reference", is_number=True),
    Column("before", "Linear CKA with the run before; opens Compare of the two", is_number=True),
)


def draw(pair: Pair) -> None:
    """Draw the tab."""
    view = pair.view
    known = partners.for_series(view.store, pair.run, partners.named(view))
    _choose(view, known)
    taking_part = partners.series(view, pair.run)
    if missing := [each for each in partners.named(view) if each not in known]:
        st.warning(
            f"{len(missing)} of the series' runs can't be read here, or share no image with the first run: "
            f"{', '.join(map(plain, missing))}.",
            icon=":material/history_toggle_off:",
        )
    if len(taking_part) < 2:
        st.info("Choose two runs or more: a series is of what lies between them.", icon=":material/timeline:")
        return
    found = _measured(view, taking_part)
    places = {run.fingerprint: place for place, run in taking_part.values()}
    _say(found)
    st.plotly_chart(
        chart(found, view.k),
        key="compare/series",
        on_select=lambda: _clicked(view, found, places),
        selection_mode="points",
        config={"displayModeBar": False},
        alt="accuracy, overlap of the neighbours and CKA of each run in order",
    )
    st.caption("A click on a point opens the two runs that it is of.")
    _list(view, found, places)


def _choose(view: CompareView, known: dict[str, tuple[Place, Run]]) -> None:
    names = {
        run.fingerprint[:SHORT]: name
        for name, run in in_order([run for _, run in known.values()], view.order)
    }
    options, first = list(names), view.run[:SHORT]
    drawn = binding.drawn_key(f"{CompareView.page}.series")
    shown = [each for each in options if each in partners.named(view)]
    binding.give(drawn, shown, st.session_state)

    def changed() -> None:
        taken = [first, *(each for each in st.session_state[drawn] if each != first)]
        binding.change(CompareView, series=partners.series_text(taken))

    label = choice_names(options, lambda each: names.get(each, each))
    st.multiselect(
        "Runs", options, key=drawn, format_func=label, max_selections=MOST, on_change=changed,
        help="The runs over these images: other stores' current ones, and older ones of this store. The "
        "page's first run always takes part.",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "In order of", ORDERS, key=binding.key(CompareView, "order"), format_func=ORDER_NAMES.get
        )
        st.selectbox(
            "Reference", shown, key=binding.key(CompareView, "reference"), format_func=label, width=260,
            help="The run that all others are compared with",
        )  # fmt: skip
        st.slider("Neighbours, k", 1, MOST_NEIGHBORS, key=binding.key(CompareView, "k"), width=220)
    if more := len(options) - len(shown):
        st.caption(
            f"{more:,} further {'run is' if more == 1 else 'runs are'} over these images: add it above."
        )


def _measured(view: CompareView, taking_part: dict[str, tuple[Place, Run]]) -> Series:
    """Measure the series; a bar says how far it is."""
    bar = st.empty()
    reference = taking_part.get(view.reference) or taking_part[view.run[:SHORT]]
    series = series_of(
        [run for _, run in taking_part.values()],
        reference[1],
        view.k,
        view.order,
        comparison.KeptMeasures(),
        lambda done, total: bar.progress(done / total, f"{done} of {total} runs measured"),
    )
    bar.empty()
    return series


def _say(series: Series) -> None:
    counts = [step.images for step in series.steps]
    shared = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    st.caption(
        f"Reference: **{plain(series.steps[series.reference].name)}**, with which each run shares {shared} "
        f"images; right are counted on the {series.judged:,} labelled images that all runs have."
    )


def chart(series: Series, k: int) -> go.Figure:
    """Draw the curves, one panel above the other; a point's data are its position and its line."""
    panels = curves_of(series, k)
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=list(panels)
    )
    names = [figures.label(step.name) for step in series.steps]
    places = list(range(len(names)))
    seen: set[str] = set()
    for row, lines in enumerate(panels.values(), 1):
        for name, values in lines.items():
            by_chance = name == CHANCE
            figure.add_trace(
                go.Scatter(
                    x=places,
                    y=values,
                    name=name,
                    legendgroup=name,
                    showlegend=name not in (OWN, *seen),
                    mode="lines" if by_chance else "lines+markers",
                    line={"color": COLORS[name], "dash": "dot" if by_chance else "solid"},
                    marker={"size": 10},
                    customdata=[[place, name] for place in places],
                    text=names,
                    hovertemplate=f"%{{text}}, {name}: %{{y:.3f}}<extra></extra>",
                ),
                row=row,
                col=1,
            )
            seen.add(name)
    figure.add_vline(series.reference, line={"color": figures.palettes.UNKNOWN, "width": 1})
    legend = {"orientation": "h", "x": 0, "y": -0.09, "yanchor": "top"}
    figure.update_layout(
        margin=figures.MARGIN | {"t": 32, "r": 24}, height=PANEL * len(panels) + 120, legend=legend
    )
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    figure.update_xaxes(tickvals=places, ticktext=names, showgrid=False, range=[-0.3, len(names) - 0.7])
    figure.update_yaxes(range=[-0.02, 1.06], tickformat=".0%", dtick=0.5)
    figure.update_yaxes(tickformat=".1f", row=len(panels), col=1)
    return figure


def two_of(series: Series, position: int, line: str) -> tuple[Step, Step] | None:
    """Return the two runs that a point is of; of the reference's own, it and its neighbour in the series."""
    steps = series.steps
    if line == WITH_BEFORE:
        return (steps[position - 1], steps[position]) if position else None
    if position != series.reference:
        return steps[series.reference], steps[position]
    return steps[position], steps[position - 1 if position else position + 1]


def _clicked(view: CompareView, series: Series, places: dict[str, Place]) -> None:
    points = st.session_state["compare/series"].selection.points
    data = next((each["customdata"] for each in points if each.get("customdata")), None)
    two = two_of(series, int(data[0]), str(data[1])) if data else None
    if two is not None:
        opened = _of_two(view, places, two)
        changed = {each.name: getattr(opened, each.name) for each in dataclasses.fields(opened)}
        binding.change(CompareView, **{name: value for name, value in changed.items() if name != "proof"})


def _of_two(view: CompareView, places: dict[str, Place], two: Sequence[Step]) -> CompareView:
    """Return the view of two runs' summary. Image, channel and layer are the first run's, so aren't kept."""
    (store, run), (other_store, other_run) = (places[step.run.fingerprint] for step in two)
    return dataclasses.replace(
        view, store=store, run=run, other_store=other_store, other_run=other_run, tab="summary", proof="",
        image=-1, layer="", channel=-1, camera="", label="", highlight="", selection="", wall_page=1,
    )  # fmt: skip


def _list(view: CompareView, series: Series, places: dict[str, Place]) -> None:
    def opening(position: int, line: str) -> CompareView | None:
        two = two_of(series, position, line)
        return None if two is None else _of_two(view, places, two)

    rows = []
    for position, step in enumerate(series.steps):
        store, run = places[step.run.fingerprint]
        before = opening(position, WITH_BEFORE)
        cells = [
            f"{step.name} (reference)" if position == series.reference else step.name,
            runs.when_made(step.run),
            f"{step.images:,}",
            Cell(_share(step.accuracy), OverviewView(store, run)),
            _share(step.overlap),
            Cell(_share(step.overlap_before), before),
            _number(step.cka),
            Cell(_number(step.cka_before), before),
        ]
        rows.append(Row(opening(position, WITH_REFERENCE), cells))
    link_table(COLUMNS, rows, "Runs of the series")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
