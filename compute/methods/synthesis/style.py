"""Style transfer: the content of one image in the style of another.

    x* = argmin w_c |F(x) - F(c)|² / |F(c)|² + w_s mean_l |G_l(x) - G_l(s)|² / |G_l(s)|² + w_tv TV(x)

F: the content layer's activations; G_l = F_l F_lᵀ / places, the Gram matrix of a style layer: which of its
channels go together, wherever. c, s: the content and the style image. Reference: Gatys, Ecker & Bethge 2016,
"Image Style Transfer Using Convolutional Neural Networks"; CS231n. The division by the norms is ours: it
makes the weights the same for every network.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from compute.images.saved_image import eight_bit
from compute.methods.base import IMAGE, LAYER, SECOND, Inputs, Method, Step
from compute.methods.optimize.loop import Adam, climb, result, slope, watched
from compute.methods.optimize.parameterizations import Pixels
from compute.methods.optimize.regularizers import total_variation
from compute.methods.optimize.transforms import canvas_size, check_pixels, covering, resized, shifts
from compute.methods.requirements import (
    check_gradient,
    check_takes,
    followed_layers,
    no_layers_because,
    spread_layers,
)
from compute.models.model import Model
from compute.runtime.parameters import parameter

CONTENT_DEPTH = 0.6
LEAST, LARGEST, OWN_SIDE = 256, 384, 1
MOST_PIXELS = 1_250_000
"""Of a canvas. A megapixel takes some 340 MB with a small network and 2 GB with a large one: what all layers
give is held for the gradient, and a Gram matrix is of the whole picture, so there are no tiles."""
GATYS, CS231N = "Gatys et al. 2016", "CS231n"
Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class StyleTransfer(Method):
    """Inputs: the content image and, second, the style image, each (C, H, W) of any size; perhaps the content
    layer (default: at six tenths of the network's depth).

    The network is run convolutionally, and the result has the content image's aspect ratio, and a size that
    follows from `side` (in networks of one size: theirs). A step's score is minus the sum above. numbers, of
    the saved 8-bit picture: `content_error` and `style_error`, the two ratios above without weights;
    `style_error_before`, of the content image; `content_layer`, `style_layers`.
    """

    name: ClassVar[str] = "style"
    title: ClassVar[str] = "Style transfer"
    theory: ClassVar[str] = (
        "Where a layer's channels are active is content; which of them are active together, wherever, is "
        "style. An image is sought that has the one of the first image and the other of the second."
    )
    reference: ClassVar[str] = (
        "Gatys, Ecker & Bethge 2016, Image Style Transfer Using Convolutional Neural Networks"
    )
    output: ClassVar[str] = "image"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE, SECOND})
    takes: ClassVar[frozenset[str]] = frozenset({LAYER})
    without_layer: ClassVar[str] = "one in the middle of the network"
    any_size: ClassVar[bool] = True
    most_pixels: ClassVar[int] = MOST_PIXELS
    version: ClassVar[int] = 2

    side: int = parameter(
        0,
        "scale smaller images up to this longer side",
        special={
            0: f"between {LEAST} and {LARGEST}, or the network's size if it takes no other",
            OWN_SIDE: f"every image's own size, up to {MOST_PIXELS / 1e6:g} megapixels",
        },
        unit="pixels",
        low=0,
        high=2048,
        source="chosen here",
    )
    iterations: int = parameter(200, "steps of Adam", low=1, high=4096, source=CS231N)
    rate: float = parameter(
        0.02, "Adam's step, in values of [0, 1]", low=0.0, high=1.0, source="seen to suit"
    )
    content_weight: float = parameter(3.0, "w_c", low=0.0, high=1e6, source="seen to suit")
    style_weight: float = parameter(10.0, "w_s", low=0.0, high=1e6, source="seen to suit")
    total_variation: float = parameter(
        50.0, "w_tv", low=0.0, high=1e6, source="seen to suit; the term: CS231n"
    )
    style_layers: int = parameter(
        5,
        "number of style layers, spread over the network's depth, first and last included",
        low=1,
        high=64,
        source=GATYS,
    )
    jitter: int = parameter(
        8,
        "each step rolls image and content alike by up to ± this, so that no grid of the strides shows",
        unit="pixels",
        low=0,
        high=64,
        source="chosen here",
    )
    from_noise: bool = parameter(False, "start from noise, not from the content image", source=GATYS)
    seed: int = parameter(0, "of jitter and noise", low=0, high=2**31 - 1, source="chosen here")

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_layers_because(model)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        content_layer, style_layers = inputs.layer or self.content_layer(model), self.layers(model)
        check_gradient(self.name, model, (content_layer, *style_layers))
        content = self.canvas(model, inputs.image, {content_layer, *style_layers}).to(model.device)
        style = self.canvas(model, inputs.second, set(style_layers)).to(model.device)
        losses = Losses.of(model, style, content_layer, style_layers)
        generator = Generator().manual_seed(self.seed)
        image = Pixels(self.start(content, generator))

        def score(images: Tensor) -> Tensor:
            roll = shifts((self.jitter, self.jitter), generator)
            of_content, of_style = losses(torch.roll(images, roll, (2, 3)), torch.roll(content, roll, (2, 3)))
            prior = self.total_variation * total_variation(images)
            return -(self.content_weight * of_content + self.style_weight * of_style + prior)

        scores = climb(image, slope(score), Adam(self.rate), self.iterations)
        for step in watched(scores, image, self.iterations):
            if step.index < step.total:
                yield step
        numbers = losses.numbers(content, eight_bit(image.variable))
        yield result(step, model.preprocessing, image.variable[0], numbers)

    def canvas(self, model: Model, image: Tensor, layers: set[str]) -> Tensor:
        """Return an image (C, H, W) as (1, C, H', W') in [0, 1] at the size that it is worked on in.

        ValueError where it is told a side that the network can't take, or that makes more than MOST_PIXELS.
        """
        size = canvas_size(image.shape[1:], self.side, LEAST, LARGEST)
        check_pixels(self.title.lower(), size, MOST_PIXELS, "the values of all layers")
        try:
            check_takes(model, layers, size)
        except ValueError:
            if self.side:
                raise
            return covering(image[None], model.input_size)
        return resized(image[None], size).clamp(0, 1)

    def start(self, content: Tensor, generator: Generator) -> Tensor:
        return (
            torch.rand(content.shape, generator=generator).to(content.device) if self.from_noise else content
        )

    def layers(self, model: Model) -> tuple[str, ...]:
        """Return the style layers, from the first convolution to the last."""
        return spread_layers(model, self.style_layers)

    def content_layer(self, model: Model) -> str:
        names = list(model.layers)
        wanted = names[round(CONTENT_DEPTH * (len(names) - 1))]
        return (followed_layers(model, [wanted]) or followed_layers(model, names))[-1]


@dataclass(frozen=True)
class Losses:
    """How far an image is from the wanted content and style.

    activations: runs images, and returns the activations of the content layer and of the style layers
    content_layer: its name
    grams: the style image's Gram matrices by layer
    """

    activations: Callable[[Tensor], Activations]
    content_layer: str
    grams: Activations

    @classmethod
    def of(cls, model: Model, style: Tensor, content_layer: str, style_layers: tuple[str, ...]) -> "Losses":
        with torch.no_grad():
            values = model.activations(style, set(style_layers))
            grams = {layer: gram(values[layer]) for layer in style_layers}
        sites = {content_layer, *style_layers}
        return cls(lambda images: model.activations(images, sites), content_layer, grams)

    def __call__(self, images: Tensor, content: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared relative errors of content and of style, (1,) each.

        images, content: (1, C, H, W) each
        The error of style is the mean over its layers.
        """
        values = self.activations(images)
        with torch.no_grad():
            wanted = self.activations(content)[self.content_layer]
        of_style = [relative(gram(values[layer]), each) for layer, each in self.grams.items()]
        return relative(values[self.content_layer], wanted), torch.stack(of_style).mean(0)

    def numbers(self, content: Tensor, result: Tensor) -> dict:
        with torch.inference_mode():
            content_error, style_error = self(result, content)
            _, style_error_before = self(content, content)
        return {
            "content_error": float(content_error),
            "style_error": float(style_error),
            "style_error_before": float(style_error_before),
            "content_layer": self.content_layer,
            "style_layers": list(self.grams),
        }


def gram(activations: Tensor) -> Tensor:
    """Return the Gram matrices (N, C, C) of activations (N, C, h, w).

    An entry is the mean over places of the product of two channels: equation 5 of Gatys et al. 2016, divided
    by the number of places, so that images of different sizes compare.
    """
    vectors = activations.flatten(2)
    return vectors @ vectors.transpose(1, 2) / vectors.shape[2]


def relative(values: Tensor, wanted: Tensor) -> Tensor:
    """Return (N,): |values - wanted|² / |wanted|²; the numerator alone where `wanted` is 0."""
    norm = wanted.square().sum()
    return (values - wanted).square().flatten(1).sum(1) / torch.where(norm > 0, norm, 1.0)
