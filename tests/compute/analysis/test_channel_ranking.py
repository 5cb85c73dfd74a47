"""Strongest channels: peaks and their place among a store's values, held against slow counting."""

import dataclasses

import numpy as np
import pytest

from compute.analysis import histograms
from compute.analysis.channel_ranking import Distribution, ranking, standing

KEPT = 9


def known(values: np.ndarray) -> Distribution:
    """Of (N, C) spatial maxima, as the store keeps them."""
    counted = histograms.histograms(values)
    low, high = counted.edges()
    strongest = -np.sort(-values, axis=0)[:KEPT].T
    return Distribution(counted.counts, low, high, strongest, values.max(0))


@pytest.fixture
def maxima():
    random = np.random.default_rng(0)
    values = random.gamma(0.7, 1.0, (500, 40)).astype(np.float32)
    values[random.random(values.shape) < 0.3] = 0
    return values * np.geomspace(1e-3, 1e3, 40, dtype=np.float32)


def test_shares_are_exact_in_the_tail_and_within_a_bin_elsewhere(maxima):
    distribution = known(maxima)
    width = (distribution.high - distribution.low) / distribution.counts.shape[1]
    for row in maxima[::25]:
        share = standing(row, distribution).share
        for channel, value in enumerate(row):
            column = maxima[:, channel]
            if (column > value).sum() < KEPT:
                assert share[channel] == pytest.approx((column > value).mean())
            low, high = (column > value + width[channel]).mean(), (column >= value - width[channel]).mean()
            assert low - 1e-9 <= share[channel] <= high + 1e-9


def test_rounding_does_not_put_an_image_behind_itself(maxima):
    distribution = known(maxima)
    channels = np.arange(maxima.shape[1])
    best = maxima.argmax(0)
    values = maxima[best, channels]
    assert (standing(np.nextafter(values, 0), distribution).share == 0).all()
    second = distribution.strongest[:, 1]
    assert standing(second, distribution).share == pytest.approx(np.full(40, 1 / len(maxima)))


def test_nothing_is_stronger_than_what_passes_the_maximum_and_the_ratio_decides(maxima):
    distribution = known(maxima)
    factor = np.linspace(1.1, 3, 40).astype(np.float32)
    found = standing(distribution.maximum * factor, distribution)
    assert (found.share == 0).all() and found.ratio == pytest.approx(factor, rel=1e-5)
    assert ranking(found).tolist() == list(range(39, -1, -1))


def test_rare_answers_come_first_and_units_do_not_matter(maxima):
    row = maxima[7]
    found = ranking(standing(row, known(maxima)))
    shares = standing(row, known(maxima)).share[found]
    assert (np.diff(shares) >= 0).all()
    assert ranking(standing(row * 8, known(maxima * 8))).tolist() == found.tolist()


def test_fewer_images_than_are_kept_and_channels_without_a_positive_maximum():
    values = np.array([[1.0, -2.0, 0.0], [3.0, -1.0, 0.0]], np.float32)
    distribution = known(values)
    padded = np.full((3, KEPT), -np.inf, np.float32)
    padded[:, :2] = distribution.strongest
    short = dataclasses.replace(distribution, strongest=padded)
    found = standing(np.array([2.0, -1.5, 0.0], np.float32), short)
    assert found.share.tolist() == [0.5, 0.5, 0.0]
    assert np.isnan(found.ratio[1:]).all() and found.ratio[0] == pytest.approx(2 / 3)
    assert standing(np.array([0.5, -3, 0], np.float32), short).share[:2].tolist() == [1.0, 1.0]


def test_ties_count_where_channels_saturate():
    """As by slow counting, exactly but for what lies within a bin below a maximum that many images have."""
    random = np.random.default_rng(1)
    values = np.minimum(random.gamma(2, 1.5, (400, 6)), [0.97, 3.3, 6, 9.1, 100, 100]).astype(np.float32)
    distribution = known(values)
    width = (distribution.high - distribution.low) / distribution.counts.shape[1]
    for row in values[::20]:
        found = standing(row, distribution)
        for channel, value in enumerate(row):
            column = values[:, channel]
            if (column >= value).sum() < KEPT:
                assert found.at_least[channel] == pytest.approx((column >= value).mean())
            elif value == column.max():
                near = (column >= value - width[channel]).mean()
                assert found.share[channel] == 0
                assert (column >= value).mean() - 1e-9 <= found.at_least[channel] <= near + 1e-9
            else:
                assert found.at_least[channel] == pytest.approx((column >= value).mean(), abs=0.06)


def test_a_saturated_channel_is_not_unusual_where_ties_count():
    values = np.stack([np.full(50, 6.0), np.arange(50.0)], 1).astype(np.float32)
    values[:5, 0] = 1
    found = standing(np.array([6.0, 47.0], np.float32), known(values))
    assert found.share.tolist() == [0, 2 / 50] and found.at_least.tolist() == [45 / 50, 3 / 50]
    assert ranking(found).tolist() == [0, 1] and ranking(found, ties=True).tolist() == [1, 0]


def test_what_passes_all_images_has_none_at_least_as_strong(maxima):
    distribution = known(maxima)
    assert (standing(distribution.maximum * 1.5 + 1, distribution).at_least == 0).all()
