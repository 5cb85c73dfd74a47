"""Pictures of two runs: how far they agree, what changed, and their maps side by side."""

import numpy as np
import pyarrow as pa

from compute.analysis.comparison import KINDS, Overlap
from compute.images.pictures import tiled, to_8_bit
from compute.reports.compare.measures import PATCHES, Channels, Moved
from compute.reports.compare.series import CHANCE, OWN, WITH_BEFORE, WITH_REFERENCE, Series, curves_of
from compute.reports.drawing import palettes
from compute.reports.drawing.charts import LegendStyle, canvas, colormap, legend, rendered
from compute.reports.drawing.coloring import Coloring
from compute.reports.drawing.run_images import thumbnails
from featurestore.reader import Run

SHEET, COLUMNS, SIDE = 48, 8, 96
PANEL = 1000
LEGEND_STYLE = LegendStyle(most=30, title=16, names=14, marker=10, scale_title=16, scale_numbers=10)
FIRST, SECOND = palettes.CATEGORIES[:2]
CURVES = {CHANCE: "black", OWN: FIRST, WITH_REFERENCE: FIRST, WITH_BEFORE: SECOND}


def agreement_picture(measures: pa.Table) -> np.ndarray:
    """Draw a bar for each share in `measures`, with a mark where chance would be: (H, W, 3) uint8.

    Of a residual, which is 0 where maps agree, the bar is 1 minus it.
    """
    rows = [
        _bar(each)
        for each in measures.to_pylist()
        if each["value"] is not None and _is_share(each["measure"])
    ]
    names, values, chances = zip(*rows, strict=True)
    figure = canvas(1200, 160 + 44 * len(rows))
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    axes.barh(places, values, color=FIRST, height=0.7)
    for place, value, chance in zip(places, values, chances, strict=True):
        axes.text(value + 0.01, float(place), f"{value:.3f}", va="center", size=12)
        if chance is not None:
            axes.plot([chance, chance], [place - 0.42, place + 0.42], color="black", linewidth=2)
    axes.set_yticks(places, names, size=12)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("agreement, 0 to 1; black: by chance", size=12)
    axes.spines[["top", "right"]].set_visible(False)
    return rendered(figure)


def predictions_picture(run: Run, changed: pa.Table) -> np.ndarray:
    """Draw a sheet of the first changed predictions: (H, W, 3) uint8.

    Each is framed in the color of what became of it. ValueError where there are none.
    """
    if not len(changed):
        raise ValueError("no prediction changed like that, so there is no picture of one")
    first = changed.slice(0, SHEET)
    tiles = thumbnails(run, first["image_id"].to_pylist(), SIDE)
    framed = [
        _framed(tile, palettes.KINDS[KINDS.index(kind)])
        for tile, kind in zip(tiles, first["kind"].to_pylist(), strict=True)
    ]
    return to_8_bit(tiled(framed, min(COLUMNS, len(framed))))


def overlap_picture(found: Overlap, k: int) -> np.ndarray:
    """Draw how many images keep how many of their `k` nearest neighbours: (H, W, 3) uint8."""
    counts = np.bincount(np.round(found.share[found.k > 0] * k).astype(int), minlength=k + 1)
    figure = canvas(1000, 600)
    axes = figure.add_subplot()
    axes.bar(np.arange(k + 1) / k, counts, width=0.85 / k, color=FIRST)
    axes.set_xlabel(f"overlap@{k}: share of the {k} nearest images that are the same in both runs", size=13)
    axes.set_ylabel("images", size=13)
    axes.spines[["top", "right"]].set_visible(False)
    return rendered(figure)


def channels_picture(found: Channels, layer: str) -> np.ndarray:
    """Draw how many channels share how many of their strongest images: (H, W, 3) uint8.

    They are compared with the channel of the same number and with the best partner in the other run.
    """
    figure = canvas(1000, 600)
    axes = figure.add_subplot()
    shares = {"the same channel": found.overlap.share, "the best partner": found.partner_share}
    for offset, color, (name, share) in zip((-0.2, 0.2), (FIRST, SECOND), shares.items(), strict=True):
        counts = np.bincount(np.round(share[~np.isnan(share)] * PATCHES).astype(int), minlength=PATCHES + 1)
        axes.bar(np.arange(PATCHES + 1) + offset, counts, width=0.4, color=color, label=name)
    axes.set_xticks(range(PATCHES + 1))
    axes.set_xlabel(f"strongest images in common, of {PATCHES}", size=13)
    axes.set_ylabel(f"channels of {layer}", size=13)
    axes.legend(title="in the other run", fontsize=12, title_fontsize=12, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return rendered(figure)


def maps_picture(found: Moved, colors: Coloring) -> np.ndarray:
    """Draw the first run's map beside the other's, which is laid upon it: (H, W, 3) uint8."""
    figure = canvas(2 * PANEL + 300, PANEL)
    sides = figure.subplots(1, 2, sharex=True, sharey=True)
    style = {"s": np.clip(2e5 / len(found.ids), 1.5, 40), "linewidths": 0, "rasterized": True}
    values = colors.values[found.ids]
    known = np.isfinite(values)
    for axes, points, title in zip(
        sides, (found.here, found.aligned.points), ("first run", "other run"), strict=True
    ):
        axes.scatter(*points[~known].T, color=palettes.UNKNOWN, **style)
        drawn = axes.scatter(*points[known].T, c=values[known], **colormap(colors), **style)
        axes.set_aspect("equal", adjustable="box")
        axes.set_axis_off()
        axes.set_title(title, size=20)
    legend(figure, sides, drawn, colors, LEGEND_STYLE)
    return rendered(figure)


def series_picture(series: Series, k: int) -> np.ndarray:
    """Draw the curves of a series, one above the other over the same runs: (H, W, 3) uint8."""
    figure = canvas(max(1000, 240 + 70 * len(series.steps)), 1100)
    panels = figure.subplots(3, 1)
    for axes, (title, lines) in zip(panels, curves_of(series, k).items(), strict=True):
        for name, values in lines.items():
            style = {"linestyle": ":"} if name == CHANCE else {"marker": "o"}
            drawn = [np.nan if value is None else value for value in values]
            axes.plot(drawn, label=name, color=CURVES[name], **style)
        axes.axvline(series.reference, color=palettes.UNKNOWN, linewidth=1, zorder=0)
        axes.set_xticks(range(len(series.steps)), [""] * len(series.steps))
        axes.set_ylim(-0.02, 1.05)
        axes.set_title(title, loc="left", size=14)
        axes.legend(fontsize=11, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    names = [step.name for step in series.steps]
    panels[-1].set_xticks(range(len(names)), names, size=11, rotation=30, ha="right")
    panels[-1].set_xlabel(f"runs; grey line: the reference, {names[series.reference]}", size=12)
    return rendered(figure)


def _is_share(measure: str) -> bool:
    return measure.startswith(
        ("predictions_kept", "right_", "neighbor_overlap", "linear_cka", "top", "map_residual")
    )


def _bar(row: dict) -> tuple[str, float, float | None]:
    if row["measure"].startswith("map_residual"):
        return row["measure"].replace("map_residual", "1 - map_residual"), 1 - row["value"], None
    return row["measure"], row["value"], row["chance"]


def _framed(tile: np.ndarray, color: str) -> np.ndarray:
    width = max(SIDE // 24, 1)
    result = tile.copy()
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    for edge in (np.s_[:width], np.s_[-width:], np.s_[:, :width], np.s_[:, -width:]):
        result[edge] = rgb
    return result
