"""Intervals of a feature map along one axis: what a change touches, and what must be read to compute it
again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution or pooling along one axis, in units of its input.

    Output i reads inputs i*stride - padding + t*dilation for t in 0 … kernel - 1.
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def touched(self, start: int, end: int, size: int) -> tuple[int, int]:
        """Return which of `size` outputs, [first, last), read any input of [start, end)."""
        reach = (self.kernel - 1) * self.dilation
        first = -((reach - self.padding - start) // self.stride)
        last = (end - 1 + self.padding) // self.stride + 1
        first, last = max(first, 0), min(last, size)
        return (first, last) if first < last else (min(first, size), min(first, size))

    def read(self, start: int, length: int) -> tuple[int, int]:
        """Return the first input, and how many, that the outputs [start, start + length) read.

        They may lie beyond the border: that is padding.
        """
        return start * self.stride - self.padding, (length - 1) * self.stride + (
            self.kernel - 1
        ) * self.dilation + 1


@dataclass(frozen=True)
class AxisBlocks:
    """Which block of a map is recomputed for each window of a group, along one axis.

    starts: where the block of each window starts
    size: length of the blocks, the same for all windows
    extent: length of the map
    A block covers all that its window changes.
    """

    starts: tuple[int, ...]
    size: int
    extent: int

    @property
    def whole(self) -> bool:
        return self.size == self.extent

    def intervals(self) -> list[tuple[int, int]]:
        return [(start, start + self.size) for start in self.starts]


def cover(intervals: list[tuple[int, int]], extent: int, dense_above: float) -> AxisBlocks:
    """Return blocks of one length that cover the intervals [start, end).

    dense_above: where the blocks would be more than this share of the map, they are the whole map
    """
    size = max(1, *(end - start for start, end in intervals))
    if size >= dense_above * extent:
        size = extent
    return AxisBlocks(tuple(max(0, min(start, extent - size)) for start, _ in intervals), size, extent)


def union(several: list[AxisBlocks], dense_above: float) -> AxisBlocks:
    """Return blocks that cover the blocks of each of `several`, window by window."""
    if len(set(several)) == 1:
        return several[0]
    pairs = zip(*(each.intervals() for each in several), strict=True)
    intervals = [(min(s for s, _ in pair), max(e for _, e in pair)) for pair in pairs]
    return cover(intervals, several[0].extent, dense_above)
