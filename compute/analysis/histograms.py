"""Histograms of a stream whose range nobody knows beforehand, merged without error.

The bins of channel t are [(first + j) * 2^e, (first + j + 1) * 2^e), j = 0 … 31, with the smallest exponent
e for which 32 of them hold every value. Their edges are multiples of their width, so that bins of a wider
range are exactly pairs of bins of a narrower one: merging loses nothing and does not depend on the order.
"""

from dataclasses import dataclass

import numpy as np

BINS = 32
SMALLEST_EXPONENT = -30
RELATIVE_EXPONENT = -18
"""Bins are at least 2^-18 of the largest value: their edges stay different numbers in float32."""


@dataclass(frozen=True)
class Histograms:
    """One histogram for each of T channels.

    low, high: (T,) float64, the least and the greatest value
    counts: (T, 32) int64
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray

    @property
    def exponent(self) -> np.ndarray:
        return _exponent(self.low, self.high)

    @property
    def first(self) -> np.ndarray:
        """Index of the first bin: its lower edge as a multiple of the width."""
        return _index(self.low, self.exponent)

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower edge of the first bin and the upper edge of the last, (T,) each."""
        width = np.ldexp(1.0, self.exponent)
        return self.first * width, (self.first + BINS) * width


def histograms(values: np.ndarray) -> Histograms:
    """Count each column of finite values (N, T), with N at least 1."""
    values = values.astype(np.float64)
    low, high = values.min(0), values.max(0)
    exponent = _exponent(low, high)
    bins = _index(values, exponent) - _index(low, exponent)
    channels = np.arange(values.shape[1])
    counts = np.bincount((channels * BINS + bins).reshape(-1), minlength=len(channels) * BINS)
    return Histograms(low, high, counts.reshape(-1, BINS))


def merge(one: Histograms, other: Histograms) -> Histograms:
    """Return the histograms of both streams together."""
    merged = Histograms(
        np.minimum(one.low, other.low), np.maximum(one.high, other.high), np.zeros_like(one.counts)
    )
    for each in (one, other):
        _add(merged, each)
    return merged


def _add(merged: Histograms, part: Histograms) -> None:
    channels, coarser = np.arange(len(part.low)), merged.exponent - part.exponent
    first, start = part.first, merged.first
    for j in range(BINS):
        bins = np.clip(((first + j) >> coarser) - start, 0, BINS - 1)  # only empty bins need the clip
        merged.counts[channels, bins] += part.counts[:, j]


def _exponent(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Smallest e, not below the two limits, with floor(high / 2^e) - floor(low / 2^e) < 32."""
    largest = np.maximum(np.abs(low), np.abs(high))
    exponent = np.maximum(_magnitude(largest) + RELATIVE_EXPONENT, _magnitude(high - low) - 7)
    exponent = np.maximum(exponent, SMALLEST_EXPONENT)
    while (too_fine := _index(high, exponent) - _index(low, exponent) >= BINS).any():
        exponent = exponent + too_fine
    return exponent


def _magnitude(values: np.ndarray) -> np.ndarray:
    """Exponents x of 2^(x-1) <= value < 2^x; far below all others for 0."""
    return np.where(values > 0, np.frexp(values)[1], 2 * SMALLEST_EXPONENT)


def _index(values: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    return np.floor(np.ldexp(values, -exponent)).astype(np.int64)
