"""Which of a run's channels are listed, and in what order."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SORTS = ("channel", "mean", "max", "active_share", "selectivity")
ONLY = ("all", "live", "dead")
RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
HOW = "write numbers and ranges: 3, 17, 40-50"


@dataclass(frozen=True)
class ChannelFilter:
    """What a channel must be to be listed.

    sort: column that orders each layer's channels, the greatest first; `channel` is their number, from 0.
    only: all, live or dead.
    top_class: the class with the greatest mean activation; "" for any.
    find: numbers and ranges, such as "3, 17, 40-50"; "" for all.
    least, most: bounds of the selectivity, inclusive, 0..1.
    """

    sort: str = "channel"
    only: str = "all"
    top_class: str = ""
    find: str = ""
    least: float = 0.0
    most: float = 1.0

    def listed(self, stats: pa.Table) -> pa.Table:
        """Return the rows of `channels` that pass, in order: those of one layer, or of several, unmixed.

        A channel without a selectivity passes only the whole range of selectivities.
        ValueError where the channel numbers can't be read.
        """
        order = "ascending" if self.sort == "channel" else "descending"
        by_layer = [("layer", "ascending")] if "layer" in stats.column_names else []
        shown = stats.sort_by([*by_layer, (self.sort, order), ("channel", "ascending")])
        if self.only != "all":
            shown = shown.filter(pc.equal(shown["dead"], self.only == "dead"))
        if self.top_class:
            shown = shown.filter(pc.equal(shown["top_class"], self.top_class))
        if (self.least, self.most) != (0.0, 1.0):
            # Held as float32, so the bounds are compared as that: 0.2 is then within 0.2 to 0.4.
            least, most = (pa.scalar(bound, pa.float32()) for bound in (self.least, self.most))
            selectivity = shown["selectivity"]
            inside = pc.and_(pc.greater_equal(selectivity, least), pc.less_equal(selectivity, most))
            shown = shown.filter(inside)
        if self.find.strip():
            wanted, channel = numbers(self.find), shown["channel"].to_numpy()
            named = [(first <= channel) & (channel <= last) for first, last in wanted]
            shown = shown.filter(np.any(named, axis=0))
        return shown


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
