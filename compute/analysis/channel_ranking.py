"""Which channels respond unusually strongly to one image.

The response of a channel is its spatial maximum v, whose distribution over a store's images is kept.
Channels are ranked by the share of those images that respond more strongly,

    p = #{images whose maximum > v} / N,

because that means the same for every channel, whatever the unit and the shape of its distribution. The ratio
v / max, which is reported beside it, would favour channels whose maxima are all alike. It decides only among
equal shares: beyond the store's strongest image p is 0 for all.

p is exact in the tail, from the strongest values themselves, and otherwise read off the histogram of the
maxima, taken as even within a bin.

A channel that saturates (ReLU6, a sigmoid) is at its maximum in many images, none of which is stronger: its p
is 0 though nothing about it is unusual. Where channels of several layers are held against each other, what
counts is therefore

    q = #{images whose maximum >= v} / N,

which is p and the image itself where nothing saturates. At a maximum that all of the strongest values have,
the images of that value's bin are counted, which is at most those of a bin too many.
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
    at_least: (C,), of the images that respond at least as strongly, 0 to 1; the image itself is one of them
        where it is the store's
    """

    share: np.ndarray
    ratio: np.ndarray
    at_least: np.ndarray


def standing(values: np.ndarray, known: Distribution) -> Standing:
    """Return where `values` (C,), an image's spatial maxima, lie among those of the known images."""
    images = np.maximum(known.counts.sum(1), 1)
    margin = TOLERANCE * np.abs(known.strongest)
    stronger = (known.strongest > values[:, None] + margin).sum(1)
    kept = np.isfinite(known.strongest).sum(1)
    estimated = np.clip(_above(values, known), kept, images)
    share = np.where(stronger < kept, stronger, estimated) / images
    as_strong = (known.strongest >= values[:, None] - margin).sum(1)
    beyond_kept = np.where(_is_saturated(known) & (stronger == 0), _in_last_bin(known), estimated)
    at_least = np.where(as_strong < kept, as_strong, beyond_kept) / images
    positive = known.maximum > 0
    ratio = np.where(positive, values / np.where(positive, known.maximum, 1), np.nan)
    return Standing(share, ratio, at_least)


def ranking(found: Standing, ties: bool = False) -> np.ndarray:
    """Return the channels' indices, the most unusual one first.

    ties: whether images that respond as strongly count as those that respond more strongly do.
    """
    shares = found.at_least if ties else found.share
    return np.lexsort((np.arange(len(shares)), -np.nan_to_num(found.ratio), shares))


def _is_saturated(known: Distribution) -> np.ndarray:
    """(C,): whether all of the strongest values that are kept are the same but for rounding."""
    greatest = known.strongest.max(1)
    return _least_kept(known) >= greatest - TOLERANCE * np.abs(greatest)


def _in_last_bin(known: Distribution) -> np.ndarray:
    """(C,) images in the bin of the least of the strongest values, and beyond it."""
    bins = known.counts.shape[1]
    first = np.floor(_place(np.nan_to_num(_least_kept(known)), known))[:, None]
    return (known.counts * (np.arange(bins) >= first)).sum(1)


def _least_kept(known: Distribution) -> np.ndarray:
    """(C,) least of the strongest values; infinite without any."""
    return np.where(np.isfinite(known.strongest), known.strongest, np.inf).min(1)


def _above(values: np.ndarray, known: Distribution) -> np.ndarray:
    """(C,) images above each value by the histogram."""
    bins = known.counts.shape[1]
    place = np.clip(_place(values, known), 0, bins)[:, None] - np.arange(bins)
    return (known.counts * (1 - np.clip(place, 0, 1))).sum(1)


def _place(values: np.ndarray, known: Distribution) -> np.ndarray:
    """(C,) how many bins each value lies above the lowest edge."""
    width = np.maximum((known.high - known.low) / known.counts.shape[1], np.finfo(np.float64).tiny)
    return (values - known.low) / width
