"""DeepDream: make an image show more of what a layer sees in it.

At each of several sizes (octaves), from small to large:
    x <- x + s * g / mean|g|,  g = d (|a|² / 2) / d x, blurred a little
with a the layer's activation (so that the gradient at the layer is the activation itself), and s = 1.5/255.
What was changed at one size, the detail, is enlarged and added to the *original* image at the next size.
Meanwhile the image has a border of its own reflection, so that no edge of it lies beside padding.
Reference: Mordvintsev, Olah & Tyka 2015, "Inceptionism", and its notebook (google/deepdream), which neither
blurs nor reflects.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from compute.images.blurring import blurred
from compute.images.saved_image import LEVELS, eight_bit
from compute.methods.base import CHANNEL, IMAGE, LAYER, SECOND, Inputs, Method, Step
from compute.methods.optimize.loop import SHOWN_IMAGES, Rule, Slope, array, climb, mean_normalized, result
from compute.methods.optimize.parameterizations import Pixels
from compute.methods.optimize.tiled_gradient import tiled_score, tiled_slope
from compute.methods.optimize.transforms import canvas_size, check_pixels, covering, resized
from compute.methods.requirements import Size, check_gradient, check_takes, no_layers_because
from compute.models.model import Model
from compute.models.objectives import Objective, energy
from compute.runtime.parameters import parameter

NOTEBOOK = "google/deepdream notebook"
MATCHED_AT_ONCE = 2**24
LEAST, LARGEST, OWN_SIDE = 384, 512, 1
MOST_PIXELS = 16_800_000
"""Of the last octave, a square of the greatest side: the network sees tiles, but some ten copies are held."""
LEAST_SHARE, LEAST_OCTAVES, LEAST_BLUR = 0.6, 4, 1.0


@dataclass(frozen=True)
class Dream(Method):
    """Inputs: an image (C, H, W) of any size and aspect ratio, which need not be the network's; a layer and
    perhaps one of its channels; perhaps a second image of any size, the guide: then each place of the layer's
    map climbs towards the guide's activation that it resembles most, instead of its own.

    The network is run convolutionally up to the layer, at the dream's own size. The result has the image's
    aspect ratio (in networks of one size: theirs), and a size that follows from `side`. numbers:
    `score_before` and `score_after`, what is maximised, of the image and of the saved 8-bit picture, summed
    over tiles; `sizes`, (H, W) of each octave.
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
    most_pixels: ClassVar[int] = MOST_PIXELS
    version: ClassVar[int] = 2

    side: int = parameter(
        0,
        "scale smaller images up to this longer side",
        special={
            0: f"between {LEAST} and {LARGEST}, or the network's size if it takes no other",
            OWN_SIDE: f"the image's own size, up to {MOST_PIXELS / 1e6:g} megapixels",
        },
        unit="pixels",
        low=0,
        high=4096,
        source="chosen here",
    )
    octaves: int = parameter(
        0,
        "number of sizes, fewer where the smallest would be too small for the layer",
        special={0: f"by the network's size, as many as lead down to it, at least {LEAST_OCTAVES}"},
        low=0,
        high=24,
        source=f"seen to suit small inputs, whose things else stay tiny; {NOTEBOOK}: 4",
    )
    octave_scale: float = parameter(1.4, "from one size to the next", low=1.05, high=3.0, source=NOTEBOOK)
    iterations: int = parameter(
        20, "steps at each size", low=1, high=500, source="seen to suit; the notebook takes 10"
    )
    rate: float = parameter(
        2.0,
        "mean change of a value in a step",
        unit="1/255",
        low=0.0,
        high=50.0,
        source="seen to suit; the notebook takes 1.5",
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
        0.06,
        "blur of the gradient, the mean of Gaussian ones of half, once and twice this, at least "
        f"{LEAST_BLUR:g} pixel: without it, the strides before the layer weave a grid into the image",
        special={0: "no blur"},
        unit="strides of the layer",
        low=0.0,
        high=1.0,
        source="seen to suit, as in later DeepDreams; the notebook has none",
    )
    margin: float = parameter(
        0.125,
        "border of the image's own reflection, cut off in the end, as a share of its sides",
        special={0: "no border"},
        low=0.0,
        high=0.5,
        source="seen to suit; the notebook has none",
    )
    tile: int = parameter(
        512,
        "larger images are done in tiles of this side",
        unit="pixels",
        low=64,
        high=1024,
        source="TensorFlow tutorial",
    )
    seed: int = parameter(0, "of the shifts", low=0, high=2**31 - 1, source="chosen here")

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_layers_because(model)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        check_gradient(self.name, model, [inputs.layer])
        dream, inputs, sizes = self.fitted(model, inputs)
        yield from dream.dream(model, inputs, sizes)

    def fitted(self, model: Model, inputs: Inputs) -> tuple["Dream", Inputs, list[Size]]:
        """Return this dream, its inputs and `sizes`, changed for a network that takes one size alone.

        There it has neither smaller images nor a border; where no side is told, the image is cut to that
        size. ValueError where it is told a side that the network can't take.
        """
        try:
            return self, inputs, self.sizes(model, inputs)
        except ValueError:
            if self.side > OWN_SIDE:
                raise
        alone = replace(self, side=OWN_SIDE, margin=0.0, octaves=1)
        if self.side != OWN_SIDE:
            inputs = replace(inputs, image=covering(inputs.image[None], model.input_size)[0])
        return alone, inputs, alone.sizes(model, inputs)

    def dream(self, model: Model, inputs: Inputs, sizes: list[Size]) -> Iterator[Step]:
        """Yield the steps of a dream whose octaves have these sizes."""
        goal = objective(model, inputs, self.tile)
        original = resized(inputs.image[None].to(model.device), sizes[-1]).clamp(0, 1)
        blur = self.blur(model, inputs.layer)
        normalized = mean_normalized(self.rate / LEVELS)

        def rule(variable: Tensor, gradient: Tensor) -> Tensor:
            return normalized(variable, smoothed(gradient, blur))

        def score(images: Tensor) -> Tensor:
            return model.score(images, goal)

        uphill = tiled_slope(score, self.tile, self.jitter, Generator().manual_seed(self.seed))
        total = self.iterations * len(sizes)
        every = math.ceil(total / SHOWN_IMAGES)
        for index, (reached, image) in enumerate(self.dreamt(original, sizes, uphill, rule), 1):
            if index == 1 or index % every == 0:
                data = array(resized(image, sizes[-1])[0])
            step = Step(index, total, "image", data, reached)
            if index < total:
                yield step
        numbers = {
            "score_before": tiled_score(score, self.tile, original),
            "score_after": tiled_score(score, self.tile, eight_bit(image)),
            "sizes": [list(size) for size in sizes],
        }
        yield result(step, model.preprocessing, image[0], numbers)

    def dreamt(
        self, original: Tensor, sizes: list[Size], uphill: Slope, rule: Rule
    ) -> Iterator[tuple[float, Tensor]]:
        """Yield, after each step, the score and the image (1, C, H, W) at the octave's size."""
        framed = F.pad(original, self.frame(sizes[-1]), mode="reflect")
        detail = torch.zeros_like(framed)
        for size in sizes:
            left, right, top, bottom = self.frame(size)
            height, width = size[0] + top + bottom, size[1] + left + right
            base = resized(framed, (height, width)).clamp(0, 1)
            image = Pixels(base + resized(detail, (height, width)))
            image.constrain()
            for score in climb(image, uphill, rule, self.iterations):
                yield score, image.variable[..., top : height - bottom, left : width - right]
            detail = image.variable - base

    def frame(self, size: Size) -> tuple[int, int, int, int]:
        """Return the border of reflection around an octave: pixels on its left, right, top and bottom."""
        down, across = (round(self.margin * side) for side in size)
        return across, across, down, down

    def sizes(self, model: Model, inputs: Inputs) -> list[Size]:
        """Return (H, W) of each octave, growing.

        None is smaller than `least_side`. ValueError where the network can't take one of them.
        """
        height, width = canvas_size(inputs.image.shape[1:], self.side, LEAST, LARGEST)
        check_pixels("a dream", (height, width), MOST_PIXELS, "some ten copies of the picture")
        octaves = self.octaves or self.octaves_down(max(height, width) / max(model.input_size))
        factors = [self.octave_scale**-octave for octave in reversed(range(octaves))]
        sizes = [(round(height * factor), round(width * factor)) for factor in factors]
        least = least_side(model, inputs.layer)
        sizes = [size for size in sizes[:-1] if min(size) >= least] + sizes[-1:]
        for size in sizes:
            _, across, _, down = self.frame(size)
            framed = size[0] + 2 * down, size[1] + 2 * across
            check_takes(model, {inputs.layer}, tuple(-(-each // -(-each // self.tile)) for each in framed))
        return sizes

    def blur(self, model: Model, layer: str) -> float:
        """Return the deviation of the gradient's blur, in pixels."""
        return max(LEAST_BLUR, self.smooth * stride(model, layer)) if self.smooth else 0.0

    def octaves_down(self, times: float) -> int:
        """Return how many octaves lead to a size that is so many times smaller; the usual at least."""
        return max(LEAST_OCTAVES, 1 + round(math.log(times, self.octave_scale)))


def stride(model: Model, layer: str) -> float:
    """Return how many pixels of the image lie between two units of a layer's map, the larger of both ways."""
    found = model.layer(layer)
    return max(model.input_size[0] / found.height, model.input_size[1] / found.width)


def smoothed(gradient: Tensor, deviation: float) -> Tensor:
    """Return the mean of three blurs, so that fine and coarse patterns grow side by side."""
    return torch.stack([blurred(gradient, deviation * factor) for factor in (0.5, 1, 2)]).mean(0)


def least_side(model: Model, layer: str) -> int:
    """Return the least shorter side of an octave.

    It is a unit's receptive field, where the unit still sees nothing but the image, or, if that is less, a
    share of the network's input.
    """
    field = model.layer(layer).receptive_field
    return min(round(LEAST_SHARE * min(model.input_size)), max(field.y.size, field.x.size))


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
    try:
        check_takes(model, {inputs.layer}, guide.shape[2:])
    except ValueError:  # cut, as the image is, to the one size that the network takes
        guide = covering(guide, model.input_size)
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
