"""Model: a classification network that takes images in [0, 1] and owns everything between them and its
scores."""

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import fx, nn
from torch.nn.parameter import UninitializedParameter

from compute.demo.images import photograph
from compute.images.preprocessing import Preprocessing
from compute.images.raster import Photograph
from compute.models.layers import Layer, chosen_layers, described
from compute.models.naming import check_class, check_layer
from compute.models.objectives import Objective
from compute.models.work import work
from compute.network.choice import choose
from compute.network.layers.centers import Centers
from compute.network.outputs import ABOVE
from compute.network.receptive_field.walk import ReceptiveField, receptive_fields, whole_image
from compute.network.self_test import no_gradient_because
from compute.network.traced import FEATURES, LOGITS, TracedNetwork
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean

EXAMPLE = "skimage.data:astronaut.png"
"""The photograph that a network is tried on when it is loaded."""


class Model:
    """A frozen network in eval mode with its preprocessing and class names.

    Images are float tensors (N, C, H, W) in [0, 1]. Nothing here changes the network; a variant is a new
    Model.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessing: Preprocessing,
        classes: Iterable[str] | Callable[[int], Iterable[str]],
        name: str,
        device: str | torch.device = "cpu",
        scores: str | None = None,
        output: str | None = None,
        feature: str | None = None,
        layers: str | None = None,
    ):
        """
        module: takes normalised images (N, C, H, W); moved to the device, put into eval mode, and frozen.
        classes: their names, in the network's order (none without class scores), or what names so many.
        scores: what the class scores mean, one of `outputs.MEANINGS`; found by their values where left out.
        output: name or position of the class scores in what the network returns; else the first that fits.
        feature: the layer whose value is the feature; else what the class scores are computed from.
        layers: which layers are listed, see `chosen_layers`.

        Raises ValueError where the network doesn't run on its input size, has another number of scores than
        classes, or doesn't fit what is told of it.
        """
        self.name = name
        self.device = torch.device(device)
        self.preprocessing = preprocessing
        self.module = module.to(self.device).eval()
        self.dtype = _input_type(self.module)
        examples = self._examples()
        _freeze(self.module, examples)
        choice = choose(self.module, examples, scores=scores, chosen=output)
        count = choice.output.classes
        self.classes = unique_names(classes(count) if callable(classes) else classes)
        _check_count(count, self.classes, name)
        self.network, self.plain, self.output = choice.network, choice.plain, choice.output
        self.not_traced_because = choice.not_traced_because
        self.no_gradient_because = choice.no_gradient_because
        self.notes = choice.notes
        """What a user should know of how the network is run, a sentence each."""
        self._told = {"scores": scores, "output": output, "feature": feature, "layers": layers}
        self._no_gradients: dict[str, str | None] = {}
        if feature is not None:
            if feature not in self.network.names:
                raise ValueError(f"unknown layer {feature!r}{did_you_mean(feature, self.network.names)}")
            self.network.take_feature(feature)
        self._listed = chosen_layers(self.network, layers)

    @property
    def input_size(self) -> tuple[int, int]:
        return self.preprocessing.size

    @property
    def in_channels(self) -> int:
        return self.preprocessing.channels

    @property
    def graph(self) -> fx.Graph | None:
        """The traced graph (torch.fx.Graph), or None where the network could not be traced."""
        return self.network.graph

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over names, shapes, types and bytes of all parameters and buffers."""
        digest = hashlib.sha256()
        tensors = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        for name, value in sorted(tensors.items()):
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def work(self) -> float:
        """How much work the pass of one image of the input size is, see `compute.models.work`."""
        images = self._examples()
        return work(lambda: self.plain.run(images, {LOGITS})) / len(images)

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Those that are listed, in the order in which they run."""
        fields = self._receptive_fields()
        return {
            name: described(self.network, name, position, fields[name])
            for position, name in enumerate(self._listed)
        }

    @cached_property
    def centers(self) -> dict[str, Centers]:
        """Where the rows and columns of the listed layers' maps stand in the crop; without the layers of
        which that is not known, since each of their units sees the whole image, or nobody knows what."""
        by_field = {name: layer.centers for name, layer in self.layers.items()}
        unknown = [name for name, found in by_field.items() if found is None]
        known = by_field | (self.network.centers(unknown) if unknown else {})
        return {name: found for name, found in known.items() if found is not None}

    @property
    def convolutions(self) -> tuple[str, ...]:
        """Names of all convolutions that the network runs, in its order."""
        return tuple(self.network.convolutions)

    @property
    def first_layer(self) -> str:
        """Name of the convolution that comes first in the forward pass; ValueError where there is none."""
        if not self.convolutions:
            raise ValueError(f"{self.name} has no convolution, so it has no filters")
        return self.convolutions[0]

    def layer(self, name: str) -> Layer:
        """Raises ValueError for a name that is not a layer, with those that are."""
        check_layer(name, self.layers)
        return self.layers[name]

    def convolution(self, layer: str) -> nn.Conv2d:
        """The module of a layer, to read its weights; raises ValueError for a name that is not a layer."""
        return self.network.convolution(layer)

    def class_index(self, name: str) -> int:
        """Position of a class name among the scores; raises ValueError with near names."""
        if not self.classes:
            raise ValueError(f"{self.name} gives no class scores, so it has no class {name!r}")
        check_class(name, self.classes)
        return self.classes.index(name)

    def prepare(self, image: Photograph, whole: bool = False) -> torch.Tensor:
        """Return what the network sees of a photograph, before normalisation: (C, H, W) float32 in [0, 1].

        whole: not the network's crop but the picture in its own size, in the network's colors.
        """
        if not whole:
            return self.preprocessing.tensor(image)
        return replace(self.preprocessing, size=(image.height, image.width)).tensor(image)

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        """What the network itself takes, on its device; raises ValueError for anything but float images (N,
        C, H, W)."""
        if images.ndim != 4 or images.shape[1] != self.in_channels or not images.is_floating_point():
            raise ValueError(
                f"images are {images.dtype} of shape {tuple(images.shape)}; "
                f"{self.name} takes floats of shape (N, {self.in_channels}, H, W) in [0, 1]"
            )
        return self.preprocessing.normalize(images.to(self.device)).to(self.dtype)

    def activations(self, images: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values by site name (see `compute.network.traced`); the pass ends at the last site asked for.

        Scores and features of a network in half precision are given in float32.
        """
        values = self.network.run(self.normalize(images), sites)
        return {
            site: _single(value) if site in (LOGITS, FEATURES) else value for site, value in values.items()
        }

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(N, classes), before any softmax or sigmoid."""
        return self.activations(images, {LOGITS})[LOGITS]

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """(N, classes): of exclusive classes they add up to 1, independent ones have one each."""
        return self.output.probabilities(self.logits(images))

    def class_score(self, index: int) -> Objective:
        """What is explained and followed of a class: its score before any softmax or sigmoid.

        Of two classes with a single score z, z for the second and -z for the first.
        """
        return Objective(frozenset({LOGITS}), lambda a: self.output.score(a[LOGITS], index), f"logit {index}")

    def top_classes(self, image: Image.Image, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable classes of a photograph and their probabilities, the greatest first.

        Of independent labels all that the image has, even if they are more than `count`.
        """
        with torch.inference_mode():
            values, indices = self.output.ranked(self.logits(self.prepare(image)[None])[0])
        ranked = list(zip(values.tolist(), indices.tolist(), strict=True))
        count = max(count, self.output.independent * sum(value > ABOVE for value, _ in ranked))
        return [(self.classes[index], value) for value, index in ranked[:count]]

    def no_gradient_at(self, site: str) -> str | None:
        """Why no gradient reaches the image from a site (see `compute.network.traced`); None where one does.

        ValueError for a name that is not a layer.
        """
        if site == LOGITS:
            return self.no_gradient_because
        if site not in self._no_gradients:
            self._no_gradients[site] = self._no_gradient(site)
        return self._no_gradients[site]

    def _no_gradient(self, layer: str) -> str | None:
        reason = no_gradient_because(partial(self._value, layer), self._examples())
        return None if reason is None else f"no gradient of {layer} reaches the image: {reason}"

    def _value(self, site: str, images: torch.Tensor) -> torch.Tensor:
        return self.network.run(images, {site})[site]

    @property
    def facts(self) -> dict[str, Any]:
        """What was found out and told of the network, ready for JSON.

        scores: `meaning`, one of `outputs.MEANINGS`; `plain`, whether the network returns logits alone;
            `independent`, whether each class has a probability of its own; `told`, whether a user said so;
            `said`, in words
        feature: the layer that is the feature, None for what the scores are made of
        notes: what stepped aside and why, a sentence each
        not_traced_because, no_gradient_because: None where it is traced, and where there is one
        """
        output = self.output
        return {
            "scores": {
                "meaning": output.meaning,
                "plain": output.is_plain,
                "independent": output.independent,
                "told": not output.sought,
                "said": output.sentence,
            },
            "feature": self._told["feature"],
            "notes": list(self.notes),
            "not_traced_because": self.not_traced_because,
            "no_gradient_because": self.no_gradient_because,
        }

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(N, D): the input of the last linear layer."""
        return self.activations(images, {FEATURES})[FEATURES]

    def score(self, images: torch.Tensor, objective: Objective) -> torch.Tensor:
        """(N,) objective values, with the graph of `images` if they require a gradient."""
        return objective(self.activations(images, objective.sites))

    def gradient(self, images: torch.Tensor, objective: Objective) -> tuple[torch.Tensor, torch.Tensor]:
        """d score / d image for each image, in units of [0, 1] pixels: (N, C, H, W), and the scores (N,)."""
        with torch.enable_grad():
            images = images.detach().to(self.device).requires_grad_(True)
            score = self.score(images, objective)
            (gradient,) = torch.autograd.grad(score.sum(), images)
        return gradient.contiguous(), score.detach()

    def with_random_weights(self, seed: int) -> "Model":
        """A new Model of the same architecture whose parameters are drawn anew (Adebayo et al. 2018)."""
        module = copy.deepcopy(self.module).cpu()
        with seeded(seed):
            for each in module.modules():
                _draw_anew(each)
        name = f"{self.name} (random weights)"
        told = self._told | {"scores": self.output.meaning}
        return Model(module, self.preprocessing, self.classes, name, self.device, **told)

    def _examples(self) -> torch.Tensor:
        """What the network is tried on: noise and a photograph (2, C, H, W), normalised."""
        noise = torch.rand(1, self.in_channels, *self.input_size, generator=torch.Generator().manual_seed(0))
        return self.normalize(torch.cat([noise, _photograph(self.in_channels, self.input_size)]))

    def _receptive_fields(self) -> dict[str, ReceptiveField]:
        if not isinstance(self.network, TracedNetwork):
            return dict.fromkeys(self._listed, whole_image(self.input_size, "the network can't be traced"))
        fields = receptive_fields(self.network)
        return {name: fields[self.network.node(name)] for name in self._listed}


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Class names by which a class can be asked for: a name that occurs twice (ImageNet's "crane") gets its
    index."""
    names = tuple(names)
    counts = Counter(names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names))


def _freeze(module: nn.Module, images: torch.Tensor) -> None:
    """Weights take no gradient; those that get their shapes from the first images get them now."""
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        with torch.no_grad():
            module(images.clone())
    for each in module.parameters():
        each.requires_grad_(False)


def _input_type(module: nn.Module) -> torch.dtype:
    """The type of floats that a network computes with: that of its first weights."""
    known = (each for each in (*module.parameters(), *module.buffers()) if not nn.parameter.is_lazy(each))
    floats = (each.dtype for each in known if each.is_floating_point())
    return next(floats, torch.float32)


def _single(values: torch.Tensor) -> torch.Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _photograph(channels: int, size: tuple[int, int]) -> torch.Tensor:
    """(1, channels, H, W) in [0, 1]; in other than three channels its grey picture is repeated."""
    pixels = np.asarray(photograph(EXAMPLE).resize((size[1], size[0])), np.float32) / 255
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    return (image if channels == 3 else image.mean(0, keepdim=True).repeat(channels, 1, 1))[None]


def _check_count(count: int, classes: tuple[str, ...], name: str) -> None:
    if count != len(classes):
        raise ValueError(
            f"{name} gives {count} scores for an image, but there are {len(classes)} class names"
        )


def _draw_anew(module: nn.Module) -> None:
    """The module's own initialisation; of parameters without one, normal values of the same mean and
    spread."""
    initialise = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if initialise is not None:
        initialise()
        return
    for parameter in module.parameters(recurse=False):
        parameter.normal_(parameter.mean().item(), parameter.std(correction=0).item())
