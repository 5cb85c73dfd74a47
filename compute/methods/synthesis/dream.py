"""DeepDream: make an image show more of what a layer sees in it.

At each of several sizes (octaves), from small to large:
    x <- x + s * g / mean|g|,  g = d (|a|² / 2) / d x, blurred a little
with a the layer's activation (so that the gradient at the layer is the activation itself), and s = 1.5/255.
What was changed at one size, the detail, is enlarged and added to the *original* image at the next size.
Reference: Mordvintsev, Olah & Tyka 2015, "Inceptionism", and its notebook (google/deepdream), which doesn't
blur.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from compute.images.saved_image import LEVELS, eight_bit
from compute.methods.base import CHANNEL, IMAGE, LAYER, SECOND, Inputs, Method, Step
from compute.methods.optimize.loop import SHOWN_IMAGES, Slope, array, climb, mean_normalized, result
from compute.methods.optimize.parameterizations import Pixels
from compute.methods.optimize.regularizers import blurred
from compute.methods.optimize.tiled_gradient import tiled_score, tiled_slope
from compute.methods.optimize.transforms import enlarged_size, resized
from compute.methods.requirements import Size, check_gradient, check_takes, no_layers_because
from compute.models.model import Model
from compute.models.objectives import Objective, energy
from compute.runtime.parameters import parameter

NOTEBOOK = "google/deepdream notebook"
MATCHED_AT_ONCE = 2**24


@dataclass(frozen=True)
class Dream(Method):
    """Inputs: an image (C, H, W) of any size and aspect ratio, which need not be the network's; a layer and
    perhaps one of its channels; perhaps a second image of any size, the guide: then each place of the layer's
    map climbs towards the guide's activation that it resembles most, instead of its own.

    The network is run convolutionally up to the layer, at the dream's own size. The result has the image's
    size, or its aspect ratio where it is scaled up to `side`. numbers: `score_before` and `score_after`, what
    is maximised, of the image and of the saved 8-bit picture, summed over tiles; `sizes`, (H, W) of each
    octave.
    """

    name: ClassVar[str] = "dream"
    title: ClassVar[str] = "DeepDream"
    theory: ClassVar[str] = (
        "Whatever a layer sees in an image, it shall see more of it: its activation is its own gradient. "
        "Repeated at several sizes, faint resemblances grow into the textures and things that the layer "
        "knows."
    )
    reference: ClassVar[str] = "Mordvintsev, Olah & Tyka 2015, Inceptionism"
    output: ClassVar[str] = "image"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE, LAYER})
    takes: ClassVar[frozenset[str]] = frozenset({CHANNEL, SECOND})
    any_size: ClassVar[bool] = True

    side: int = parameter(
        0,
        "scale smaller images up to this longer side (384 is worth it for small inputs)",
        special={0: "the image's own size"},
        unit="pixels",
        low=0,
        high=4096,
        source="chosen here",
    )
    octaves: int = parameter(
        4,
        "number of sizes, fewer where the smallest would not fill a receptive field",
        low=1,
        high=12,
        source=NOTEBOOK,
    )
    octave_scale: float = parameter(1.4, "from one size to the next", low=1.05, high=3.0, source=NOTEBOOK)
    iterations: int = parameter(10, "steps at each size", low=1, high=500, source=NOTEBOOK)
    rate: float = parameter(
        1.5, "mean change of a value in a step", unit="1/255", low=0.0, high=50.0, source=NOTEBOOK
    )
    jitter: int = parameter(
        32,
        "each step rolls the image by up to ± this, at most an eighth of its side",
        unit="pixels",
        low=0,
        high=256,
        source=NOTEBOOK,
    )
    smooth: float = parameter(
        1.0,
        "Gaussian blur of the gradient: without the finest noise of the strides, more is reached",
        special={0: "no blur"},
        unit="pixels",
        low=0.0,
        high=16.0,
        source="chosen here, as in later DeepDreams; the notebook has none",
    )
    tile: int = parameter(
        512,
        "larger images are done in tiles of this side",
        unit="pixels",
        low=64,
        high=4096,
        source="TensorFlow tutorial",
    )
    seed: int = parameter(0, "of the shifts", low=0, high=2**31 - 1, source="chosen here")

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_layers_because(model)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        check_gradient(self.name, model, [inputs.layer])
        goal, sizes = objective(model, inputs, self.tile), self.sizes(model, inputs)
        original = resized(inputs.image[None].to(model.device), sizes[-1]).clamp(0, 1)

        def score(images: Tensor) -> Tensor:
            return model.score(images, goal)

        uphill = tiled_slope(score, self.tile, self.jitter, Generator().manual_seed(self.seed))
        total = self.iterations * len(sizes)
        every = math.ceil(total / SHOWN_IMAGES)
        for index, (reached, image) in enumerate(self.dreamt(original, sizes, uphill), 1):
            if index == 1 or index % every == 0:
                data = array(resized(image.variable, sizes[-1])[0])
            step = Step(index, total, "image", data, reached)
            if index < total:
                yield step
        numbers = {
            "score_before": tiled_score(score, self.tile, original),
            "score_after": tiled_score(score, self.tile, eight_bit(image.variable)),
            "sizes": [list(size) for size in sizes],
        }
        yield result(step, model.preprocessing, image.variable[0], numbers)

    def dreamt(self, original: Tensor, sizes: list[Size], uphill: Slope) -> Iterator[tuple[float, Pixels]]:
        """Yield, after each step, the score and the image at the octave's size."""
        detail = torch.zeros_like(original)
        for size in sizes:
            base = resized(original, size).clamp(0, 1)
            image = Pixels(base + resized(detail, size))
            image.constrain()
            for score in climb(image, uphill, self.rule, self.iterations):
                yield score, image
            detail = image.variable - base

    def rule(self, variable: Tensor, gradient: Tensor) -> Tensor:
        return mean_normalized(self.rate / LEVELS)(variable, blurred(gradient, self.smooth))

    def sizes(self, model: Model, inputs: Inputs) -> list[Size]:
        """Return (H, W) of each octave, growing.

        None is smaller than a unit's receptive field or the network's input, whichever is less. ValueError
        where the network can't take one of them.
        """
        height, width = enlarged_size(inputs.image.shape[1:], self.side)
        factors = [self.octave_scale**-octave for octave in reversed(range(self.octaves))]
        sizes = [(round(height * factor), round(width * factor)) for factor in factors]
        least = least_side(model, inputs.layer)
        sizes = [size for size in sizes[:-1] if min(size) >= least] + sizes[-1:]
        for size in sizes:
            check_takes(model, {inputs.layer}, tuple(-(-each // -(-each // self.tile)) for each in size))
        return sizes


def least_side(model: Model, layer: str) -> int:
    """Return the least shorter side of an octave: there, a unit of the layer still sees only the image."""
    field = model.layer(layer).receptive_field
    return min(model.input_size) if field is None else min(*model.input_size, max(field.y.size, field.x.size))


def objective(model: Model, inputs: Inputs, tile: int) -> Objective:
    """Return what is maximized: the energy of the layer or channel; with a guide, the match with it."""
    if inputs.second is None:
        return energy(inputs.layer, inputs.channel)
    selected = slice(None) if inputs.channel is None else slice(inputs.channel, inputs.channel + 1)
    guide = guide_vectors(model, inputs, tile)[selected]
    return Objective(
        frozenset({inputs.layer}),
        lambda a: match(a[inputs.layer][:, selected], guide),
        f"{inputs.layer} guided",
    )


def guide_vectors(model: Model, inputs: Inputs, tile: int) -> Tensor:
    """Return the guide's activations at every place of the layer's map: (channels, places)."""
    guide = inputs.second[None].to(model.device)
    longer = max(guide.shape[2:])
    if longer > tile:
        guide = resized(guide, tuple(max(1, round(side * tile / longer)) for side in guide.shape[2:])).clamp(
            0, 1
        )
    with torch.no_grad():
        return model.activations(guide, {inputs.layer})[inputs.layer][0].flatten(1)


def match(activations: Tensor, guide: Tensor) -> Tensor:
    """Return (N,): how well activations match the guide.

    activations: (N, channels, h, w)
    guide: (channels, places)
    It is the sum over places x of a(x) · g(x*), with x* the guide's place of largest a(x) · g. So the
    gradient at the layer is the best matching guide vector.
    """
    vectors = activations.flatten(2)
    with torch.no_grad():
        rows = max(1, MATCHED_AT_ONCE // guide.shape[1])
        parts = vectors.transpose(1, 2).split(rows, dim=1)
        best = torch.cat([(part @ guide).argmax(2) for part in parts], dim=1)
    return (vectors * guide[:, best].transpose(0, 1)).sum((1, 2))
