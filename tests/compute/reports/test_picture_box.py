"""A box on a picture: which units stand in it, their peaks, and the images that have the same channels; held
against plain loops over units and rows."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from compute.images.preprocessing import LETTERBOX, SQUASH, Preprocessing
from compute.models.model import Model
from compute.network.layers.centers import Centers
from compute.reports.channels.picture_box import PictureBox, box_in_crop, seen_of_picture, units_in
from compute.reports.channels.responses import left_out, peaks
from tests.support.networks.tiny import tiny_image, tiny_model
from tests.support.networks.tokens import token_model

MEAN, STD = (0.45, 0.4, 0.5), (0.2, 0.25, 0.3)


class Gated(nn.Module):
    """Squeeze and excitation, which makes every unit behind it see the whole image."""

    def __init__(self):
        super().__init__()
        self.stem, self.gate = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 1)
        self.last, self.head = nn.Conv2d(6, 8, 3, 2, 1), nn.Linear(8, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stem(images).relu()
        maps = maps * self.gate(maps.mean((2, 3), keepdim=True)).sigmoid()
        return self.head(self.last(maps).relu().mean((2, 3)))


def gated_model() -> Model:
    torch.manual_seed(3)
    return Model(Gated(), Preprocessing((24, 32), None, MEAN, STD), tuple("abcde"), "gated")


def middle(start: float, end: float, border: int) -> float:
    """Of an interval of pixels' edges; what lies beyond the border counts as at it."""
    return min(max((start + end) / 2, 0), border)


def slow_peaks(model, image, box, layer):
    """Unit by unit: those whose box's middle lies within, or else those nearest to the middle."""
    left, top, right, bottom = box
    height, width = model.input_size
    described = model.layer(layer)
    with torch.no_grad():
        maps = model.activations(image[None], {layer})[layer][0].numpy()
    ys = [middle(*described.box(y, 0)[1::2], height) for y in range(described.height)]
    xs = [middle(*described.box(0, x)[::2], width) for x in range(described.width)]
    rows = [y for y, place in enumerate(ys) if top <= place <= bottom]
    columns = [x for x, place in enumerate(xs) if left <= place <= right]
    rows = rows or [min(range(len(ys)), key=lambda y: abs(ys[y] - (top + bottom) / 2))]
    columns = columns or [min(range(len(xs)), key=lambda x: abs(xs[x] - (left + right) / 2))]
    found = []
    for channel in maps:
        best = max((channel[y, x], -y, -x) for y in rows for x in columns)
        found.append((best[0], -best[1], -best[2]))
    return found


BOXES = [(0, 0, 24, 24), (3, 5, 15, 14), (10.5, 10.5, 11, 11), (0, 20, 24, 20.5), (22.9, 0.1, 23, 23)]


@pytest.mark.parametrize("name", ["plain", "reused", "wide", "gelu", "tokens"])
@pytest.mark.parametrize("box", BOXES)
def test_peaks_in_a_box_are_those_of_its_units(name, box):
    model = tiny_model(name)
    image = tiny_image(model, 4)
    units = units_in(box, model.centers, model.input_size)
    assert list(units) == list(model.layers)
    found = peaks(model, image, units, units)
    for layer, peak in found.items():
        for channel, (value, y, x) in enumerate(slow_peaks(model, image, box, layer)):
            assert (peak.value[channel], peak.y[channel], peak.x[channel]) == (value, y, x), layer


@pytest.mark.parametrize("name", ["plain", "wide", "tokens", "grey"])
def test_a_box_of_the_whole_crop_is_no_box(name):
    model = tiny_model(name)
    height, width = model.input_size
    image = tiny_image(model)
    units = units_in((0, 0, width, height), model.centers, model.input_size)
    boxed, whole = peaks(model, image, model.layers, units), peaks(model, image, model.layers)
    for layer in model.layers:
        for field in ("value", "y", "x"):
            assert (getattr(boxed[layer], field) == getattr(whole[layer], field)).all()


def test_tokens_stand_where_their_patches_do():
    model = token_model("fused")
    for name, layer in model.layers.items():
        centers = model.centers[name]
        assert centers.y.tolist() == [4, 12, 20] and centers.x.tolist() == [4, 12, 20, 28], name
        assert layer.height == 3 and layer.width == 4


def test_units_behind_a_gate_stand_where_their_values_come_from():
    model = gated_model()
    assert model.layer("last").receptive_field.whole and not model.layer("stem").receptive_field.whole
    assert "gate" not in model.layers or "gate" not in model.centers
    last = model.centers["last"]
    assert last.y == pytest.approx(0.5 + 4 * np.arange(6)) and last.x == pytest.approx(0.5 + 4 * np.arange(8))
    units = units_in((8, 8, 16, 20), model.centers, model.input_size)["last"]
    assert units[0].tolist() == [2, 3, 4] and units[1].tolist() == [2, 3]


def test_what_is_not_known_is_said():
    model = tiny_model("untraceable")
    assert model.centers == {} and set(model.layers)
    said = left_out(tuple(model.layers), model.centers)
    assert all(name in said for name in list(model.layers)[:3]) and "not known" in said
    assert left_out(("a", "b"), {"a", "b"}) == ""


def test_a_response_in_a_box_is_no_stronger_than_in_the_image():
    model = tiny_model("wide")
    image = tiny_image(model, 2)
    whole = peaks(model, image, model.layers)
    random = np.random.default_rng(0)
    for _ in range(20):
        left, right = np.sort(random.uniform(0, 28, 2))
        top, bottom = np.sort(random.uniform(0, 20, 2))
        units = units_in((left, top, right, bottom), model.centers, model.input_size)
        for layer, found in peaks(model, image, units, units).items():
            assert (found.value <= whole[layer].value).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not four numbers"),
        ("1,2,3", "not four numbers"),
        ("0,0,nan,1", "'0,0,nan,1' is not four numbers"),
        ("0,0,inf,1", "not four numbers"),
        ("a,b,c,d", "LEFT,TOP,RIGHT,BOTTOM"),
        ("0,0,120,80", "passes the picture"),
        ("-0.1,0,1,1", "passes the picture"),
        ("0.5,0,0.5,1", r"left \(0.5\) must be less than right \(0.5\)"),
        ("0,0.9,1,0.2", r"top \(0.9\) must be less than bottom \(0.2\)"),
    ],
)
def test_a_box_that_is_none_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        PictureBox.from_text(text)


@pytest.mark.parametrize("text", ["0,0,1,1", "0.25,0.333333,0.5,0.75", "0.1,0,0.10001,0.000001"])
def test_a_boxs_text_is_read_back(text):
    assert PictureBox.from_text(text).to_text() == text
    assert PictureBox.from_text(f" {text.replace(',', ' , ')} ").to_text() == text


def test_a_box_is_said_in_its_shortest_form():
    assert PictureBox.from_text("0.0,-0.0,1.0,0.2500000001").to_text() == "0,0,1,0.25"


PREPROCESSINGS = {
    "as it is": Preprocessing((60, 80), None, MEAN, STD),
    "centre crop": Preprocessing((24, 24), 30, MEAN, STD),
    "covering crop": Preprocessing((24, 40), (30, 44), MEAN, STD),
    "letterbox": Preprocessing((32, 32), (32, 32), MEAN, STD, fit=LETTERBOX),
    "squash": Preprocessing((20, 28), (20, 28), MEAN, STD, fit=SQUASH),
    "cut without scaling": Preprocessing((40, 30), None, MEAN, STD),
}


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("size", [(80, 60), (60, 81), (200, 90)])
def test_a_box_is_where_the_network_sees_what_is_in_it(name, size):
    """Of a picture that is black but for a box, the crop is bright within the box's place in the crop."""
    preprocessing, box = PREPROCESSINGS[name], PictureBox(0.35, 0.4, 0.6, 0.65)
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = (round(edge) for edge in box.on(width, height))
    pixels[top:bottom, left:right] = 255
    crop = preprocessing.tensor(Image.fromarray(pixels)).numpy()[0]
    bright = crop if name != "letterbox" else np.where(crop > 0.46, crop, 0)
    rows, columns = np.flatnonzero((bright > 0.6).any(1)), np.flatnonzero((bright > 0.6).any(0))
    found = box_in_crop(
        PictureBox(left / width, top / height, right / width, bottom / height), preprocessing, size
    )
    near = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert np.abs(np.subtract(found, near)).max() <= 1
    seen = seen_of_picture(preprocessing, size).on(width, height)
    inside = (*np.maximum(seen, (left, top, 0, 0))[:2], *np.minimum(seen, (0, 0, right, bottom))[2:])
    there = preprocessing.to_original(found, width, height)
    assert there == pytest.approx(inside, abs=1e-3)


def test_what_the_crop_cuts_off_is_refused_with_what_it_sees():
    preprocessing = PREPROCESSINGS["centre crop"]
    with pytest.raises(ValueError, match=r"box 0,0,0\.1,1 lies beyond .*choose within 0\.3,0\.1,0\.7,0\.9"):
        box_in_crop(PictureBox(0, 0, 0.1, 1), preprocessing, (160, 80))
    assert seen_of_picture(preprocessing, (160, 80)).to_text() == "0.3,0.1,0.7,0.9"
    left, top, right, bottom = box_in_crop(PictureBox(0.1, 0.3, 0.5, 0.5), preprocessing, (160, 80))
    assert (
        left == 0 and right == pytest.approx(12) and top == pytest.approx(6) and bottom == pytest.approx(12)
    )


def test_a_turned_photograph_has_the_box_where_people_see_it():
    """The file's pixels lie on their side, and its EXIF says so; the box is on the upright picture."""
    upright = np.zeros((60, 40, 3), np.uint8)
    upright[:15, 30:] = 255  # the upper right corner
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(stream, "PNG", exif=exif)
    preprocessing = Preprocessing((60, 40), None, MEAN, STD)
    photograph = preprocessing.read(stream.getvalue())
    assert photograph.size == (40, 60)
    left, top, right, bottom = map(
        math.floor, box_in_crop(PictureBox(0.75, 0, 1, 0.25), preprocessing, (40, 60))
    )
    crop = preprocessing.tensor(photograph).numpy()[0]
    assert crop[top:bottom, left:right].min() == 1 and crop.sum() == (bottom - top) * (right - left)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((0, 0, 40, 40), [0, 1, 2, 3], [0, 1, 2, 3]),
        ((0, 0, 1, 1), [0], [0]),
        ((16, 11, 24, 19), [1], [2]),
        ((9, 16, 38, 26), [2], [1, 2]),
        ((39, 39, 40, 40), [3], [3]),
    ],
)
def test_rows_within_a_box_or_else_the_nearest_to_its_middle(box, rows, columns):
    """Places at -3 (as good as 0), 10, 25 and 44 (as good as 40); then rows that go from below to above."""
    places = np.array([-3.0, 10.0, 25.0, 44.0])
    found = units_in(box, {"layer": Centers(places, places)}, (40, 40))["layer"]
    assert [each.tolist() for each in found] == [rows, columns]
    box = box[1], box[0], box[3], box[2]
    backwards = units_in(box, {"layer": Centers(places[::-1], places)}, (40, 40))["layer"]
    assert backwards[0].tolist() == sorted(3 - each for each in columns)
