"""The controls above a channel's card: its layer and number, the channels before and after, the atlas."""

import pyarrow as pa
import streamlit as st

from dashboard.data import channels, runs
from dashboard.text import choice_names, sentence
from dashboard.views import binding
from dashboard.views.definitions import ATLAS, ChannelsView
from dashboard.widgets.header import Opened


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
            on_change=lambda: binding.change(ChannelsView, channel=0, rank=0),
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
        st.button(
            "Atlas",
            icon=":material/apps:",
            help="All channels of all layers",
            on_click=lambda: binding.change(ChannelsView, show=ATLAS, opened=opened.view.layer),
        )


def show(channel: int) -> None:
    """Set the channel that is shown, from a callback."""
    binding.change(ChannelsView, channel=channel, rank=0)


def key(name: str) -> str:
    """Return the key of the widget of a field of the page's view."""
    return binding.key(ChannelsView, name)


def _listed(opened: Opened[ChannelsView], stats: pa.Table) -> pa.Table | None:
    """Return the channels that pass the filters; None, with a warning, where the numbers can't be read."""
    try:
        return channels.filter_of(opened.view).listed(stats)
    except ValueError as error:
        st.warning(sentence(error), icon=":material/filter_alt_off:")
        return None


def _neighbors(opened: Opened[ChannelsView], shown: pa.Table) -> None:
    """Draw the buttons for the channel before and the one after, in the order of the filtered list."""
    before, after, place = channels.beside(shown, opened.view.channel)
    for label, icon, shortcut, target in (
        ("Previous", ":material/chevron_left:", "P", before),
        ("Next", ":material/chevron_right:", "N", after),
    ):
        st.button(label, icon=icon, shortcut=shortcut, disabled=target is None, on_click=show, args=(target,))
    if channels.filtered(opened.view):
        count = len(shown)
        where = f"{count} pass the filters" if place is None else f"{place + 1} of {count} that pass"
        st.button(
            where,
            icon=":material/filter_alt_off:",
            type="tertiary",
            help="Show all channels again",
            on_click=lambda: binding.change(ChannelsView, **channels.UNFILTERED),
        )
