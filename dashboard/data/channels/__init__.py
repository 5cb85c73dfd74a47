"""A run's channels: which of them a view lists, in what order, and their strongest patches as tiles."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import streamlit as st

from compute.analysis.channel_filter import ChannelFilter
from compute.images.pictures import to_8_bit
from compute.reports.channels.atlas import STATISTICS, Tiles, by_layer, layer_names, with_strongest
from compute.reports.channels.showcase import Kept
from compute.runtime.suggestions import did_you_mean
from dashboard.data import runs
from dashboard.views.definitions import HERE, ChannelsView
from featurestore.reader import Run

FindKept = Callable[[Run, str, int], Kept | None]

SIDE = 96
"""Of a tile, in pixels."""
MOST_TILES = 64
"""Tiles of a strip."""

UNFILTERED = {"only": "all", "top_class": "", "find": "", "least": 0.0, "most": 1.0, "named": "", "rare": 1.0}


def filter_of(view: ChannelsView) -> ChannelFilter:
    """Return what a view lists, but for the names and the picture, of which the store knows nothing."""
    sort = "channel" if view.sort == HERE else view.sort
    return ChannelFilter(sort, view.only, view.top_class, view.find, view.least, view.most)


def listed(
    rows: pa.Table, view: ChannelsView, called: Collection[int], shares: np.ndarray | None
) -> pa.Table:
    """Return the rows of one layer's channels that pass the view, in the view's order.

    rows: those that pass `filter_of`.
    called: the layer's channels whose name has the words of the view's filter.
    shares: of the store's images that respond as strongly as the view's picture, by channel; None for no
        picture, or where nothing is known.
    """
    if view.named.strip():
        rows = rows.filter(np.isin(rows["channel"].to_numpy(), list(called)))
    if shares is None:
        return rows
    share = shares[rows["channel"].to_numpy()]
    if view.rare < 1:
        rows, share = rows.filter(share <= view.rare), share[share <= view.rare]
    # NaN, of those that don't respond, comes last.
    return rows.take(np.argsort(share, kind="stable")) if view.sort == HERE else rows


def filtered(view: ChannelsView) -> bool:
    """Return whether the view leaves any channel out."""
    return any(getattr(view, name) != value for name, value in UNFILTERED.items())


def beside(shown: pa.Table, channel: int) -> tuple[int | None, int | None, int | None]:
    """Return the channel before a channel in a list, the one after it, and its place from 0.

    Each is None where there is none. A channel that isn't listed has no place, and the first of the list
    follows it.
    """
    order = shown["channel"].to_pylist()
    if channel not in order:
        return None, next(iter(order), None), None
    place = order.index(channel)
    before = order[place - 1] if place else None
    return before, order[place + 1] if place + 1 < len(order) else None, place


@st.cache_resource(max_entries=8, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def statistics(run: Run) -> pa.Table:
    """Return what every channel of every layer is like, and where its strongest patch is."""
    return with_strongest(run.table("channels", STATISTICS), run)


@st.cache_resource(max_entries=8, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def of_layers(run: Run) -> dict[str, pa.Table]:
    """Return the same by layer, in the network's order; rows by channel."""
    return by_layer(statistics(run), layer_names(run))


def strip(run: Run, layer: str, channels: Sequence[int], kept: FindKept | None = None) -> np.ndarray:
    """Draw the strongest patches of some channels of a layer beside each other: (SIDE, n * SIDE, 3) uint8.

    kept: finds the picture that the run keeps of a channel, which then stands in the patch's place.

    ValueError for a layer or channel that the run does not have, or more than MOST_TILES.
    """
    known = of_layers(run).get(layer)
    if known is None:
        raise ValueError(f"unknown layer {layer!r}{did_you_mean(layer, list(of_layers(run)))}")
    if not 0 < len(channels) <= MOST_TILES:
        raise ValueError(f"{len(channels)} channels are not 1 to {MOST_TILES}")
    if not all(0 <= each < len(known) for each in channels):
        raise ValueError(f"channels {list(channels)} are not all from 0 to {len(known) - 1}")
    rows = known.take(pa.array(channels, pa.int64())).to_pylist()
    tiles = Tiles(run, runs.original, SIDE, kept, stand_in=True).of(rows)
    return to_8_bit(np.concatenate(tiles, axis=1))
