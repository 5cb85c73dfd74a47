"""Thumbnails on the picture of a map: each where its image is, in a frame of its point's color."""

import numpy as np
import pytest

from compute.reports.drawing.coloring import coloring
from compute.reports.maps import map as map_picture
from compute.reports.maps.places import in_unit_square, placed
from tests.support.stores.small import COLORS, COUNT, SIDE, write_store


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("map") / "small").open()


def test_each_thumbnail_is_at_its_point_in_a_frame_of_its_color(run):
    picture, points = np.full((1000, 1000, 3), 255, np.uint8), placed(run, "pca")[0]
    low, high = points.min(0), points.max(0)

    def to_pixels(places):
        return 25 + 950 * (places - low) / (high - low).max()

    colors = coloring(run, "label")
    map_picture.put_thumbnails(picture, to_pixels, colors, run, "pca")
    for image in range(COUNT):
        x, y = to_pixels(points[image].astype(float))
        row, col = round(1000 - y), round(x)
        inside = picture[row - 6 : row + 6, max(col - 6, 0) : col + 6].reshape(-1, 3)
        np.testing.assert_allclose(np.median(inside, 0), COLORS[image % 3], atol=3)
        if 0 < image % SIDE < SIDE - 1 and 0 < image // SIDE < SIDE - 1:
            hue = colors.hues[image % 3]
            assert picture[row, col - 14].tolist() == [int(hue[at : at + 2], 16) for at in (1, 3, 5)]
    assert (picture[:, 90:110] == 255).all()


def test_the_report_has_them_if_asked(run):
    without, with_them = (map_picture.map_report(run, "pca", "label", each) for each in (False, True))
    assert (without.draw() != with_them.draw()).any()
    assert "thumbnails" not in without.numbers  # as links and findings have it that were made before
    assert with_them.numbers["thumbnails"] is True
    assert with_them.tabulate().equals(without.tabulate())


def test_a_map_of_one_place_is_drawn(run):
    points = in_unit_square(np.zeros((3, 2)))
    np.testing.assert_array_equal(points, np.full((3, 2), 0.5))
