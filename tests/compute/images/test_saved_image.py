"""A saved picture keeps what was computed: 8 bits and back."""

import pytest
import torch

from compute.images.saved_image import decoded, eight_bit, picture, png_bytes, through_file
from tests.support.networks.tiny import tiny_image, tiny_model


def test_rounding_is_to_the_nearest_level():
    values = torch.tensor([-0.2, 0.0, 0.49 / 255, 0.51 / 255, 100.4 / 255, 100.6 / 255, 1.0, 1.3])
    assert (eight_bit(values) * 255).round().tolist() == [0, 0, 0, 1, 100, 101, 255, 255]


@pytest.mark.parametrize("name", ["plain", "grey", "wide"])
def test_png_keeps_every_level(name):
    model = tiny_model(name)
    image = tiny_image(model)
    assert torch.equal(through_file(model.preprocessing, image), image)
    assert decoded(model.preprocessing, png_bytes(image)).shape == (model.in_channels, *model.input_size)
    assert picture(image).mode == ("L" if name == "grey" else "RGB")
    with pytest.raises(ValueError, match="not 2"):
        picture(torch.zeros(2, 4, 4))
