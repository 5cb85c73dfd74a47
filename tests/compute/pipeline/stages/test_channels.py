"""Channel statistics against slow code: merged in any pieces they are those of all images at once."""

from functools import reduce

import numpy as np
import pytest

from compute.analysis import histograms
from compute.images.preprocessing import Preprocessing
from compute.models.model import Layer
from compute.network.receptive_field.walk import ReceptiveField, whole_image
from compute.pipeline.stages.channels import (
    ChannelValues,
    channels_table,
    merge,
    summarise,
    top_patches_table,
)

CLASSES = ("ant", "bee", "cat")


def layer(name="conv", tap="conv+relu", channels=4, position=0, field=None):
    return Layer(name, "conv 3x3", tap, position, 3, channels, 5, 6, field or whole_image((10, 12)))


def values(number, channels, seed=0):
    rng = np.random.default_rng(seed)
    maps = np.maximum(rng.normal(size=(number, channels, 5, 6)), 0).round(1).astype(np.float32)
    flat = maps.reshape(number, channels, -1)
    return maps, ChannelValues(flat.max(2), flat.argmax(2), flat.mean(2), (flat > 0).mean(2))


def in_pieces(given, groups, sizes):
    pieces = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    return reduce(merge, [summarise(given.rows(piece), piece, groups[piece]) for piece in pieces])


class TestHistograms:
    @pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 5e4])
    @pytest.mark.parametrize("shift", [-3.0, 0.0, 2.0, 1000.0])
    def test_merged_in_pieces_they_count_as_numpy_does(self, scale, shift):
        data = scale * (np.random.default_rng(1).normal(size=(97, 5)) + shift)
        whole = histograms.histograms(data)
        parts = [histograms.histograms(each) for each in np.split(data, [1, 2, 30, 31, 80])]
        merged = reduce(histograms.merge, parts)
        np.testing.assert_array_equal(merged.counts, whole.counts)
        low, high = merged.edges()
        for channel in range(5):
            edges = np.linspace(low[channel], high[channel], histograms.BINS + 1)
            np.testing.assert_array_equal(np.histogram(data[:, channel], edges)[0], whole.counts[channel])
            assert np.float32(low[channel]) < np.float32(high[channel])

    def test_half_of_the_bins_at_least_are_within_the_range(self):
        data = np.random.default_rng(2).uniform(-1, 3, (500, 20))
        assert ((histograms.histograms(data).counts > 0).sum(1) >= 15).all()

    def test_one_value(self):
        for value in (0.0, -2.5, 1e6):
            counted = histograms.merge(*[histograms.histograms(np.full((3, 1), value))] * 2)
            assert counted.counts.sum() == 6 and counted.counts.max() == 6


class TestSummary:
    @pytest.mark.parametrize("sizes", [(40,), (1, 2, 7, 30), (20, 20)])
    def test_strongest_images_are_those_of_a_full_sort(self, sizes):
        maps, given = values(40, 4)  # rounded to one decimal: full of ties
        found = in_pieces(given, np.zeros(40, int), sizes)
        for channel in range(4):
            order = sorted(range(40), key=lambda image: (-maps[image, channel].max(), image))[:9]
            assert found.top_image[:, channel].tolist() == order
            for rank, image in enumerate(order):
                y, x = divmod(int(found.top_position[rank, channel]), 6)
                assert maps[image, channel, y, x] == maps[image, channel].max()
                assert (maps[image, channel].reshape(-1)[: 6 * y + x] < maps[image, channel, y, x]).all()

    def test_fewer_than_nine_images(self):
        _, given = values(5, 4)
        table = top_patches_table(
            in_pieces(given, np.zeros(5, int), (2, 3)), [layer()], PREPROCESSING, np.full((5, 2), 10)
        )
        assert table["rank"].to_pylist() == [0, 1, 2, 3, 4] * 4
        assert len(set(table["image_id"].to_pylist())) == 5

    def test_channels_are_those_of_all_units(self):
        maps, given = values(60, 4)
        maps[:, 2] = 0
        given = ChannelValues(*(np.where(np.arange(4) == 2, 0, each) for each in vars(given).values()))
        groups = np.random.default_rng(3).integers(-1, 3, 60)
        rows = channels_table(in_pieces(given, groups, (30, 1, 29)), [layer()], CLASSES).to_pylist()
        for channel, row in enumerate(rows):
            units = maps[:, channel]
            assert row["mean"] == pytest.approx(units.mean(), rel=1e-5)
            assert row["max"] == units.max() and row["active_share"] == pytest.approx((units > 0).mean())
            assert row["dead"] == (channel == 2)
            means = [units[groups == group].mean() for group in range(3)]
            best = int(np.argmax(means))
            rest = np.mean([mean for group, mean in enumerate(means) if group != best])
            expected = (
                (None, None) if channel == 2 else (CLASSES[best], (means[best] - rest) / (means[best] + rest))
            )
            assert (row["top_class"], row["selectivity"]) == (
                expected[0],
                pytest.approx(expected[1], abs=1e-5),
            )
            assert sum(row["histogram"]) == 60

    def test_a_channel_that_varies_below_zero_is_not_dead(self):
        values = np.linspace(-0.2, -0.1, 6, dtype=np.float32)[:, None]
        given = ChannelValues(values, np.zeros((6, 1), int), values, np.zeros((6, 1), np.float32))
        found = in_pieces(given, np.zeros(6, int), (4, 2))
        (row,) = channels_table(found, [layer(tap="conv+bn+silu", channels=1)], CLASSES).to_pylist()
        assert row["dead"] is False

    @pytest.mark.parametrize(
        "tap, value, dead",
        [
            ("conv+bn", -1.5, True),
            ("conv+bn", 0.0, True),
            ("conv+bn+relu", 0.0, True),
            ("conv+bn+relu", 2.0, False),
            ("conv", 2.0, True),
        ],
    )
    def test_dead_is_never_active_or_without_a_nonlinearity_constant(self, tap, value, dead):
        flat = np.full((6, 1), value, np.float32)
        given = ChannelValues(flat, np.zeros((6, 1), int), flat, (flat > 0).astype(np.float32))
        found = in_pieces(given, np.zeros(6, int), (4, 2))
        (row,) = channels_table(found, [layer(tap=tap, channels=1)], CLASSES).to_pylist()
        assert row["dead"] is dead

    def test_an_image_of_several_classes_counts_in_each(self):
        _, given = values(7, 3, seed=4)
        groups = np.array([[0, 1], [1, -1], [2, 0], [-1, -1], [1, 2], [0, -1], [2, 1]])
        found = in_pieces(given, groups, (3, 4))
        table = channels_table(found, [layer(channels=3)], CLASSES).to_pylist()
        for channel, row in enumerate(table):
            means = [
                np.mean([given.mean[image, channel] for image in range(7) if group in groups[image]])
                for group in range(3)
            ]
            best = int(np.argmax(means))
            rest = np.mean([mean for group, mean in enumerate(means) if group != best])
            assert row["top_class"] == CLASSES[best]
            assert row["selectivity"] == pytest.approx((means[best] - rest) / (means[best] + rest), rel=1e-5)

    def test_selectivity_is_null_where_class_means_are_negative(self):
        mean = np.array([[-1.0], [2.0]], np.float32)
        given = ChannelValues(mean, np.zeros((2, 1), int), mean, (mean > 0).astype(np.float32))
        found = summarise(given, np.arange(2), np.array([0, 1]))
        (row,) = channels_table(found, [layer(tap="conv+bn", channels=1)], CLASSES).to_pylist()
        assert row["top_class"] == "bee" and row["selectivity"] is None


PREPROCESSING = Preprocessing((10, 12), None, (0.5,) * 3, (0.2,) * 3)


def test_boxes_are_receptive_fields_in_the_original():
    from compute.network.receptive_field.axis import AxisField

    field = ReceptiveField(AxisField(5, 2, -2), AxisField(3, 2, -1))
    preprocessing = Preprocessing((10, 12), 20, (0.5,) * 3, (0.2,) * 3)
    given = ChannelValues(*(np.array([[value]]) for value in (3.0, 2 * 6 + 4, 1.0, 0.5)))
    found = summarise(given, np.array([0]), np.array([-1]))
    (row,) = top_patches_table(
        found, [layer(channels=1, field=field)], preprocessing, np.array([[80, 40]])
    ).to_pylist()
    assert (row["y"], row["x"]) == (2, 4)
    # crop columns 7 … 9 and rows 2 … 6 of the centre of a picture that was scaled from 80x40 to 40x20
    assert (row["left"], row["right"]) == (2 * (14 + 7), 2 * (14 + 10))
    assert (row["top"], row["bottom"]) == (2 * (5 + 2), 2 * (5 + 7))


def test_rows_are_sorted_by_layer_name():
    _, given = values(12, 6)
    layers = [layer("z", channels=4), layer("a", channels=2, position=1)]
    found = in_pieces(given, np.zeros(12, int), (12,))
    patches = top_patches_table(found, layers, PREPROCESSING, np.full((12, 2), 10))
    keys = list(zip(*(patches[name].to_pylist() for name in ("layer", "channel", "rank")), strict=True))
    assert keys == sorted(keys) and len(keys) == 6 * 9
    assert patches.slice(0, 1)["value"][0].as_py() == pytest.approx(given.maximum[:, 4].max())
