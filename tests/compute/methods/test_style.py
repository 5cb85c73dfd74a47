"""Style transfer: Gram matrices by loops, identities, and what it does to the two errors."""

import numpy as np
import pytest
import torch

from compute.images.saved_image import eight_bit
from compute.methods.base import Inputs
from compute.methods.optimize.transforms import resized
from compute.methods.synthesis.style import Losses, StyleTransfer, gram, relative
from tests.support.networks.tiny import tiny_image, tiny_model


def picture(height: int, width: int, seed: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return eight_bit(resized(coarse, (height, width)))[0]


def test_gram_by_loops():
    maps = torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    for i in range(3):
        for j in range(3):
            products = [float(maps[0, i, y, x] * maps[0, j, y, x]) for y in range(2) for x in range(4)]
            assert float(gram(maps)[0, i, j]) == pytest.approx(sum(products) / 8, abs=1e-6)


def test_gram_does_not_depend_on_where():
    maps = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gram(maps), gram(torch.roll(maps, (1, 2), (2, 3))))
    torch.testing.assert_close(gram(maps), gram(maps.repeat(1, 1, 2, 3)))


def test_relative_error():
    wanted = torch.tensor([[3.0, 4.0]])
    assert float(relative(torch.tensor([[3.0, 4.0]]), wanted)) == 0
    assert float(relative(torch.zeros(1, 2), wanted)) == 1
    assert float(relative(torch.ones(1, 2), torch.zeros(1, 2))) == 2


def test_an_image_in_its_own_style_is_the_optimum():
    model = tiny_model("plain")
    image = tiny_image(model)
    numbers = (
        StyleTransfer(iterations=1, rate=0.0, side=1).run(model, Inputs(image=image, second=image)).numbers
    )
    assert numbers["content_error"] == 0 and numbers["style_error"] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("from_noise", [False, True])
def test_the_style_error_falls(from_noise):
    model = tiny_model("plain")
    inputs = Inputs(image=picture(30, 40, 1), second=picture(20, 20, 2))
    step = StyleTransfer(iterations=60, side=1, from_noise=from_noise, total_variation=0.0).run(model, inputs)
    assert step.data.shape == (30, 40, 3)
    assert step.numbers["style_error"] < 0.5 * step.numbers["style_error_before"]
    layers = step.numbers["style_layers"]
    losses = Losses.of(model, inputs.second[None], step.numbers["content_layer"], tuple(layers))
    content, style = losses(torch.from_numpy(step.data).permute(2, 0, 1)[None], inputs.image[None])
    assert step.numbers["content_error"] == pytest.approx(float(content), rel=1e-3)
    assert step.numbers["style_error"] == pytest.approx(float(style), rel=1e-3)


def test_weights_trade_content_against_style():
    model = tiny_model("plain")
    inputs = Inputs(image=picture(24, 24, 1), second=picture(24, 24, 2))
    faithful, stylish = (
        StyleTransfer(iterations=40, side=1, content_weight=content, style_weight=style)
        .run(model, inputs)
        .numbers
        for content, style in ((30.0, 1.0), (0.3, 10.0))
    )
    assert faithful["content_error"] < stylish["content_error"]
    assert stylish["style_error"] < faithful["style_error"]


def test_layers_follow_the_depth():
    model = tiny_model("plain")
    names = list(model.layers)
    assert StyleTransfer(style_layers=2).layers(model) == (names[0], names[-1])
    assert StyleTransfer(style_layers=1).layers(model) == (names[0],)
    assert StyleTransfer(style_layers=50).layers(model) == tuple(names)
    inputs = Inputs(image=tiny_image(model), second=tiny_image(model, 1), layer=names[0])
    numbers = StyleTransfer(iterations=1, side=1).run(model, inputs).numbers
    assert numbers["content_layer"] == names[0] and numbers["style_layers"] == names


def test_small_images_can_be_scaled_up_and_seeds_count():
    model = tiny_model("plain")
    inputs = Inputs(image=picture(20, 30, 1), second=picture(16, 16, 2))
    assert StyleTransfer(iterations=1, side=45).run(model, inputs).data.shape == (30, 45, 3)
    assert StyleTransfer(iterations=1).run(model, inputs).data.shape == (171, 256, 3)
    first, again, other = (
        StyleTransfer(iterations=3, side=1, seed=seed).run(model, inputs).data for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["grey", "untraceable"])
def test_other_networks(name):
    model = tiny_model(name)
    step = StyleTransfer(iterations=3, side=1).run(
        model, Inputs(image=tiny_image(model), second=tiny_image(model, 1))
    )
    assert step.data.shape == (*model.input_size, model.in_channels) and np.isfinite(step.data).all()


def test_a_canvas_of_more_memory_than_there_may_be_is_refused_with_the_bound():
    model, small = tiny_model("plain"), picture(20, 20, 1)
    large = torch.zeros(3, 1000, 1300)
    for image, second in ((large, small), (small, large)):
        with pytest.raises(
            ValueError, match=r"style transfer of 1300 x 1000 pixels .* at most 1.25 megapixels"
        ):
            StyleTransfer(side=1, iterations=1).run(model, Inputs(image=image, second=second))
    said = {each.name: each for each in StyleTransfer.parameters()}["side"].metadata["special"]
    assert said[1] == "every image's own size, up to 1.25 megapixels"
    assert StyleTransfer().canvas(model, large, {"0"}).shape[2:] == (295, 384)
