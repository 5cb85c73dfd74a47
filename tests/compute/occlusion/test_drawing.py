"""What the colors of an occlusion map mean: zero is the unoccluded score, red is what it costs to cover."""

import numpy as np
import pytest

from compute.images.pictures import RESULT, to_8_bit
from compute.methods.attribution.occlusion import Occlusion
from compute.methods.base import Inputs
from compute.occlusion.drawing import ARGMAX, LOGIT, PROBABILITY, Scale, Shading, at_pixels
from compute.pipeline.stages.occlusion import OcclusionStage
from compute.reports.occlusion_map import shading_of
from tests.support.networks.tiny import CLASSES, tiny_image, tiny_model

MINUS = "\N{MINUS SIGN}"


def shading(changes: list[list[float]], value: str = PROBABILITY, unoccluded: float = 0.5) -> Shading:
    values = np.float32(unoccluded) + np.array(changes, np.float32)
    centers = (np.arange(length) * 2 + 0.5 for length in values.shape)
    return Shading(value, values, unoccluded, *centers)


def test_red_costs_blue_helps_and_the_unoccluded_score_is_neutral():
    fall, same, rise = shading([[-0.3, 0.0, 0.3]]).picture((2, 6))[0, ::2]
    assert fall[0] > fall[2] + 0.3 and rise[2] > rise[0] + 0.3
    assert np.ptp(same) < 0.02, "neutral"
    assert np.allclose(fall[0], rise[2], atol=0.1), "as strong on either side"


def test_a_hundredth_of_a_point_looks_like_nothing_and_five_points_do_not():
    image = np.random.default_rng(0).random((4, 4, 3)).astype(np.float32)
    nothing = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    faint = shading([[-0.0001, 0.0001], [0.0, -0.00005]])
    assert np.abs(faint.picture((4, 4), image) - nothing).max() < 0.01
    assert np.ptp(to_8_bit(faint.picture((4, 4))).reshape(-1, 3).astype(int), axis=0).max() <= 1
    assert np.abs(shading([[-0.05]]).picture((4, 4), image) - nothing).max() > 0.2


@pytest.mark.parametrize(
    "value, least, greatest, said",
    [
        (PROBABILITY, -0.0351, 0.0021, f"at most {MINUS}3.5 points, +0.2"),
        (PROBABILITY, -0.0351, 0.0, f"at most {MINUS}3.5 points"),
        (PROBABILITY, 0.0, 0.5, "at most +50.0 points"),
        (PROBABILITY, -0.0001, 0.0001, "nowhere by as much as 0.1 points"),
        (LOGIT, -1.25, 0.5, f"at most {MINUS}1.25 logits, +0.50"),
    ],
)
def test_the_range_in_words(value, least, greatest, said):
    assert Scale(value, least, greatest).in_words == said


def test_the_legend_is_symmetric_and_has_the_pictures_colors():
    scale = Scale.of(PROBABILITY, np.array([[-0.2, 0.1]]))
    colors, low, high = scale.legend
    assert (low, high, scale.unit) == (-20, 20, "points")
    drawn = to_8_bit(scale.colors(np.array([-0.2, 0.2])))
    assert ["#" + bytes(each).hex() for each in drawn] == [colors[0], colors[-1]]


def test_each_pixel_takes_the_nearest_place():
    values = np.arange(6).reshape(2, 3)
    spread = at_pixels(values, np.array([1.0, 5.0]), np.array([0.0, 2.0, 7.0]), (7, 9))
    for (y, x), found in np.ndenumerate(spread):
        nearest_row = min(range(2), key=lambda row, y=y: (abs((1.0, 5.0)[row] - y), row))
        nearest_col = min(range(3), key=lambda col, x=x: (abs((0.0, 2.0, 7.0)[col] - x), col))
        assert found == values[nearest_row, nearest_col]


@pytest.mark.parametrize("value", [PROBABILITY, LOGIT, ARGMAX])
@pytest.mark.parametrize("name", ["plain", "wide"])
def test_the_stored_map_and_the_live_one_are_the_same_pixels(name, value):
    model = tiny_model(name)
    image = tiny_image(model)
    patch, stride = 7, 5
    live = Occlusion(patch=patch, stride=stride, value=value).run(model, Inputs(image=image, target=1))
    (maps,) = OcclusionStage(model, patch, stride).maps([image], [CLASSES[1]])
    stored = {
        "patch": patch,
        "stride": stride,
        "probability": maps.probability,
        "logit": maps.logit,
        "argmax": maps.argmax,
        "unoccluded": maps.unoccluded_probability,
        "unoccluded_logit": maps.unoccluded_logit,
    }
    size, shown = model.input_size, model.preprocessing.shown(image)
    kept = shading_of(stored, value, size)
    for made, picture in (
        (live.pictures[RESULT], kept.picture(size)),
        (live.pictures["overlay"], kept.picture(size, shown)),
    ):
        assert np.abs(to_8_bit(made).astype(int) - to_8_bit(picture)).max() <= 1, "but for rounding"
