"""All that is measured of two runs, as numbers with what to compare them with."""

import numpy as np
import pyarrow.compute as pc
import streamlit as st

from compute.reports.compare.measures import PATCHES
from dashboard.data import comparison
from dashboard.data.comparison import Pair
from dashboard.data.predictions import predicts
from dashboard.text import counted, map_name, plain, sentence

UNRELATED = "what unrelated networks would have"


def numbers(pair: Pair) -> None:
    """Draw every number, with what to compare it with."""
    sections = {
        "Predictions": _predictions(pair),
        "Features and neighbours": [*_neighbors(pair), *_features(pair)],
        "Channels": _channels(pair),
        "Maps laid upon each other": _maps(pair),
    }
    for title, numbers in sections.items():
        st.subheader(title, anchor=False)
        with st.grid("auto", min_column_width=190):
            for label, value, note, help in numbers:
                st.metric(label, value, note, delta_color="off", delta_arrow="off", border=True, help=help)
        if title == "Predictions" and not all(predicts(run) for run in pair.runs):
            st.caption(
                "One of the networks gives no class scores, so that there are no predictions to compare."
            )
        elif not numbers:
            st.caption("One of the runs lacks the tables for this, or nothing in them is common to both.")


Numbers = list[tuple[str, str, str | None, str]]
"""Label, value, what to compare it with, help."""


def _predictions(pair: Pair) -> Numbers:
    if not all(predicts(run) for run in pair.runs):
        return []
    predictions, scores = pair.compared.predictions, pair.compared.accuracies
    changed = pc.sum(pc.not_equal(predictions["kind"], "same")).as_py() or 0
    numbers = [
        (
            "Images compared",
            f"{len(predictions):,}",
            f"of {pair.run.image_count:,} and {pair.other.image_count:,}",
            "In both runs, byte for byte, and readable to both networks",
        ),
        (
            "Predictions changed",
            f"{changed / len(predictions):.1%}" if len(predictions) else "–",
            counted(changed),
            "Share whose most probable class differs; classes are compared by name",
        ),
    ]
    first, other = map(plain, pair.names)
    shared = set(pair.run.class_names) & set(pair.other.class_names)
    if shared != set(pair.run.class_names) | set(pair.other.class_names):
        counts = f"of {len(pair.run.class_names):,} and {len(pair.other.class_names):,}"
        numbers.append(
            (
                "Classes in common",
                f"{len(shared):,}",
                counts,
                "By name; a class of one network alone never agrees",
            )
        )
    if not scores.count:
        return numbers
    return [
        *numbers,
        (
            f"Right, {plain(first)}",
            f"{scores.mine:.1%}",
            f"of {scores.count:,} that have a label of a class",
            "On the common images alone",
        ),
        (
            f"Right, {plain(other)}",
            f"{scores.theirs:.1%}",
            f"{100 * (scores.theirs - scores.mine):+.1f} points",
            "On the common images alone",
        ),
        (
            "McNemar's p",
            f"{scores.p:.3g}",
            f"fixed {scores.fixed:,}, broken {scores.broken:,}",
            "Exact two-sided p value that both networks are right equally often, given how many images only "
            "the other has right (fixed) and only the first (broken). Small: the difference is more than "
            "chance. *McNemar 1947; Dietterich 1998*",
        ),
    ]


def _neighbors(pair: Pair) -> Numbers:
    if not pair.compared.have("neighbors"):
        return []
    k, overlap = pair.view.k, comparison.neighbor_overlap(*pair.runs, pair.view.k)
    chance = overlap.chance(len(pair.matched) - 1)
    return [
        (
            f"Neighbour overlap@{k}",
            _share(overlap.mean),
            f"chance {_share(chance, 2)}",
            f"Share of an image's {k} nearest images in feature space that are the same in both runs, mean "
            f"over images; chance, k / (n - 1), is {UNRELATED}. Choose k in the tab Neighbours.",
        )
    ]


def _features(pair: Pair) -> Numbers:
    if not pair.compared.have("features"):
        return []
    cka = pair.compared.cka
    return [
        (
            "Linear CKA",
            "–" if cka.value is None else f"{cka.value:.3f}",
            "–" if cka.chance is None else f"chance {cka.chance:.3f}",
            "How alike the features are, 0 to 1, whatever their rotation and scale, on "
            f"{cka.images:,} images{'' if cka.images >= len(pair.matched) else ', evenly sampled'}; "
            "chance: the same with one run's images in a random order. *Kornblith et al. 2019*",
        )
    ]


def _channels(pair: Pair) -> Numbers:
    if not pair.compared.have("layers", "channels", "top_patches"):
        return []
    return [
        (
            layer,
            _share(channels.overlap.mean),
            f"best partners {_share(channels.partner_mean)}",
            f"Share of the {PATCHES} images that excite a channel most that are the same in both "
            f"runs, mean over {count} channels. Best partners: with, for each channel, the channel of the "
            "other run that has most in common (networks trained anew have theirs in another order). "
            "*Li et al. 2016*",
        )
        for layer, count in pair.compared.layers.items()
        for channels in [comparison.channels(*pair.runs, layer)]
    ]


def _maps(pair: Pair) -> Numbers:
    return [_map(pair, name) for name in pair.compared.maps]


def _map(pair: Pair, name: str) -> tuple[str, str, str | None, str]:
    label = f"{plain(map_name(name))} residual"
    try:
        aligned = comparison.moved(*pair.runs, name).aligned
    except ValueError as error:
        return label, "–", None, sentence(error)
    return (
        label,
        f"{aligned.residual:.3f}",
        f"half moved over {np.median(aligned.moved):.2f}",
        "What is left after the other map was moved, turned or mirrored, and scaled to lie best upon the "
        "first: 0 is the same map, 1 nothing in common. Moves are in units of the map's spread. "
        "*Schönemann 1966; Gower 1975*",
    )


def _share(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}%}"
