"""From numbers to pictures: ranges, symmetry about 0, windows beyond the border, metadata."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from compute.images.pictures import (
    ends,
    heatmap,
    overlay,
    picture,
    png,
    ramp,
    resized,
    signed,
    tiled,
    to_8_bit,
    unit_range,
    upscaled,
    window,
)
from compute.methods.base import Step
from compute.reports.channels.filters import filter_sheet, filter_tiles, in_pixel_space, scaled

RNG = np.random.default_rng(0)


def step(kind: str, data: np.ndarray, **pictures) -> Step:
    return Step(1, 1, kind, data.astype(np.float32), pictures=pictures)


def test_8_bit_rounds_to_the_nearest_and_keeps_what_was_8_bit():
    every = np.arange(256, dtype=np.float32) / 255
    assert (to_8_bit(every[None]) == np.arange(256)).all()
    assert to_8_bit(np.array([[0.499 / 255, 0.501 / 255, -1, 2]])).tolist() == [[0, 1, 0, 255]]
    assert to_8_bit(np.zeros((4, 5, 1))).shape == (4, 5)


def test_sequential_colours_rise_in_lightness():
    colours = heatmap(np.linspace(0, 1, 64)[None].repeat(2, 0), 0, 1)[0]
    lightness = colours @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(lightness) > 0).all()


def test_signed_values_are_symmetric_about_the_middle():
    values = np.array([[-2.0, 0.0, 1.0, 2.0]])
    assert signed(values)[0, 1] == 0.5
    assert signed(values)[0, 0] + signed(values)[0, 3] == pytest.approx(1)
    middle = heatmap(values)[0, 1]
    assert np.ptp(middle) < 0.02 and middle.mean() > 0.8


@pytest.mark.parametrize("values", [RNG.random((50, 50)), RNG.standard_normal((50, 50))])
def test_a_legends_ends_have_the_colours_of_the_picture(values):
    low, high = ends(values)
    drawn, colours = to_8_bit(heatmap(values)), ramp(low)
    assert "#" + bytes(drawn[values >= high][0]).hex() == colours[-1]
    middle = np.abs(values - (low + high) / 2).argmin()
    nearest = np.array([tuple(bytes.fromhex(each[1:])) for each in colours], int)[len(colours) // 2]
    assert np.abs(drawn.reshape(-1, 3)[middle] - nearest).max() <= 3
    assert low == -high if values.min() < 0 else low == values.min()


def test_one_outlier_does_not_darken_the_picture():
    values = RNG.random((50, 50))
    values[0, 0] = 1000
    assert unit_range(values).mean() == pytest.approx(0.5, abs=0.05)
    assert unit_range(values).max() == 1 and unit_range(values).min() == 0


@pytest.mark.parametrize("values", [np.zeros((5, 5)), np.full((5, 5), 0.7), np.eye(40) * 3])
def test_flat_and_sparse_maps_are_drawn_without_warnings(values, recwarn):
    drawn = heatmap(values)
    assert np.isfinite(drawn).all() and not recwarn.list
    assert (drawn[values == 0] == heatmap(np.zeros((1, 1)))[0, 0]).all()


def test_single_bright_pixels_are_seen():
    values = np.zeros((40, 40))
    values[3, 4] = 2
    assert not np.array_equal(heatmap(values)[3, 4], heatmap(values)[0, 0])


def test_overlay_shows_the_image_where_the_map_is_cold():
    image = RNG.random((20, 20, 3)).astype(np.float32)
    values = np.zeros((20, 20))
    values[5:10, 5:10] = 1
    drawn = overlay(image, values)
    assert np.allclose(drawn[0, 0], image[0, 0].mean(), atol=1e-6)
    assert np.abs(drawn[7, 7] - heatmap(values)[7, 7]).max() < 0.25


def test_picture_of_each_kind():
    assert picture(step("heatmap", RNG.random((6, 7)))).shape == (6, 7, 3)
    assert picture(step("gradient", RNG.normal(size=(6, 7, 3)))).shape == (6, 7, 3)
    assert picture(step("gradient", np.zeros((6, 7, 1)))).tolist() == [[128] * 7] * 6
    assert picture(step("mask", np.eye(5))).tolist() == (np.eye(5, dtype=int) * 255).tolist()
    exact = RNG.integers(0, 256, (6, 7, 3))
    assert (picture(step("image", exact / 255)) == exact).all()
    assert (picture(step("heatmap", RNG.random((6, 7)), result=exact / 255)) == exact).all()


def test_windows_are_grey_beyond_the_border():
    image = RNG.random((10, 12, 3)).astype(np.float32)
    cut = window(image, (-2, 7, 3, 12))
    assert cut.shape == (5, 5, 3)
    assert (cut[:, :2] == 0.5).all() and (cut[3:] == 0.5).all()
    assert np.array_equal(cut[:3, 2:], image[7:, :3])
    assert (window(image, (20, 20, 24, 24)) == 0.5).all()
    with pytest.raises(ValueError, match="a patch of 100,000,000 pixels is too large: at most 50,000,000"):
        window(image, (0, 0, 10**4, 10**4))


def test_upscaling_repeats_pixels():
    small = RNG.random((3, 4, 3))
    large = upscaled(small, 20)
    assert large.shape == (21, 28, 3) and np.array_equal(large[::7, ::7], small)


def test_resized_fits_without_distortion():
    assert resized(np.ones((10, 20, 3)), 40).shape == (40, 40, 3)
    assert (resized(np.ones((10, 20, 3)), 40)[10:30] == 1).all()
    assert (resized(np.ones((10, 20, 3)), 40)[:10] == 0.5).all()


def test_tiles_have_gaps():
    sheet = tiled([np.full((2, 3, 3), value) for value in (0.0, 0.2, 0.4)], 2, gap=1)
    assert sheet.shape == (5, 7, 3)
    assert (sheet[2] == 1).all() and (sheet[:, 3] == 1).all() and (sheet[3:, 4:] == 1).all()
    assert sheet[0, 4, 0] == np.float32(0.2) and sheet[3, 0, 0] == np.float32(0.4)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (5, 6, 4)])
def test_png_holds_the_pixels_and_the_recipe(shape):
    values = RNG.integers(0, 256, shape, dtype=np.uint8)
    data = png(values, {"featurescope": json.dumps({"method": "sålience"}, ensure_ascii=False)})
    with Image.open(io.BytesIO(data)) as opened:
        assert (np.asarray(opened) == values).all()
        assert json.loads(opened.text["featurescope"]) == {"method": "sålience"}
    assert data == png(values, {"featurescope": json.dumps({"method": "sålience"}, ensure_ascii=False)})


def test_filters_are_symmetric_about_grey_in_both_scalings():
    weights = RNG.normal(size=(4, 3, 5, 5)).astype(np.float32)
    weights[1] *= 0.1
    for_each, for_all = scaled(weights, "filter"), scaled(weights, "all")
    assert np.abs(for_each - 0.5).max(axis=(1, 2, 3)) == pytest.approx([0.5] * 4)
    assert np.abs(for_all - 0.5).max() == pytest.approx(0.5) and np.abs(for_all[1] - 0.5).max() < 0.1
    assert (scaled(np.zeros((1, 3, 2, 2))) == 0.5).all()
    with pytest.raises(ValueError, match=r"'both'.*filter, all"):
        scaled(weights, "both")


def test_filters_in_pixel_space_answer_as_the_network_does():
    weights, std = RNG.normal(size=(2, 3, 4, 4)), (0.2, 0.3, 0.4)
    patch, mean = RNG.random((3, 4, 4)), np.array([0.5, 0.4, 0.3]).reshape(3, 1, 1)
    normalised = (patch - mean) / np.array(std).reshape(3, 1, 1)
    shift = (in_pixel_space(weights, std) * mean).sum((1, 2, 3))
    assert (in_pixel_space(weights, std) * patch).sum((1, 2, 3)) - shift == pytest.approx(
        (weights * normalised).sum((1, 2, 3)), rel=1e-5
    )


@pytest.mark.parametrize(("channels", "count"), [(3, 6), (1, 6), (2, 12), (4, 24)])
def test_one_picture_a_filter_or_a_channel(channels, count):
    weights = RNG.normal(size=(6, channels, 5, 5))
    tiles = filter_tiles(weights, side=20)
    assert len(tiles) == count and all(tile.shape == (20, 20, 3) for tile in tiles)
    if channels != 3:
        assert all(np.ptp(tile, axis=2).max() == 0 for tile in tiles)
    assert filter_sheet(weights, side=20).ndim == 3
