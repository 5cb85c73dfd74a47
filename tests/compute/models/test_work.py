"""How much work a pass is, against counting by hand."""

import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.models.model import Model
from compute.models.work import VALUE, Counting, work
from tests.support.networks.tiny import tiny_model


def test_convolutions_and_products_are_counted_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, groups=8, padding=2),
        nn.Flatten(),
        nn.Linear(8 * 5 * 6, 7),
    )
    with torch.no_grad(), Counting() as counting:
        network(torch.zeros(2, 3, 10, 12))
    first, second, last = 8 * 30 * 27, 8 * 30 * 25, 240 * 7
    assert counting.multiply_adds == 2 * (first + second + last)
    assert counting.values == 2 * (240 + 240 + 7)
    assert work(lambda: network(torch.zeros(2, 3, 10, 12))) == 2 * (
        first + second + last + VALUE * (240 + 240 + 7)
    )


@pytest.mark.parametrize("name", ["plain", "reused", "wide", "untraceable", "tokens"])
def test_a_model_s_work_is_that_of_one_image_of_its_module(name):
    model = tiny_model(name)
    image = model.normalize(torch.rand(1, model.in_channels, *model.input_size))
    assert model.work == work(lambda: model.module(image)) > 0


def test_it_grows_with_the_input():
    def made(size: int) -> Model:
        network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Model(network, Preprocessing((size, size), None, (0.5,) * 3, (0.5,) * 3), "abcd", "pointwise")

    assert made(16).work == 4 * made(8).work
