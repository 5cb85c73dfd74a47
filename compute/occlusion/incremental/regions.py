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
        """Outputs [first, last) among `size` that read any input of [start, end)."""
        reach = (self.kernel - 1) * self.dilation
        first = -((reach - self.padding - start) // self.stride)
        last = (end - 1 + self.padding) // self.stride + 1
        first, last = max(first, 0), min(last, size)
        return (first, last) if first < last else (min(first, size), min(first, size))

    def read(self, start: int, length: int) -> tuple[int, int]:
        """First input and number of inputs that outputs [start, start + length) read; may pass the border."""
        return start * self.stride - self.padding, (length - 1) * self.stride + (
            self.kernel - 1
        ) * self.dilation + 1


@dataclass(frozen=True)
class AxisBlocks:
    """For each window position of a group: where the recomputed block of a map starts along one axis.

    size: its length, the same for all positions. extent: the map's. A block covers all that the window
    changes.
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
    """Blocks of one length that cover the intervals; the whole map where they'd be more than `dense_above` of
    it."""
    size = max(1, *(end - start for start, end in intervals))
    if size >= dense_above * extent:
        size = extent
    return AxisBlocks(tuple(max(0, min(start, extent - size)) for start, _ in intervals), size, extent)


def union(several: list[AxisBlocks], dense_above: float) -> AxisBlocks:
    """Blocks that cover each of `several`, position by position."""
    if len(set(several)) == 1:
        return several[0]
    pairs = zip(*(each.intervals() for each in several), strict=True)
    intervals = [(min(s for s, _ in pair), max(e for _, e in pair)) for pair in pairs]
    return cover(intervals, several[0].extent, dense_above)
