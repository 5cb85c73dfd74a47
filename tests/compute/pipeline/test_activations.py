"""The one pass against one image at a time, and the rows that it makes."""

import numpy as np
import pytest
import torch
from PIL import Image

from compute.images.loading import Picture, ahead, thumbnail
from compute.images.pixel_vectors import pixel_vectors
from compute.images.sources import Item
from compute.network.traced import FEATURES, LOGITS
from compute.pipeline.stages.activations import OnePass, batch_size, feature_rows, image_rows
from compute.pipeline.stages.layers import filters_table, layers_table
from tests.support.networks.tiny import CLASSES, NETWORKS, crops, tiny_model


@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_is_what_the_model_gives_for_the_image_alone(name):
    model = tiny_model(name)
    images = crops(model)
    found = OnePass(model, 8).values(images)
    assert found.finite.all()
    for index, image in enumerate(images):
        with torch.inference_mode():
            alone = model.activations(image[None], {LOGITS, FEATURES, *model.layers})
        expect(found.logits[index], alone[LOGITS][0])
        expect(found.features[index], alone[FEATURES][0].flatten())
        maps = [channel.flatten() for layer in model.layers for channel in alone[layer][0]]
        expect(found.channels.maximum[index], [units.max() for units in maps])
        expect(found.channels.mean[index], [units.mean() for units in maps])
        expect(found.channels.active[index], [(units > 0).float().mean() for units in maps])
        places = found.channels.position[index]
        expect(found.channels.maximum[index], [units[p] for units, p in zip(maps, places, strict=True)])


def expect(found, expected):
    np.testing.assert_allclose(found, [float(each) for each in expected], rtol=1e-4, atol=1e-5)


def test_results_do_not_depend_on_how_full_the_batch_is():
    model = tiny_model()
    images = crops(model, 6)
    one_pass = OnePass(model, 6)
    whole, part = one_pass.values(images), one_pass.values(images[:2])
    assert np.array_equal(whole.logits[:2], part.logits)
    assert np.array_equal(whole.channels.rows(slice(0, 2)).maximum, part.channels.maximum)


def test_a_batch_is_a_power_of_two_that_fits():
    size = batch_size(tiny_model())
    assert size == 64


PICTURES = [
    Picture("a" * 64, 20, 10, b"png"),
    Picture("b" * 64, reason="broken"),
    Picture("c" * 64, 5, 6, b"jpg"),
]
ITEMS = [Item("ant/1.png", "ant", "train"), Item("bee/2.png", "bee", "test"), Item("cow/3.png", "cow")]


def test_image_rows():
    logits = np.array([[1, 3, 0, 0, 2], [np.nan] * 5, [5, 0, 0, 0, 0]], np.float32)
    one, two, three = image_rows(7, ITEMS, PICTURES, logits, CLASSES).to_pylist()
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert (one["image_id"], one["path"], one["label"], one["split"]) == (7, "ant/1.png", "ant", "train")
    assert (one["width"], one["height"], one["thumbnail"]) == (20, 10, {"bytes": b"png", "path": None})
    assert one["predicted"] == "bee" and one["correct"] is False
    assert [entry["class"] for entry in one["top5"]] == ["bee", "elk", "ant", "cat", "dog"]
    assert [entry["probability"] for entry in one["top5"]] == pytest.approx(sorted(expected)[::-1])
    assert one["loss"] == pytest.approx(-np.log(expected[0]))
    empty = {"width", "height", "thumbnail", "predicted", "probability", "top5", "loss", "correct"}
    assert {name for name, value in two.items() if value is None} == empty
    assert three["predicted"] == "ant" and three["loss"] is None and three["correct"] is None, (
        "cow is no class"
    )


def test_features_of_unreadable_images_are_null():
    table = feature_rows(3, np.array([[1, 2], [np.nan, np.nan]], np.float32))
    assert table.to_pylist() == [{"image_id": 3, "feature": [1, 2]}, {"image_id": 4, "feature": None}]


def test_values_that_are_not_finite_are_noticed():
    model = tiny_model()
    images = crops(model, 3)
    images[1] = torch.nan
    assert OnePass(model, 4).values(images).finite.tolist() == [True, False, True]


def test_filters_are_the_stems_weights():
    model = tiny_model()
    table = filters_table(model)
    stem = model.module[0].weight.numpy()
    assert np.array_equal(np.array(table["weight"].to_pylist(), np.float32).reshape(stem.shape), stem)
    assert table["std"][0].as_py() == pytest.approx(model.preprocessing.std)
    assert layers_table(model.layers.values())["layer"].to_pylist() == list(model.layers)


def test_pixel_vectors_are_area_means():
    images = torch.rand(2, 3, 64, 16)
    expected = images.reshape(2, 3, 32, 2, 16).mean(3)
    torch.testing.assert_close(pixel_vectors(images), expected.flatten(1))


def test_thumbnails_keep_small_pictures_whole():
    import io

    small = Image.effect_noise((60, 30), 50)
    assert np.array_equal(Image.open(io.BytesIO(thumbnail(small))), small)
    assert Image.open(io.BytesIO(thumbnail(small.resize((400, 200))))).size == (128, 64)


def test_ahead_keeps_the_order_and_hands_on_errors():
    assert list(ahead(lambda value: value**2, range(50), 3, 5)) == [value**2 for value in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda value: 1 // value, [1, 0, 1], 2, 2))
