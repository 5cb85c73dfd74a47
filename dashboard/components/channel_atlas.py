"""The atlas of channels: layers as rows, a tile for every channel, drawn as it comes into view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from dashboard.components.loader import declare
from dashboard.text import one_line

_mount = declare("channel_atlas")

LINE = 64
"""Channels that a line has at most."""


@dataclass(frozen=True)
class AtlasLayer:
    """One layer's row.

    name: of the layer.
    note: what stands beside the name.
    count: its channels.
    channels: their numbers, in the order that they are shown in; of a layer that has one line, LINE at most.
    values: a text below each tile's number; empty for none.
    about: for each, the place in the atlas's texts of what is said of it when it is pointed at.
    names: of those channels that have one.
    dead: those of the channels that no image activates.
    link: the address that a click on a channel opens; its number follows.
    tiles: the address of a strip of tiles, at whose "{channels}" their numbers stand, joined by commas.
    """

    name: str
    note: str
    count: int
    channels: Sequence[int]
    values: Sequence[str]
    about: Sequence[int]
    names: Mapping[int, str]
    dead: Sequence[int]
    link: str
    tiles: str


def channel_atlas(
    layers: Sequence[AtlasLayer],
    texts: Sequence[str],
    *,
    key: str,
    opened: str = "",
    whole: bool = False,
    selected: tuple[str, int] | None = None,
    size: int = 64,
    on_open: Callable[[str], None] | None = None,
) -> None:
    """Show the layers, each one's channels as links in one line.

    texts: what is said of channels; many share one.
    opened: the layer all of whose channels are shown; "" for none.
    whole: whether all channels of all layers are.
    selected: layer and channel that are marked.
    size: a tile's side in CSS pixels.
    on_open: called with a layer whose heading was clicked, before the script runs.
    """

    def clicked() -> None:
        if on_open is not None:
            on_open(st.session_state[key]["opened"])

    _mount(
        key=key,
        data={
            "layers": [_said(each) for each in layers],
            "texts": list(map(one_line, texts)),
            "longest": LINE,
            "opened": opened,
            "whole": whole,
            "selected": selected,
            "size": size,
        },
        on_opened_change=clicked,
    )


def _said(layer: AtlasLayer) -> Mapping[str, Any]:
    """Return a layer's facts, with texts none of which turns the direction of what stands beside it."""
    names = {str(channel): one_line(name) for channel, name in layer.names.items()}
    return asdict(layer) | {"names": names, "title": one_line(layer.name), "note": one_line(layer.note)}
