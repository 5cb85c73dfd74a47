"""The controls above a channel's card: its layer and number, the channels before and after, all of them."""

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboard.components import GridItem, image_grid
from dashboard.data import channel_filter, photographs, runs
from dashboard.text import choice_names, sentence
from dashboard.views import binding
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ChannelsView
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import page_of

SORTS = {
    "channel": "Number",
    "mean": "Mean",
    "max": "Maximum",
    "active_share": "Share of places",
    "selectivity": "Class selectivity",
}
ONLY = {"all": "All", "live": "Live", "dead": "Dead"}
PER_PAGE = 60
SIDE = 64


def choose(opened: Opened[ChannelsView], stats: pa.Table) -> None:
    """Draw the controls.

    stats: the layer's rows of `channels`.
    """
    layers = runs.choices(opened.run).layers
    shown = _listed(opened, stats)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            list(layers),
            key=key("layer"),
            width=260,
            format_func=choice_names(layers, lambda name: f"{name} ({layers[name]} channels)"),
            on_change=lambda: binding.change(ChannelsView, channel=0, rank=0, list_page=1),
        )
        st.number_input(
            "Channel",
            min_value=0,
            max_value=layers[opened.view.layer] - 1,
            step=1,
            key=key("channel"),
            width=140,
            on_change=lambda: binding.change(ChannelsView, rank=0),
        )
        _neighbors(opened, stats if shown is None else shown)
        all_channels = st.popover(
            "All channels", icon=":material/apps:", key="channels/open", on_change="rerun"
        )
        if all_channels.open:
            with all_channels:
                _all(opened, shown)


def show(channel: int) -> None:
    """Set the channel that is shown, from a callback."""
    binding.change(ChannelsView, channel=channel, rank=0)


def key(name: str) -> str:
    """Return the key of the widget of a field of the page's view."""
    return binding.key(ChannelsView, name)


def _listed(opened: Opened[ChannelsView], stats: pa.Table) -> pa.Table | None:
    """Return the channels that pass the filters; None, with a warning, where the numbers can't be read."""
    try:
        return channel_filter.listed(stats, opened.view)
    except ValueError as error:
        st.warning(sentence(error), icon=":material/filter_alt_off:")
        return None


def _neighbors(opened: Opened[ChannelsView], shown: pa.Table) -> None:
    """Draw the buttons for the channel before and the one after, in the order of the filtered list."""
    before, after, place = channel_filter.beside(shown, opened.view.channel)
    for label, icon, shortcut, target in (
        ("Previous", ":material/chevron_left:", "P", before),
        ("Next", ":material/chevron_right:", "N", after),
    ):
        st.button(label, icon=icon, shortcut=shortcut, disabled=target is None, on_click=show, args=(target,))
    if channel_filter.filtered(opened.view):
        count = len(shown)
        where = f"{count} pass the filters" if place is None else f"{place + 1} of {count} that pass"
        st.button(
            where,
            icon=":material/filter_alt_off:",
            type="tertiary",
            help="Show all channels again",
            on_click=lambda: binding.change(ChannelsView, **channel_filter.UNFILTERED, list_page=1),
        )


def _all(opened: Opened[ChannelsView], shown: pa.Table | None) -> None:
    """Draw every channel that passes the filters, by its strongest patch."""
    _filters(opened)
    if shown is None or not len(shown):
        st.caption("No channel of this layer is like that.")
        return
    rows = shown[page_of(ChannelsView, "list_page", len(shown), PER_PAGE)].to_pylist()
    strongest = _strongest(opened)
    image_grid(
        [_item(opened, row, strongest.get(row["channel"])) for row in rows],
        key="channels/all",
        label="Channels",
        size=SIDE,
        selected=opened.view.channel,
        on_click=lambda chosen: show(int(chosen)),
    )


def _filters(opened: Opened[ChannelsView]) -> None:
    first = {"on_change": lambda: binding.change(ChannelsView, list_page=1)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Sort by", list(SORTS), key=key("sort"), format_func=SORTS.get, width=180, **first)
        st.segmented_control(
            "Channels", list(ONLY), key=key("only"), format_func=ONLY.get, required=True, **first
        )
        st.text_input("Numbers", key=key("find"), placeholder="3, 17, 40-50", width=150, **first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = ("", *opened.run.class_names)
        st.selectbox(
            "Responds most to",
            classes,
            key=key("top_class"),
            format_func=choice_names(classes, lambda name: name or "any class"),
            width=240,
            **first,
        )
        for name, label in (("least", "Selectivity from"), ("most", "to")):
            st.number_input(label, min_value=0.0, max_value=1.0, step=0.05, key=key(name), width=130, **first)


def _strongest(opened: Opened[ChannelsView]) -> dict[int, dict]:
    """Return the strongest patch of each channel of the layer, a row of `top_patches`."""
    rows = opened.run.select("top_patches", opened.view.layer)
    return {row["channel"]: row for row in rows.filter(pc.equal(rows["rank"], 0)).to_pylist()}


def _item(opened: Opened[ChannelsView], row: dict, patch: dict | None) -> GridItem:
    sort = opened.view.sort
    value = row["channel"] if sort == "channel" else row[sort]
    note = "dead" if row["dead"] else ("" if sort == "channel" or value is None else f"{value:.3g}")
    return GridItem(
        row["channel"],
        "" if patch is None else data_url(photographs.patch(opened.run, patch, SIDE)),
        alt=f"channel {row['channel']}, {row['top_class'] or 'no class'}",
        caption=str(row["channel"]),
        note=note,
        tone="bad" if row["dead"] else "neutral",
    )
