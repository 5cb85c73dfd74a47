"""Model: a classification network that takes images in [0, 1] and owns everything between them and its
scores."""

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from PIL import Image
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.models.objectives import Objective
from compute.network.folded import FoldedNetwork
from compute.network.hooked import HookedNetwork
from compute.network.receptive_field.walk import ReceptiveField, receptive_fields, whole_image
from compute.network.traced import FEATURES, LOGITS, TracedNetwork
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean


@dataclass(frozen=True)
class Layer:
    """A convolution, named as in `named_modules()`.

    kind: such as "conv 3x3 /2". tap: where its value is read, such as "conv+bn+relu". height, width: of its
    map for the network's input size. receptive_field: the whole image where the network could not be traced.
    """

    name: str
    kind: str
    tap: str
    position: int
    in_channels: int
    channels: int
    height: int
    width: int
    receptive_field: ReceptiveField


class Model:
    """A frozen network in eval mode with its preprocessing and class names.

    Images are float tensors (N, C, H, W) in [0, 1]. Nothing here changes the network; a variant is a new
    Model.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessing: Preprocessing,
        classes: Iterable[str],
        name: str,
        device: str | torch.device = "cpu",
    ):
        """module: maps normalised (N, C, H, W) to (N, classes); moved to the device, put into eval mode, and
        frozen.

        Raises ValueError where the network doesn't run on its input size or has another number of scores than
        classes.
        """
        self.name = name
        self.device = torch.device(device)
        self.preprocessing = preprocessing
        self.classes = unique_names(classes)
        self.module = module.to(self.device)
        _check_count(count_scores(self.module, preprocessing), self.classes, name)
        self.module.requires_grad_(False)
        self.not_traced_because: str | None = None
        self.network = self._traced_or_hooked()

    @property
    def input_size(self) -> tuple[int, int]:
        return self.preprocessing.size

    @property
    def in_channels(self) -> int:
        return self.preprocessing.channels

    @property
    def graph(self):
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
    def layers(self) -> dict[str, Layer]:
        """Every convolution that the network runs, in its order."""
        fields = self._receptive_fields()
        return {
            name: _layer(self.network, name, position, fields[name]) for position, name in enumerate(fields)
        }

    @property
    def first_layer(self) -> str:
        """Name of the convolution that comes first in the forward pass; ValueError where there is none."""
        if not self.layers:
            raise ValueError(f"{self.name} has no convolution, so it has no filters")
        return next(iter(self.layers))

    def layer(self, name: str) -> Layer:
        """Raises ValueError for a name that is not a layer, with those that are."""
        if name not in self.layers:
            raise ValueError(f"unknown layer {name!r}{did_you_mean(name, tuple(self.layers))}")
        return self.layers[name]

    def convolution(self, layer: str) -> nn.Conv2d:
        """The module of a layer, to read its weights; raises ValueError for a name that is not a layer."""
        return self.network.convolution(layer)

    def class_index(self, name: str) -> int:
        """Position of a class name among the scores; raises ValueError with near names."""
        if name not in self.classes:
            raise ValueError(f"unknown class {name!r}{did_you_mean(name, self.classes)}")
        return self.classes.index(name)

    def prepare(self, image: Image.Image, whole: bool = False) -> torch.Tensor:
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
        return self.preprocessing.normalize(images.to(self.device))

    def activations(self, images: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values by site name (see `compute.network.traced`); the pass ends at the last site asked for."""
        return self.network.run(self.normalize(images), sites)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(N, classes), before any softmax."""
        return self.activations(images, {LOGITS})[LOGITS]

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits(images).softmax(1)

    def top_classes(self, image: Image.Image, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable classes of a photograph and their probabilities, the greatest first."""
        with torch.inference_mode():
            probabilities = self.probabilities(self.prepare(image)[None])[0]
        values, indices = probabilities.topk(min(count, len(self.classes)))
        return [
            (self.classes[index], value)
            for index, value in zip(indices.tolist(), values.tolist(), strict=True)
        ]

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
        return Model(module, self.preprocessing, self.classes, f"{self.name} (random weights)", self.device)

    def _receptive_fields(self) -> dict[str, ReceptiveField]:
        if self.graph is None:
            return dict.fromkeys(
                self.network.names, whole_image(self.input_size, "the network can't be traced")
            )
        fields = receptive_fields(self.network)
        return {name: fields[self.network.node(name)] for name in self.network.names}

    def _traced_or_hooked(self) -> TracedNetwork | HookedNetwork:
        example = _example(self.preprocessing, self.device)
        for kind in (FoldedNetwork, TracedNetwork):
            try:
                return kind(self.module, example)
            except ValueError as error:
                reason = str(error)
        self.not_traced_because = reason
        return HookedNetwork(self.module, example)


def count_scores(module: nn.Module, preprocessing: Preprocessing) -> int:
    """How many class scores `module` gives; puts it into eval mode.

    Raises ValueError where it doesn't run on an image of the preprocessing's size, or gives anything but one
    tensor (N, classes).
    """
    device = next(module.parameters(), torch.empty(0)).device
    name, (height, width) = type(module).__name__, preprocessing.size
    try:
        # Not inference mode: what a network computes once and keeps must still take part in gradients later.
        with torch.no_grad():
            scores = module.eval()(_example(preprocessing, device))
    except Exception as error:  # whatever the network's own code raises
        raise ValueError(
            f"{name} doesn't run on an image of {preprocessing.channels} x {height} x {width} "
            f"(channels, height, width): {type(error).__name__}: {error}"
        ) from error
    if not isinstance(scores, torch.Tensor):
        raise ValueError(f"{name} returns {type(scores).__name__}, not one tensor of class scores")
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(
            f"{name} gives scores of shape {tuple(scores.shape)} for one image, not (1, classes)"
        )
    return scores.shape[1]


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Class names by which a class can be asked for: a name that occurs twice (ImageNet's "crane") gets its
    index."""
    names = tuple(names)
    counts = Counter(names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names))


def _example(preprocessing: Preprocessing, device: torch.device) -> torch.Tensor:
    """One normalised image (1, C, H, W) of uniform noise, always the same."""
    noise = torch.rand(
        1, preprocessing.channels, *preprocessing.size, generator=torch.Generator().manual_seed(0)
    )
    return preprocessing.normalize(noise).to(device)


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


def _layer(network: TracedNetwork | HookedNetwork, name: str, position: int, field: ReceptiveField) -> Layer:
    convolution = network.convolution(name)
    _, channels, height, width = network.shape(name)
    return Layer(
        name=name,
        kind=_kind(convolution),
        tap=network.tap(name),
        position=position,
        in_channels=convolution.in_channels,
        channels=channels,
        height=height,
        width=width,
        receptive_field=field,
    )


def _kind(convolution: nn.Conv2d) -> str:
    parts = ["conv {}x{}".format(*convolution.kernel_size)]
    if max(convolution.stride) > 1:
        parts.append(f"/{_per_axis(convolution.stride)}")
    if max(convolution.dilation) > 1:
        parts.append(f"dilation {_per_axis(convolution.dilation)}")
    if convolution.groups > 1:
        depthwise = convolution.groups == convolution.in_channels
        parts.append("depthwise" if depthwise else f"{convolution.groups} groups")
    return " ".join(parts)


def _per_axis(sizes: tuple[int, int]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}x{sizes[1]}"
