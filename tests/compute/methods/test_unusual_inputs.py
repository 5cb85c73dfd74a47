"""Every method on images that are not square, and on 1, 2, 4 (with and without opacity) and 5 channels."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from compute.images.pictures import picture
from compute.images.preprocessing import Preprocessing
from compute.images.saved_image import decoded, is_png, levels, saved_bytes
from compute.methods import METHODS
from compute.methods.base import CHANNEL, LAYER, NEURON, SECOND, TARGET, Inputs
from compute.models.model import Model
from compute.reports.live.result import result_report

pytestmark = pytest.mark.slow

SIZES = {"wide": (16, 40), "tall": (40, 16)}
QUICK = {"iterations": 3, "octaves": 2, "side": 1, "samples": 3, "points": 3, "curve_steps": 4}


class Strips(nn.Module):
    """Reads its maps place by place, so that it takes its own size and no other."""

    def __init__(self, channels: int, size: tuple[int, int]):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3, 2, 1), nn.Conv2d(6, 5, 3, padding=1)
        self.fc = nn.Linear(5 * (size[0] // 2) * (size[1] // 2), 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(F.relu(self.conv2(F.relu(self.conv1(images)))).flatten(1))


def strips(channels: int, size: tuple[int, int], colors: str | None = None) -> Model:
    torch.manual_seed(0)
    mean, std = (tuple(np.linspace(*ends, channels).tolist()) for ends in ((0.3, 0.6), (0.2, 0.3)))
    preprocessing = Preprocessing(size, size, mean, std, colors=colors)
    return Model(Strips(channels, size), preprocessing, ("ant", "bee", "cat"), f"strips {channels}")


def inputs_for(model: Model, method: type) -> Inputs:
    generator = torch.Generator().manual_seed(1)
    shape = (model.in_channels, *model.input_size)
    image, second = (((torch.rand(shape, generator=generator)) * 255).round() / 255 for _ in range(2))
    reads = method.needs | method.takes
    unit = bool(reads & {CHANNEL, NEURON})
    return Inputs(
        image=image,
        second=second if SECOND in method.needs else None,
        target=1 if TARGET in reads and not unit else None,
        layer="conv2" if reads & {LAYER, CHANNEL, NEURON} else None,
        channel=2 if unit else None,
    )


def quick(method: type):
    names = {each.name for each in method.parameters()}
    return method(**{name: value for name, value in QUICK.items() if name in names})


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(
    "channels, colors", [(1, None), (2, None), (3, None), (4, None), (4, "RGBA"), (5, None)]
)
@pytest.mark.parametrize("name", [name for name in METHODS if name != "style"])
def test_every_method(name, channels, colors, shape):
    """Data of the input's size and channels, and pictures that can be saved as PNG."""
    model, method = strips(channels, SIZES[shape], colors), METHODS[name]
    if (reason := method.unavailable_because(model)) is not None:
        pytest.skip(f"{name}: {reason}")
    step = quick(method).run(model, inputs_for(model, method))
    assert step.data.shape[:2] == SIZES[shape]
    assert step.data.ndim == 2 or step.data.shape[2] == channels
    report = result_report(step, {"method": name})
    for each in (None, *step.pictures):
        with Image.open(io.BytesIO(result_report(step, {"method": name}, name=each).file(".png"))) as drawn:
            assert drawn.mode in ("L", "RGB", "RGBA")
    assert len(report.file(".csv").splitlines()) == 1 + SIZES[shape][0] * SIZES[shape][1]


@pytest.mark.parametrize("name", ["saliency", "guided"])
def test_gradients_are_those_of_plain_torch(name):
    model = strips(4, SIZES["wide"])
    inputs = inputs_for(model, METHODS[name])
    image = inputs.image[None].requires_grad_(True)
    normalised = (image - torch.tensor(model.preprocessing.mean).view(1, -1, 1, 1)) / torch.tensor(
        model.preprocessing.std
    ).view(1, -1, 1, 1)
    if name == "saliency":
        score = model.module(normalised)[0, 1]
        (gradient,) = torch.autograd.grad(score, image)
        wanted = gradient[0].abs().amax(0)
        np.testing.assert_allclose(
            METHODS[name](variant="gradient").run(model, Inputs(inputs.image.detach(), target=1)).data,
            wanted,
            rtol=1e-3,
            atol=1e-6,
        )
        return
    step = METHODS[name]().run(model, Inputs(inputs.image.detach(), layer="conv1", channel=2, y=3, x=17))
    (gradient,) = torch.autograd.grad(model.module.conv1(normalised)[0, 2, 3, 17], image)
    np.testing.assert_allclose(step.data, gradient[0].permute(1, 2, 0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shape", SIZES)
def test_occlusion_of_a_strip_is_that_of_brute_force(shape):
    model = strips(2, SIZES[shape])
    image = inputs_for(model, METHODS["occlusion"]).image
    step = METHODS["occlusion"](patch=6, stride=5, value="logit").run(model, Inputs(image, target=2))
    height, width = SIZES[shape]
    starts = [sorted({*range(0, side - 5, 5), side - 6}) for side in (height, width)]
    mean = torch.tensor(model.preprocessing.mean, dtype=torch.float32).view(-1, 1, 1)
    found = np.zeros([len(each) for each in starts], np.float32)
    with torch.no_grad():
        for row, top in enumerate(starts[0]):
            for column, left in enumerate(starts[1]):
                hidden = image.clone()
                hidden[:, top : top + 6, left : left + 6] = mean
                found[row, column] = model.module(model.preprocessing.normalize(hidden[None]))[0, 2]
    rows, columns = (
        np.abs(np.arange(side)[:, None] - (np.array(each) + 2.5)[None]).argmin(1)
        for side, each in zip((height, width), starts, strict=True)
    )
    np.testing.assert_allclose(step.data, found[np.ix_(rows, columns)], atol=1e-4)


@pytest.mark.parametrize(
    "channels, colors", [(1, None), (2, None), (2, "LA"), (3, None), (4, None), (4, "RGBA"), (5, None)]
)
def test_what_is_said_of_a_fooling_image_holds_for_its_file(channels, colors):
    model = strips(channels, SIZES["wide"], colors)
    method = METHODS["fool"]
    step = method(epsilon=64.0, iterations=20, confidence=0.0).run(model, inputs_for(model, method))
    image = torch.from_numpy(step.data).permute(2, 0, 1)
    data = saved_bytes(model.preprocessing, image)
    assert data.startswith(b"\x89PNG") == is_png(channels, colors)
    again = decoded(model.preprocessing, data)
    assert torch.equal(again, image)
    assert model.classes[int(model.logits(again[None]).argmax())] == step.numbers["predicted"]
    if is_png(channels, colors):
        with Image.open(io.BytesIO(result_report(step, {}).file(".png"))) as drawn:
            assert np.array_equal(np.asarray(drawn).reshape(levels(image).shape), levels(image))
    else:
        assert picture(step).shape[:2] == SIZES["wide"] and picture(step).dtype == np.uint8
        saved = model.preprocessing.read(result_report(step, {}).file(".npy"))
        assert torch.equal(model.prepare(saved), image)
