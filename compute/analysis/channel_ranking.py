"""Which channels respond unusually strongly to one image.

The response of a channel is its spatial maximum v, whose distribution over a store's images is kept.
Channels are ranked by the share of those images that respond more strongly,

    p = #{images whose maximum > v} / N,

because that means the same for every channel, whatever the unit and the shape of its distribution. The ratio
v / max, which is reported beside it, would favour channels whose maxima are all alike. It decides only among
equal shares: beyond the store's strongest image p is 0 for all.

p is exact in the tail, from the strongest values themselves, and otherwise read off the histogram of the
maxima, taken as even within a bin.
"""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-5
"""Relative: the same image in a batch of another size gives values that differ by rounding."""


@dataclass(frozen=True)
class Distribution:
    """Spatial maxima of C channels over N images.

    counts: (C, bins), images by their maximum, in equal bins from `low` to `high`
    low, high: (C,)
    strongest: (C, K), the greatest maxima, descending; -inf where there are fewer images
    maximum: (C,), the greatest
    """

    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    strongest: np.ndarray
    maximum: np.ndarray


@dataclass(frozen=True)
class Standing:
    """Where an image's maxima lie among those of the store's images.

    share: (C,), of the images that respond more strongly, 0 to 1
    ratio: (C,), the value as a multiple of the store's maximum; NaN where that is not positive
    """

    share: np.ndarray
    ratio: np.ndarray


def standing(values: np.ndarray, known: Distribution) -> Standing:
    """Return where `values` (C,), an image's spatial maxima, lie among those of the known images."""
    images = np.maximum(known.counts.sum(1), 1)
    margin = TOLERANCE * np.abs(known.strongest)
    stronger = (known.strongest > values[:, None] + margin).sum(1)
    kept = np.isfinite(known.strongest).sum(1)
    estimated = np.clip(_above(values, known), kept, images)
    share = np.where(stronger < kept, stronger, estimated) / images
    positive = known.maximum > 0
    return Standing(share, np.where(positive, values / np.where(positive, known.maximum, 1), np.nan))


def ranking(found: Standing) -> np.ndarray:
    """Return the channels' indices, the most unusual one first."""
    return np.lexsort((np.arange(len(found.share)), -np.nan_to_num(found.ratio), found.share))


def _above(values: np.ndarray, known: Distribution) -> np.ndarray:
    """(C,) images above each value by the histogram."""
    bins = known.counts.shape[1]
    width = np.maximum((known.high - known.low) / bins, np.finfo(np.float64).tiny)
    place = np.clip((values - known.low) / width, 0, bins)[:, None] - np.arange(bins)
    return (known.counts * (1 - np.clip(place, 0, 1))).sum(1)
