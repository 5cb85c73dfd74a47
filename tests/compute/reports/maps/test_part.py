"""A part of a map: what is in it is where the camera has it, and nothing else is drawn."""

import numpy as np
import pytest

from compute.reports.drawing.coloring import coloring
from compute.reports.maps.part import ALWAYS, NEAR, NEVER, part_of_map
from compute.reports.maps.places import FILLED
from tests.support.stores.small import COLORS, COUNT, SIDE, write_store


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("map") / "small").open()


def place(image):
    """Where the page's plot has an image, from -1 to 1: they stand in rows from the top."""
    row, col = divmod(image, SIDE)
    return tuple(FILLED * (2 * each / (SIDE - 1) - 1) for each in (col, SIDE - 1 - row))


def plot(picture, hues):
    """The left part of a picture, without the legend, as the number of pixels in each of the hues."""
    drawn = picture[:, : picture.shape[0]].reshape(-1, 3).astype(int)
    return [int((np.abs(drawn - hue).max(1) < 12).sum()) for hue in hues]


@pytest.mark.parametrize("image", [0, 8, COUNT - 1])
def test_one_image_alone_is_in_the_middle(image, run):
    zoom = (SIDE - 1) / FILLED
    picture = part_of_map(run, "pca", place(image), zoom, "label", NEVER)
    colors = coloring(run, "label")
    hues = [[int(hue[at : at + 2], 16) for at in (1, 3, 5)] for hue in colors.hues]
    counts = plot(picture, hues)
    own = int(colors.values[image])
    assert counts[own] > 20 and not any(count for hue, count in enumerate(counts) if hue != own)
    rows, cols = np.nonzero((np.abs(picture[:, : len(picture)].astype(int) - hues[own]) < 12).all(2))
    assert abs(rows.mean() - len(picture) / 2) < 2
    assert len(picture) / 2 < cols.mean() < picture.shape[1] / 2, "in the middle of what the legend leaves"


def test_thumbnails_close_up_at_any_zoom_or_never(run):
    def part(zoom, pictures, image=8):
        return part_of_map(run, "pca", place(image), zoom, "label", pictures)

    zoom = (SIDE - 1) / FILLED
    assert (part(zoom, NEAR) == part(zoom, ALWAYS)).all() and (part(zoom, NEVER) != part(zoom, NEAR)).any()
    rows, _ = np.nonzero(np.abs(part(zoom, NEAR).astype(int) - COLORS[8 % 3]).max(2) < 4)
    assert len(rows) > 500, "the thumbnail itself"
    assert np.ptp(rows) < 2000 / 8


def test_nothing_is_in_an_empty_part(run):
    picture = part_of_map(run, "pca", (5, 5), 4, "label", ALWAYS)
    whole = part_of_map(run, "pca", (0, 0), 1, "label", NEVER)
    assert picture.shape[2] == 3 and (picture[:, :1000] == 255).all() and (whole[:, :1000] != 255).any()


def test_only_what_a_search_finds_stands_out(run):
    everything, found = (part_of_map(run, "pca", (0, 0), 1, filter=text) for text in ("", "label:zebra"))
    assert (everything != found).any()
