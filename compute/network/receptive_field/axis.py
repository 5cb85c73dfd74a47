"""What the units of a map see of the image along one axis: intervals that move evenly from unit to unit.

The algebra is that of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks"
(Distill 2019), with other operations than windows put into the same form.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Interval = tuple[float, float]
# Decimals of a pixel: what is below is rounding of fractional strides.
PLACES = 6


@dataclass(frozen=True)
class AxisField:
    """Unit i sees the input pixels from offset + i * stride to offset + i * stride + size - 1.

    They may pass the border: there the network sees padding. A unit that sees everything has the size of the
    input, stride 0 and offset 0.
    """

    size: int
    stride: float
    offset: float

    @classmethod
    def whole(cls, extent: int) -> "AxisField":
        """Of units that see all `extent` pixels."""
        return cls(extent, 0, 0)

    def interval(self, unit: float) -> Interval:
        """First and last pixel that a unit sees."""
        first = self.offset + unit * self.stride
        return first, first + self.size - 1

    def sees_all(self, extent: int) -> bool:
        """Whether each unit sees every pixel, wherever it is."""
        return self.stride == 0 and self.offset <= 0 and self.offset + self.size >= extent

    def window(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> "AxisField":
        """Of a map whose unit i reads units i * stride - padding + t * dilation of this one, t from 0 to
        kernel - 1."""
        reach = (kernel - 1) * dilation * self.stride
        offset = self.offset - padding * self.stride + min(0, reach)
        return AxisField(math.ceil(self.size + abs(reach)), self.stride * stride, offset)

    def reversed(self, length: int) -> "AxisField":
        """Of the map of `length` units read from its end."""
        return AxisField(self.size, -self.stride, self.offset + (length - 1) * self.stride)

    def reading(self, sources: Sequence[tuple[int, int] | None], ratio: float) -> "AxisField":
        """Of a map whose unit i reads units sources[i] (first and last, or None) of this one.

        ratio: how many of this map's units a unit of the other advances on average. The field is the smallest
        that holds what every unit sees.
        """
        seen = [None if ends is None else self._hull(ends) for ends in sources]
        return _covering(seen, self.stride * ratio)

    def merged(self, length: int, extent: int) -> "AxisField":
        """Of units that each read all `length` units of this map, in an image of `extent` pixels."""
        first, last = self._hull((0, length - 1))
        first, last = max(0, math.floor(first)), min(extent - 1, math.ceil(last))
        return AxisField(last - first + 1, 0, first)

    def union(self, other: "AxisField", length: int, extent: int) -> "AxisField":
        """Of a map of `length` units that read unit i of both."""
        if self.sees_all(extent) or other.sees_all(extent):
            return AxisField.whole(extent)
        pairs = [(self.interval(unit), other.interval(unit)) for unit in range(length)]
        seen = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs]
        return _covering(seen, self.stride if self.size >= other.size else other.stride)

    def _hull(self, units: tuple[int, int]) -> Interval:
        ends = [self.interval(unit) for unit in units]
        return min(first for first, _ in ends), max(last for _, last in ends)


def _covering(seen: Sequence[Interval | None], stride: float) -> AxisField:
    """The smallest field of that stride which holds what each unit sees."""
    moved = [
        (ends[0] - unit * stride, ends[1] - unit * stride)
        for unit, ends in enumerate(seen)
        if ends is not None
    ]
    offset = round(min((first for first, _ in moved), default=0), PLACES)
    end = round(max((last for _, last in moved), default=0), PLACES) + 1
    return AxisField(math.ceil(end - offset), stride, offset)
