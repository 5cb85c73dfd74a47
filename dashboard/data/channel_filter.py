"""Which of a layer's channels are listed, and in what order."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.views.definitions import ChannelsView

RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
HOW = "write numbers and ranges: 3, 17, 40-50"
UNFILTERED = {"only": "all", "top_class": "", "find": "", "least": 0.0, "most": 1.0}


def listed(stats: pa.Table, view: ChannelsView) -> pa.Table:
    """Return the rows of `channels` of one layer that pass the view's filters, in the view's order.

    A channel without a selectivity passes only the whole range of selectivities.
    ValueError where the channel numbers of the filter can't be read.
    """
    order = "ascending" if view.sort == "channel" else "descending"
    shown = stats.sort_by([(view.sort, order), ("channel", "ascending")])
    if view.only != "all":
        shown = shown.filter(pc.equal(shown["dead"], view.only == "dead"))
    if view.top_class:
        shown = shown.filter(pc.equal(shown["top_class"], view.top_class))
    if (view.least, view.most) != (0.0, 1.0):
        # Held as float32, so the bounds are compared as that: 0.2 is then within 0.2 to 0.4.
        least, most = (pa.scalar(bound, pa.float32()) for bound in (view.least, view.most))
        selectivity = shown["selectivity"]
        shown = shown.filter(pc.and_(pc.greater_equal(selectivity, least), pc.less_equal(selectivity, most)))
    if view.find.strip():
        wanted, channel = numbers(view.find), shown["channel"].to_numpy()
        inside = [(first <= channel) & (channel <= last) for first, last in wanted]
        shown = shown.filter(np.any(inside, axis=0))
    return shown


def filtered(view: ChannelsView) -> bool:
    """Return whether the view leaves any channel out."""
    return any(getattr(view, name) != value for name, value in UNFILTERED.items())


def numbers(text: str) -> list[tuple[int, int]]:
    """Read channel numbers and ranges such as "3, 17, 40-50": (first, last) of each, both inclusive.

    ValueError for anything else.
    """
    ranges = []
    for part in re.sub(r"\s*[-–]\s*", "-", text).replace(",", " ").split():
        match = RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"channels {text!r} can't be read at {part!r}; {HOW}")
        first = int(match[1])
        ranges.append((first, int(match[2] or first)))
    if not ranges:
        raise ValueError(f"channels {text!r} names none; {HOW}")
    return ranges


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
