"""The tab Channels: which channels still respond to the same images."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dashboard.components import GridItem, image_grid
from dashboard.data import comparison, photographs
from dashboard.data.channels import showcase
from dashboard.data.comparison import Channels, Pair
from dashboard.findings.names import Names, names_of
from dashboard.sections.compare.shared_images import turn_back
from dashboard.text import choice_names, plain
from dashboard.views import binding
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ChannelsView, CompareView
from dashboard.views.navigation import address_up_to, link
from dashboard.widgets.image_wall import page_of
from featurestore.reader import Run

SORTS = {"overlap": "Overlap, least first", "partner": "Best partner, least first", "channel": "Number"}
PATCH, SMALL, PER_PAGE = 88, 64, 60
LOOKED_FOR = 180
"""Side of the picture of what a channel looks for, in CSS pixels."""


def draw(pair: Pair) -> None:
    """Draw the tab."""
    if not pair.compared.have("layers", "channels", "top_patches"):
        st.info("One of the runs has no channels to compare.", icon=":material/view_module:")
        return
    layers = pair.compared.layers
    if not layers:
        st.info(
            "These networks have no layer of the same name and number of channels, so none of their channels "
            "correspond.",
            icon=":material/view_module:",
        )
        return
    layer = pair.view.layer if pair.view.layer in layers else next(iter(layers))
    if pair.view.layer and layer != pair.view.layer:
        st.caption(plain(f"Layer {pair.view.layer} is not the same in both networks; {layer} is shown."))
    _choose(pair, layers, layer)
    channels = comparison.channels(*pair.runs, layer)
    channel = pair.view.channel if pair.view.channel >= 0 else int(_order(channels, pair.view.sort)[0])
    _side_by_side(pair, layer, min(channel, layers[layer] - 1), channels)
    st.subheader("All channels", anchor=False)
    _all(pair, layer, channel, channels)


def _choose(pair: Pair, layers: dict[str, int], layer: str) -> None:
    names = list(dict.fromkeys(["", pair.view.layer, *layers]))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            names,
            key=binding.key(CompareView, "layer"),
            width=300,
            format_func=choice_names(names, lambda name: _layer_name(pair, name or layer, layers)),
            on_change=lambda: binding.change(CompareView, channel=-1, wall_page=1),
            help="Layers of the same name and number of channels in both networks",
        )
        st.selectbox(
            "Sort by",
            list(SORTS),
            key=binding.key(CompareView, "sort"),
            format_func=SORTS.get,
            width=240,
            on_change=turn_back,
        )


def _layer_name(pair: Pair, name: str, layers: dict[str, int]) -> str:
    if name not in layers:
        return f"{name} (in one network alone)"
    mean = comparison.channels(*pair.runs, name).overlap.mean
    return f"{name}: {_percent(mean)} overlap, {layers[name]} channels"


def _order(channels: Channels, sort: str) -> np.ndarray:
    """Return the channels in the order of the list; those that are dead in a run come last."""
    numbers = np.arange(len(channels.partner))
    by = {"overlap": channels.overlap.share, "partner": channels.partner_share, "channel": numbers}
    return np.lexsort([numbers, by[sort]])


def _side_by_side(pair: Pair, layer: str, channel: int, channels: Channels) -> None:
    k = int(channels.overlap.k[channel])
    share = channels.overlap.share[channel]
    partner, partner_share = int(channels.partner[channel]), channels.partner_share[channel]
    names, others = names_of(pair.run), names_of(pair.other)
    st.subheader(plain(names.channel_title(layer, channel)), anchor=False)
    if k:
        st.caption(
            f"Of the strongest images that both stores hold, {round(share * k)} of {k} are the same. Most in "
            f"common with channel {partner} of {plain(pair.names[1])}: {partner_share:.0%}."
        )
    else:
        st.caption("Dead in one of the runs, or none of its strongest images is in both: it has no overlap.")
    first, other = pair.names
    sides = [
        ("first", f"{first}, {_spoken(names, layer, channel)}", pair.run, pair.view.store, channel),
        ("same", f"{other}, {_spoken(others, layer, channel)}", pair.other, pair.view.other_store, channel),
    ]
    if k and partner != channel:
        best = f"{other}, best partner: {_spoken(others, layer, partner)}"
        sides.append(("partner", best, pair.other, pair.view.other_store, partner))
    for column, (side, title, run, store, number) in zip(st.columns(len(sides)), sides, strict=True):
        with column:
            where = ChannelsView(store, run.fingerprint, layer=layer, channel=number)
            link(where, plain(title))
            image_grid(
                _patches(run, layer, number),
                key=f"compare/{side} channel",
                label=f"Patches of {title}",
                size=PATCH,
                link=address_up_to(where, "rank"),
            )
            _looked_for(run, layer, number)


def _looked_for(run: Run, layer: str, channel: int) -> None:
    """Draw the picture that gradient ascent found for a channel, where the store keeps one."""
    picture = showcase.tile(run, layer, channel, 2 * LOOKED_FOR)
    if picture is not None:
        st.caption("What it looks for (gradient ascent)")
        st.image(
            picture,
            width=LOOKED_FOR,
            alt=f"what channel {channel} of {layer} looks for, found by gradient ascent",
        )


def _spoken(names: Names, layer: str, channel: int) -> str:
    """Return what a channel is called beside one of another network: "channel 17 (wheels)"."""
    name = names.channel(layer, channel)
    return f"channel {channel} ({name})" if name else f"channel {channel}"


def _patches(run: Run, layer: str, channel: int) -> list[GridItem]:
    return [
        GridItem(
            row["rank"],
            data_url(photographs.patch(run, row, PATCH)),
            note=f"{row['value']:.3f}",
            alt=f"patch {row['rank'] + 1} of image {row['image_id']}, activation {row['value']:.3f}",
        )
        for row in run.top_patches(layer, channel).to_pylist()
    ]


def _all(pair: Pair, layer: str, channel: int, channels: Channels) -> None:
    order = _order(channels, pair.view.sort)
    page = page_of(CompareView, "wall_page", len(order), PER_PAGE)
    strongest = pair.run.select("top_patches", layer).to_pylist()
    first = {row["channel"]: row for row in strongest if row["rank"] == 0}
    names, numbers = names_of(pair.run), order[page].tolist()
    items = [_item(pair.run, layer, each, first.get(each), channels, names) for each in numbers]
    image_grid(
        items,
        key="compare/channels",
        label="Channels",
        size=SMALL,
        selected=channel,
        link=address_up_to(replace(pair.view, layer=layer), "channel"),
    )


def _item(
    run: Run, layer: str, channel: int, patch: dict | None, channels: Channels, names: Names
) -> GridItem:
    share = channels.overlap.share[channel]
    return GridItem(
        channel,
        "" if patch is None else data_url(photographs.patch(run, patch, SMALL)),
        alt=f"{_spoken(names, layer, channel)}, overlap {_percent(share)}",
        caption=f"{channel} {names.channel(layer, channel) or ''}",
        note=_percent(share),
    )


def _percent(share: float | None) -> str:
    return "–" if share is None or np.isnan(share) else f"{share:.0%}"
