"""The pictures that a run keeps of what its channels look for, cached for all sessions.

A run may gain such pictures while it is open, so the caches tell its states apart by the files that it has of
them.
"""

import streamlit as st
from PIL import Image

from compute.images.encoding import encoded
from compute.reports.channels.atlas import ASCENT
from compute.reports.channels.showcase import TABLE, Kept, kept_channels
from compute.reports.channels.showcase import kept as kept_of
from dashboard.data import runs
from dashboard.views.definitions import ChannelsView
from featurestore.reader import Run


def _state(run: Run) -> tuple[str, tuple[str, ...]]:
    return str(run.folder.resolve()), tuple(run.manifest.table_files(TABLE))


BY_FILES = {Run: _state}


@st.cache_resource(max_entries=256, hash_funcs=BY_FILES, show_spinner=False)
def channels(run: Run, layer: str) -> frozenset[int]:
    """Return the channels of a layer that have a picture; none where the run lacks the table."""
    return kept_channels(run, layer)


def on_tiles(run: Run, view: ChannelsView, layer: str) -> int:
    """Return how many of a layer's tiles are, in a view, the run's pictures of what the channel looks for."""
    return len(channels(run, layer)) if view.tile == ASCENT else 0


@st.cache_resource(max_entries=64, hash_funcs=BY_FILES, show_spinner=False)
def kept(run: Run, layer: str, channel: int) -> Kept | None:
    """Return a channel's picture and what is known of it; None where there is none."""
    return kept_of(run, layer, channel)


def tile(run: Run, layer: str, channel: int, side: int) -> bytes | None:
    """Return a channel's picture as PNG whose longer side is `side` pixels; None where there is none.

    A smaller one is enlarged without smoothing.
    """
    if channel not in channels(run, layer):
        return None

    def made() -> bytes:
        pixels = kept(run, layer, channel).pixels
        picture = Image.fromarray(pixels).convert("RGB")
        factor = side / max(picture.size)
        size = [max(1, round(factor * each)) for each in picture.size]
        smoothing = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
        return encoded(picture.resize(size, smoothing))

    return runs.kept(run, (TABLE, layer, channel, side), made)
