"""DeepDream against the notebook written out, and what it promises of sizes, tiles, guides and silent
layers."""

import numpy as np
import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.images.saved_image import eight_bit
from compute.methods.base import Inputs
from compute.methods.optimize.transforms import canvas_size, resized
from compute.methods.synthesis.dream import Dream, match
from compute.methods.synthesis.style import StyleTransfer
from compute.models.model import Model
from tests.support.networks.tiny import tiny_image, tiny_model

OWN_SIZE = {"side": 1, "margin": 0.0}
PLAIN = OWN_SIZE | {"octaves": 1, "jitter": 0, "smooth": 0.0, "rate": 1.5}


def photograph(height: int, width: int, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    return eight_bit(resized(coarse, (height, width)))[0]


def notebook_step(model: Model, image: torch.Tensor, layer: str, rate: float) -> torch.Tensor:
    """Set the layer's gradient to its activation, back-propagate, and step by rate / 255 / mean|g|."""
    image = image.clone().requires_grad_(True)
    activation = model.activations(image, {layer})[layer]
    (gradient,) = torch.autograd.grad(activation, image, grad_outputs=activation.detach())
    return (image + rate / 255 * gradient / gradient.abs().mean()).detach().clamp(0, 1)


def notebook_dream(model, image, layer, sizes, iterations, rate=1.5):
    detail = torch.zeros(1, 3, *sizes[0])
    for size in sizes:
        base = resized(image[None], size).clamp(0, 1)
        current = (base + resized(detail, size)).clamp(0, 1)
        for _ in range(iterations):
            current = notebook_step(model, current, layer, rate)
        detail = current - base
    return current[0].permute(1, 2, 0).numpy()


def test_one_octave_is_the_notebooks_step():
    model = tiny_model("plain")
    image = photograph(30, 40)
    step = Dream(iterations=3, **PLAIN).run(model, Inputs(image=image, layer="3"))
    np.testing.assert_allclose(step.data, notebook_dream(model, image, "3", [(30, 40)], 3), atol=0.51 / 255)


def test_detail_is_added_to_the_original_at_each_size():
    model = tiny_model("plain")
    image = photograph(36, 60)
    options = PLAIN | {"octaves": 2, "octave_scale": 1.5}
    step = Dream(iterations=2, **options).run(model, Inputs(image=image, layer="3"))
    assert step.numbers["sizes"] == [[24, 40], [36, 60]]
    np.testing.assert_allclose(
        step.data, notebook_dream(model, image, "3", [(24, 40), (36, 60)], 2), atol=0.51 / 255
    )


def test_it_raises_what_it_maximises():
    model = tiny_model("plain")
    image = photograph(30, 40)
    for inputs in (Inputs(image=image, layer="3"), Inputs(image=image, layer="3", channel=4)):
        step = Dream(iterations=5, **OWN_SIZE).run(model, inputs)
        assert step.numbers["score_after"] > step.numbers["score_before"]
        seen = model.activations(torch.from_numpy(step.data).permute(2, 0, 1)[None], {"3"})["3"]
        seen = seen if inputs.channel is None else seen[:, inputs.channel]
        assert step.numbers["score_after"] == pytest.approx(float(seen.square().sum() / 2), rel=1e-3)


@pytest.mark.parametrize("size", [(24, 24), (50, 31), (17, 90), (100, 120)])
def test_any_size_keeps_its_aspect_ratio_and_shows_every_step(size):
    model = tiny_model("plain")
    steps = list(Dream(iterations=2, side=1).steps(model, Inputs(image=photograph(*size), layer="3")))
    assert all(step.data.shape == (*size, 3) and np.isfinite(step.data).all() for step in steps)
    assert [step.index for step in steps] == list(range(1, steps[-1].total + 1))
    assert steps[-1].total == 2 * len(steps[-1].numbers["sizes"])
    assert len({step.data.tobytes() for step in steps}) == len(steps)


@pytest.mark.parametrize(
    ("of", "side", "size"),
    [
        ((20, 30), 0, (256, 384)),
        ((20, 30), 1, (20, 30)),
        ((20, 30), 60, (40, 60)),
        ((20, 30), 10, (20, 30)),
        ((300, 450), 0, (300, 450)),
        ((600, 900), 0, (341, 512)),
        ((600, 900), 1, (600, 900)),
        ((600, 900), 384, (600, 900)),
        ((2, 1000), 0, (1, 512)),
    ],
)
def test_small_images_are_scaled_up_and_large_ones_down_unless_a_side_is_told(of, side, size):
    assert canvas_size(of, side, 384, 512) == size
    if max(of) < 100:
        inputs = Inputs(image=photograph(*of), layer="3")
        step = Dream(iterations=1, octaves=1, side=side).run(tiny_model("plain"), inputs)
        assert step.data.shape[:2] == size


@pytest.mark.parametrize(("side", "count"), [(24, 4), (65, 4), (96, 5), (200, 7)])
def test_octaves_lead_down_to_the_networks_input_size(side, count):
    model = tiny_model("plain")
    assert max(model.input_size) == 24
    sizes = Dream(side=side).sizes(model, Inputs(image=photograph(20, 20), layer="0"))
    assert sizes == [(round(side * 1.4**-octave),) * 2 for octave in reversed(range(count))]
    assert count == 4 or abs(np.log(max(sizes[0]) / 24)) <= np.log(1.4) / 2


def test_the_smallest_octave_still_fills_a_receptive_field():
    model = tiny_model("plain")
    least = min(model.layer("7").receptive_field.y.size, round(0.6 * min(model.input_size)))
    assert 8 < least <= 24
    sizes = (
        Dream(octaves=12, iterations=1, side=1)
        .run(model, Inputs(image=photograph(60, 90), layer="7"))
        .numbers["sizes"]
    )
    assert min(sizes[0]) >= least > min(sizes[0]) / 1.4 and sizes[-1] == [60, 90]
    tiny = Dream(octaves=3, iterations=1, side=1).run(model, Inputs(image=photograph(6, 6), layer="7"))
    assert tiny.numbers["sizes"] == [[6, 6]]


def test_large_images_are_done_in_tiles():
    model = tiny_model("plain")
    image, largest = photograph(100, 150), []
    run = model.network.run
    model.network.run = lambda inputs, sites: (largest.append(max(inputs.shape[2:])), run(inputs, sites))[1]
    step = Dream(iterations=2, octaves=1, tile=64, side=1).run(model, Inputs(image=image, layer="3"))
    assert max(largest) <= 64 and step.data.shape == (100, 150, 3)
    assert step.numbers["score_after"] > step.numbers["score_before"]


def test_the_border_is_the_images_reflection_and_is_cut_off():
    """Away from the border, the dream is the one without it."""
    model, image = tiny_model("plain"), photograph(96, 120)
    bare, framed = (
        Dream(iterations=2, octaves=1, side=1, smooth=0.0, jitter=0, margin=margin).run(
            model, Inputs(image=image, layer="0")
        )
        for margin in (0.0, 0.25)
    )
    assert framed.data.shape == bare.data.shape == (96, 120, 3)
    change = [np.abs(step.data - image.permute(1, 2, 0).numpy()) for step in (bare, framed)]
    inside = slice(8, -8)
    ratio = change[1][inside, inside].sum() / change[0][inside, inside].sum()
    correlation = np.corrcoef(change[0][inside, inside].ravel(), change[1][inside, inside].ravel())[0, 1]
    assert correlation > 0.95 and 0.8 < ratio < 1.25


def test_a_network_of_one_size_dreams_at_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2))
    model = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "fixed")
    assert Dream().sizes(model, Inputs(image=photograph(8, 8), layer="0"))[-1] == (384, 384)

    class Fixed(nn.Sequential):
        def forward(self, images):
            return super().forward(images if images.sum() > -1e9 else -images)

    model = Model(Fixed(*network), Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "fixed")
    step = Dream(iterations=1).run(model, Inputs(image=photograph(8, 8), layer="0"))
    assert step.data.shape == (8, 8, 3) and step.numbers["sizes"] == [[8, 8]]
    wide = photograph(16, 30)
    middle = resized(wide[None], (8, 15))[..., 4:12].clamp(0, 1)[0]
    found, expected = (
        Dream(iterations=2).run(model, Inputs(image=each, layer="0")) for each in (wide, middle)
    )
    assert np.array_equal(found.data, expected.data)
    found, expected = (
        Dream(iterations=2).run(model, Inputs(image=photograph(8, 8), second=each, layer="0"))
        for each in (wide, middle)
    )
    assert np.array_equal(found.data, expected.data)
    with pytest.raises(ValueError, match="can't take an image of"):
        Dream(iterations=1, side=64).run(model, Inputs(image=photograph(8, 8), layer="0"))


def test_jitter_is_undone():
    """Where every unit sees one pixel only, the shift can't matter."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)
    )
    model = Model(network, Preprocessing((16, 16), None, (0.5,) * 3, (0.25,) * 3), ("a", "b"), "pointwise")
    inputs = Inputs(image=photograph(32, 40), layer="0")
    still, rolled = (
        Dream(iterations=3, octaves=1, smooth=0.0, jitter=each, **OWN_SIZE).run(model, inputs)
        for each in (0, 32)
    )
    np.testing.assert_allclose(still.data, rolled.data, atol=1.01 / 255)


def test_seeds_and_jitter_matter_where_units_see_more():
    model, inputs = tiny_model("plain"), Inputs(image=photograph(32, 40), layer="3")
    pictures = [Dream(iterations=2, seed=seed, side=1).run(model, inputs).data for seed in (0, 0, 1)]
    assert np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])


def test_a_guide_sets_the_gradient_to_its_best_match():
    activations = torch.randn(1, 4, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    guide = torch.randn(4, 7, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(match(activations, guide).sum(), activations)
    for y in range(3):
        for x in range(5):
            products = [float(activations[0, :, y, x].detach() @ guide[:, place]) for place in range(7)]
            torch.testing.assert_close(gradient[0, :, y, x], guide[:, int(np.argmax(products))])


def test_a_guide_of_any_size_changes_the_dream():
    model = tiny_model("plain")
    image, guide = photograph(30, 40), photograph(50, 20, seed=4)
    plain, guided = (
        Dream(iterations=4, side=1).run(model, Inputs(image=image, second=each, layer="3"))
        for each in (None, guide)
    )
    assert not np.array_equal(plain.data, guided.data)
    assert guided.numbers["score_after"] > guided.numbers["score_before"]


def test_a_silent_layer_leaves_the_image_as_it_is():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    network[0].weight.data.zero_()
    network[0].bias.data.fill_(-1)
    model = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "dead")
    image = photograph(20, 20)
    step = Dream(octaves=1, side=1).run(model, Inputs(image=image, layer="0"))
    np.testing.assert_array_equal(step.data, image.permute(1, 2, 0).numpy())
    assert step.numbers["score_after"] == 0


def test_one_channel_and_networks_that_cannot_be_traced():
    for name in ("grey", "untraceable"):
        model = tiny_model(name)
        step = Dream(iterations=2, side=1).run(
            model, Inputs(image=tiny_image(model), layer=list(model.layers)[1])
        )
        assert step.data.shape == (*model.input_size, model.in_channels) and np.isfinite(step.data).all()


@pytest.mark.parametrize(
    "method", [Dream(octaves=1, iterations=1, side=1), StyleTransfer(iterations=1, side=1)]
)
def test_a_size_that_the_network_refuses_is_said(method):
    class Fixed(nn.Sequential):
        def forward(self, images):
            return super().forward(images if images.sum() > -1e9 else -images)

    network = Fixed(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2))
    model = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), ("a", "b"), "fixed")
    fitting, other = photograph(8, 8), photograph(20, 30)
    method.run(model, Inputs(image=fitting, second=fitting, layer="0"))
    with pytest.raises(ValueError, match="fixed can't take an image of 30x20"):
        method.run(model, Inputs(image=other, second=fitting, layer="0"))


@pytest.mark.parametrize(
    ("layer", "smooth", "pixels"), [("0", 0.06, 1.0), ("7", 0.5, 2.0), ("7", 0.0, 0.0), ("0", 0.0, 0.0)]
)
def test_the_gradient_is_blurred_by_the_stride_and_by_a_pixel_at_least(layer, smooth, pixels):
    model = tiny_model("plain")
    assert (model.layer("0").height, model.layer("7").height) == (12, 6)
    assert Dream(smooth=smooth).blur(model, layer) == pixels


def test_a_dream_of_more_memory_than_there_may_be_is_refused_with_the_bound():
    inputs = Inputs(image=torch.zeros(1, 1, 1).expand(3, 4200, 4100), layer="3")
    with pytest.raises(ValueError, match=r"a dream of 4100 x 4200 pixels .* at most 16.8 megapixels"):
        Dream(side=1, iterations=1).run(tiny_model("plain"), inputs)
