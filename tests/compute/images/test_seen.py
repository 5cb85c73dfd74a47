"""What is shown of a unit's receptive field."""

import numpy as np
import pytest

from compute.images.pictures import GREY, seen
from compute.images.preprocessing import Preprocessing, inside

CROP = (0, 0, 20, 10)


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ((2, 3, 8, 9), (2, 3, 8, 9)),
        ((-30, -40, 50, 60), CROP),
        ((-5, 2, 9, 8), (-5, 2, 9, 8)),
        ((-5, -3, 25, 8), (0, -3, 20, 8)),
        ((0, 0, 20, 10), CROP),
    ],
)
def test_an_axis_on_which_a_field_passes_both_borders_ends_at_them(box, shown):
    assert inside(box, CROP) == shown


def test_a_field_larger_than_the_image_shows_all_of_it_and_one_at_the_border_some_grey():
    image = np.random.default_rng(0).random((10, 20, 3), np.float32)
    np.testing.assert_array_equal(seen(image, (-7, -7, 27, 27)), image)
    at_border = seen(image, (-4, 0, 6, 10))
    assert (at_border[:, :4] == GREY).all()
    np.testing.assert_array_equal(at_border[:, 4:], image[:, :6])


def test_it_ends_at_the_networks_crop_not_at_the_photographs_border():
    preprocessing = Preprocessing((64, 64), 128, (0.5,) * 3, (0.5,) * 3)
    assert preprocessing.seen_box((-500, -500, 900, 900), 256, 256) == (64, 64, 192, 192)
