"""The atlas: all layers as rows, their channels as tiles, and what chooses which of them are shown."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.reports.channels.atlas import ASCENT, PATCH, by_layer
from dashboard.components import AtlasLayer, channel_atlas
from dashboard.components.channel_atlas import LINE
from dashboard.data import channels, runs
from dashboard.data.channels import showcase
from dashboard.findings.names.class_box import class_box
from dashboard.findings.names.of_run import Names, names_of
from dashboard.sections.channels import by_picture
from dashboard.sections.channels.chooser import key
from dashboard.text import choice_names, number, percent, sentence
from dashboard.views import binding, urls
from dashboard.views.definitions import CHANNEL, HERE, ChannelsView
from dashboard.views.navigation import address_up_to
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened

SORTS = {
    "channel": "Number",
    "mean": "Mean",
    "max": "Maximum",
    "active_share": "Share of places",
    "selectivity": "Class selectivity",
}
OF_A_PICTURE = {HERE: "How unusual here"}
NAMED = "Words of a name that was given to a channel by pinning it"
TILES = {ASCENT: "What it looks for", PATCH: "Strongest patch"}
ONLY = {"all": "All", "live": "Live", "dead": "Dead"}


def draw(opened: Opened[ChannelsView]) -> None:
    """Draw the filters, what passes them in numbers, and the layers."""
    if opened.view.picture:
        with boundary():
            by_picture.draw(opened)
    names = names_of(opened.run)
    _filters(opened, names)
    layers = list(runs.choices(opened.run).layers)
    shares = by_picture.shares(opened) or {}
    try:
        found = channels.filter_of(opened.view).listed(channels.statistics(opened.run))
    except ValueError as error:
        st.warning(sentence(error), icon=":material/filter_alt_off:")
        return
    listed = {
        name: channels.listed(rows, opened.view, _called(names, name, opened.view), shares.get(name))
        for name, rows in by_layer(found, layers).items()
    }
    passing = {name: rows for name, rows in listed.items() if len(rows)}
    _said(opened, passing)
    classes = {name: place for place, name in enumerate(opened.run.class_names)}
    channel_atlas(
        [
            _layer(opened, name, rows, classes, names.channels(name), shares.get(name))
            for name, rows in passing.items()
        ],
        [f", answers most to {names.class_title(name)}" for name in classes] + [""],
        key="channels/atlas",
        opened=opened.view.opened,
        whole=opened.view.whole,
        selected=(opened.view.layer, opened.view.channel),
        on_open=lambda layer: binding.change(ChannelsView, opened=layer),
    )


def _filters(opened: Opened[ChannelsView], names: Names) -> None:
    layers = ("", *runs.choices(opened.run).layers)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            layers,
            key=key("opened"),
            format_func=choice_names(layers, lambda name: name or "a line of each"),
            width=170,
        )
        sorts = SORTS | (OF_A_PICTURE if opened.view.picture or opened.view.sort == HERE else {})
        st.selectbox("Sort each layer by", list(sorts), key=key("sort"), format_func=sorts.get, width=170)
        st.segmented_control("Channels", list(ONLY), key=key("only"), format_func=ONLY.get, required=True)
        classes = ("", *opened.run.class_names)
        class_box("Responds most to", classes, key("top_class"), names, "any class", width=170)
        for name, label in (("least", "Selectivity from"), ("most", "to")):
            st.number_input(label, min_value=0.0, max_value=1.0, step=0.05, key=key(name), width=125)
        st.text_input("Numbers", key=key("find"), placeholder="3, 17, 40-50", width=125)
        st.text_input("Name has", key=key("named"), placeholder="wheels", width=125, help=NAMED)
        if opened.view.picture:
            st.number_input(
                "Unusual here, up to",
                min_value=0.0,
                max_value=1.0,
                step=0.01,
                format="%.3g",
                key=key("rare"),
                width=140,
                help="Greatest share of the store's images that respond as strongly; 1 is any",
            )


def _said(opened: Opened[ChannelsView], passing: Mapping[str, pa.Table]) -> None:
    """Say how many channels there are and how many pass; draw the controls of how much is shown."""
    layers = runs.choices(opened.run).layers
    shown, every = sum(map(len, passing.values())), sum(layers.values())
    some = f"**{shown:,}** of {every:,} channels, in {len(passing)} of {len(layers)} layers"
    with st.container(horizontal=True, vertical_alignment="center"):
        if channels.filtered(opened.view):
            st.markdown(some, width="content")
            st.button(
                "Show all again",
                icon=":material/filter_alt_off:",
                type="tertiary",
                on_click=lambda: binding.change(ChannelsView, **channels.UNFILTERED),
            )
        else:
            st.markdown(f"**{every:,}** channels in {len(layers)} layers", width="content")
        if showcase.TABLE in opened.run.tables():
            st.segmented_control(
                "Tiles",
                list(TILES),
                key=key("tile"),
                format_func=TILES.get,
                required=True,
                label_visibility="collapsed",
                help="What gradient ascent finds for it, where the store has that; or its strongest patch",
            )
        st.toggle("Every channel", key=key("whole"), help="Else one line a layer, whose name opens it")
        st.toggle(
            "By a picture",
            key=key("picture"),
            help="Draw a box on an image: what responds there most unusually, and which other images have it",
        )
        download_menu(opened)
    if not shown:
        st.caption("No channel of this network is like that.")


def _called(names: Names, layer: str, view: ChannelsView) -> frozenset[int]:
    return names.channels_called(layer, view.named) if view.named.strip() else frozenset()


def _layer(
    opened: Opened[ChannelsView],
    name: str,
    rows: pa.Table,
    classes: Mapping[str, int],
    names: Mapping[int, str],
    shares: np.ndarray | None,
) -> AtlasLayer:
    view, count = opened.view, len(rows)
    rows = rows if view.whole or view.opened == name else rows.slice(0, LINE)
    shown = rows["channel"].to_pylist()
    return AtlasLayer(
        name=name,
        note=_note(opened, name, count),
        count=count,
        channels=shown,
        values=_values(view, rows, shares),
        about=[classes.get(each, len(classes)) for each in rows["top_class"].to_pylist()],
        names={channel: names[channel] for channel in shown if channel in names},
        dead=rows.filter(rows["dead"])["channel"].to_pylist(),
        link=address_up_to(replace(view, show=CHANNEL, layer=name, rank=0), "channel"),
        tiles=urls.channel_tiles(
            opened.store, opened.run.fingerprint, name, showcase.on_tiles(opened.run, view, name)
        ),
    )


def _values(view: ChannelsView, rows: pa.Table, shares: np.ndarray | None) -> list[str]:
    """Return what stands below each tile: what the layer is sorted by."""
    if view.sort == "channel":
        return []
    if view.sort != HERE:
        return list(map(number, rows[view.sort].to_pylist()))
    if shares is None:
        return ["–"] * len(rows)
    return ["–" if np.isnan(each) else percent(each) for each in shares[rows["channel"].to_numpy()]]


def _note(opened: Opened[ChannelsView], name: str, count: int) -> str:
    every = runs.choices(opened.run).layers[name]
    said = f"{count:,} of {every:,} channels" if count != every else f"{every:,} channels"
    layers = runs.table(opened.run, "layers")
    row = layers.filter(pc.equal(layers["layer"], name)).to_pylist()[0]
    return f"{said} · sees {row['rf_height']} x {row['rf_width']} pixels" if row["rf_height"] else said
