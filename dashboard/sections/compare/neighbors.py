"""The tab Neighbours: the images whose nearest images changed."""

import numpy as np
import pyarrow as pa
import streamlit as st

from compute.analysis.comparison import Overlap
from dashboard.components import GridItem, image_grid
from dashboard.data import comparison
from dashboard.data.comparison import Pair
from dashboard.sections.compare import image as chosen
from dashboard.sections.compare import shared_images
from dashboard.text import plain
from dashboard.views import binding, urls
from dashboard.views.definitions import CompareView
from dashboard.views.navigation import address_up_to
from dashboard.widgets import bar_charts
from featurestore.reader import Run

MOST = 20
"""Neighbours of each image in a store."""


def draw(pair: Pair) -> None:
    """Draw the tab."""
    if not pair.compared.have("neighbors"):
        st.info(
            "One of the runs has no neighbours: `python -m compute store --stages neighbors …` makes them.",
            icon=":material/hub:",
        )
        return
    overlap = comparison.neighbor_overlap(*pair.runs, pair.view.k)
    facts, plot = st.columns([1, 2], gap="medium")
    with facts:
        st.slider(
            "Neighbours, k", 1, MOST, key=binding.key(CompareView, "k"), on_change=shared_images.turn_back
        )
        _numbers(pair, overlap)
    with plot:
        _histogram(pair, overlap)
    row = chosen.row_of(pair, pair.view.image)
    if row is not None:
        _side_by_side(pair, row)
    elif pair.view.image >= 0:
        chosen.show(pair)
    st.subheader("Neighbourhoods that changed most", anchor=False)
    shared_images.wall(pair, _most_changed(pair, overlap), _item, "neighbors")


def _numbers(pair: Pair, overlap: Overlap) -> None:
    chance = overlap.chance(len(pair.matched) - 1)
    st.metric(
        f"Overlap@{pair.view.k}",
        "–" if overlap.mean is None else f"{overlap.mean:.1%}",
        None if chance is None else f"chance {chance:.2%}",
        delta_color="off",
        delta_arrow="off",
        help="Share of an image's nearest images in feature space that both runs name, mean over images. "
        "Chance: k / (n - 1), of neighbours drawn at random",
    )
    few = int((overlap.k < pair.view.k).sum())
    if few:
        st.caption(
            f"Of {few:,} images a store keeps fewer than {pair.view.k} neighbours that both runs could have: "
            f"these are compared on as many as there are. All in all, on {overlap.k.mean():.1f} in the mean."
        )


def _histogram(pair: Pair, overlap: Overlap) -> None:
    bins = pair.view.k + 1
    share = overlap.share[overlap.k > 0]
    counts = np.bincount(np.round(share * pair.view.k).astype(int), minlength=bins)
    half = 0.5 / pair.view.k
    bar_charts.histogram(
        counts.tolist(),
        -half,
        1 + half,
        title=f"overlap@{pair.view.k}",
        alt="histogram of how much of its neighbours an image keeps",
        number=".0%",
    )


def _most_changed(pair: Pair, overlap: Overlap) -> pa.Table:
    order = np.lexsort([pair.matched.ids, -overlap.k, overlap.share])
    order = order[overlap.k[order] > 0]
    return pa.table(
        {"image_id": pair.matched.ids[order], "share": overlap.share[order], "k": overlap.k[order]}
    )


def _item(row: dict, thumbnail: str) -> GridItem:
    return GridItem(
        row["image_id"],
        thumbnail,
        alt=f"image {row['image_id']}, {row['share']:.0%} of its neighbours in common",
        caption=f"image {row['image_id']}",
        note=f"{round(row['share'] * row['k'])} of {row['k']} in common",
    )


def _side_by_side(pair: Pair, row: int) -> None:
    first, second = pair.compared.neighbor_rows
    st.subheader(f"The neighbours of image {pair.view.image}", anchor=False)
    st.image(pair.run.thumbnail(pair.view.image), width=110, alt="the chosen image")
    sides = (
        (pair.run, pair.view.store, int(pair.matched.ids[row]), False, second[row]),
        (pair.other, pair.view.other_store, int(pair.matched.other_ids[row]), True, first[row]),
    )
    places = zip(st.columns(2), pair.names, sides, strict=True)
    for column, name, (run, store, image_id, other, across) in places:
        with column:
            st.markdown(f"**{plain(name)}**")
            image_grid(
                _neighbors(pair, run, store, image_id, other, across),
                key=f"compare/neighbors of the {'other' if other else 'first'}",
                label=f"Neighbours by {name}",
                size=88,
                link=address_up_to(pair.view, "image"),
            )


def _neighbors(
    pair: Pair, run: Run, store: str, image_id: int, other: bool, across: np.ndarray
) -> list[GridItem]:
    """Return the k nearest images that both runs hold, as links; their ids are rows of the shared images.

    other: whether `run` is the other run.
    across: rows of the image's neighbours in the run on the other side.
    """
    nearest = run.neighbors("feature", image_id)
    rows = pair.matched.rows(nearest["neighbor_id"].to_numpy(), other)
    kept = [(row, each) for row, each in zip(rows.tolist(), nearest.to_pylist(), strict=True) if row >= 0]
    kept = kept[: pair.view.k]
    shared = set(across[across >= 0][: pair.view.k].tolist())
    images = run.rows("images", [each["neighbor_id"] for _, each in kept], ("label", "path")).to_pylist()
    return [
        GridItem(
            row,
            urls.thumbnail(store, run.fingerprint, each["neighbor_id"]),
            alt=f"{image['path']} at distance {each['distance']:.3f}",
            caption=image["label"] or image["path"],
            note=f"{each['distance']:.3f}",
            badge="both" if row in shared else "",
            tone="good" if row in shared else "neutral",
            goes_to=int(pair.matched.ids[row]),
        )
        for (row, each), image in zip(kept, images, strict=True)
    ]
