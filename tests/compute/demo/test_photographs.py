"""The photographs that the first store shows."""

import io

import pytest
from PIL import Image

from compute.demo.images import NAMES, is_flat
from compute.demo.photographs import SIDE, photographs
from compute.images.sources.embedded import EmbeddedSource
from compute.models.architectures.efficientnet_lite0 import efficientnet_lite0

pytestmark = pytest.mark.slow


def test_every_photograph_is_there_whole_and_in_crops():
    crops = photographs()
    assert len(crops) >= 600 and len({crop.path for crop in crops}) == len(crops)
    whole = [crop for crop in crops if crop.path.endswith("whole.png")]
    assert {crop.source for crop in whole} == set(NAMES)
    for crop in whole:
        assert min(crop.image().size) == SIDE
        width, height = crop.box[2:]
        assert abs(crop.image().width / crop.image().height - width / height) < 0.01


def test_crops_are_square_differ_and_show_something():
    crops = [crop for crop in photographs() if not crop.path.endswith("whole.png")]
    pictures = [crop.image() for crop in crops]
    assert {picture.size for picture in pictures} == {(SIDE, SIDE)}
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert not any(map(is_flat, pictures))


def test_labels_are_imagenets_where_it_has_the_class():
    classes = efficientnet_lite0("none", 0).classes
    labels = {crop.label for crop in photographs()}
    assert {"tabby", "espresso", "tripod"} <= labels & set(classes)
    assert "astronaut" in labels - set(classes)


def test_they_are_a_source_of_images():
    source = EmbeddedSource("photographs")
    item = next(item for item in source.items if item.path == "chelsea/whole.png")
    assert (item.label, item.split) == ("tabby", None)
    assert Image.open(io.BytesIO(source.read(item.path))).size == (337, 224)
