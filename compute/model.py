"""Model: a classification network that takes images in [0, 1] and owns everything between them and its scores."""

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image
from torch import nn

from compute.graph import FEATURES, LOGITS, TracedNetwork
from compute.hooked import HookedNetwork
from compute.objectives import Objective
from compute.preprocessing import Preprocessing
from compute.receptive_fields import ReceptiveField, receptive_fields


@dataclass(frozen=True)
class Layer:
    """A convolution, named as in `named_modules()`.

    kind: such as "conv 3x3 /2". tap: where its value is read, such as "conv+bn+relu". height, width: of its map for
    the network's input size. receptive_field: None where the network could not be traced.
    """

    name: str
    kind: str
    tap: str
    position: int
    in_channels: int
    channels: int
    height: int
    width: int
    receptive_field: ReceptiveField | None


class Model:
    """A frozen network in eval mode with its preprocessing and class names.

    Images are float tensors (N, C, H, W) in [0, 1]. Nothing here changes the network; a variant is a new Model.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessing: Preprocessing,
        classes: Iterable[str],
        name: str,
        device: str | torch.device = "cpu",
    ):
        """module: maps normalised (N, C, H, W) to (N, classes).

        Raises ValueError where the network doesn't run on its input size or has another number of scores than classes.
        """
        self.name = name
        self.device = torch.device(device)
        self.preprocessing = preprocessing
        self.module = module.to(self.device).eval().requires_grad_(False)
        self.classes = unique_names(classes)
        self.network = self._trace()
        self._check_scores()

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
        for name, value in sorted(self.module.state_dict().items()):
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """Every convolution in the order of the network."""
        if isinstance(self.network, HookedNetwork):
            return {
                name: _layer(name, self.network.convolutions[name], "conv", position, shape, None)
                for position, (name, shape) in enumerate(self.network.shapes.items())
            }
        fields = receptive_fields(self.network)
        return {
            name: _layer(
                name,
                self.network.module_of(site.convolution),
                site.tap,
                position,
                tuple(site.post.meta["tensor_meta"].shape),
                fields[site.post],
            )
            for position, (name, site) in enumerate(self.network.sites.items())
        }

    def layer(self, name: str) -> Layer:
        """Raises ValueError for a name that is not a layer, with those that are."""
        if name not in self.layers:
            raise ValueError(f"unknown layer {name!r}; choose from {', '.join(self.layers)}")
        return self.layers[name]

    def class_index(self, name: str) -> int:
        """Position of a class name among the scores; raises ValueError with near names."""
        if name not in self.classes:
            listed = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
            raise ValueError(f"unknown class {name!r}; choose from {listed}")
        return self.classes.index(name)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """(C, H, W) float32 in [0, 1]: what the network sees of a photograph, before normalisation."""
        return self.preprocessing.tensor(image)

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        return self.preprocessing.normalize(images.to(self.device))

    def activations(self, images: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values by site name (see `compute.graph`); the pass ends at the last site asked for."""
        return self.network.run(self.normalize(images), sites)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(N, classes), before any softmax."""
        return self.activations(images, {LOGITS})[LOGITS]

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits(images).softmax(1)

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
        return gradient, score.detach()

    def with_random_weights(self, seed: int) -> "Model":
        """A new Model of the same architecture whose parameters are drawn anew (Adebayo et al. 2018)."""
        module = copy.deepcopy(self.module)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for each in module.modules():
                if hasattr(each, "reset_parameters"):
                    each.reset_parameters()
        return Model(module, self.preprocessing, self.classes, f"{self.name} (random weights)", self.device)

    def _trace(self) -> TracedNetwork | HookedNetwork:
        example = torch.zeros(1, self.in_channels, *self.input_size, device=self.device)
        try:
            return TracedNetwork(self.module, example)
        except ValueError as reason:
            self.not_traced_because = str(reason)
            return HookedNetwork(self.module, example)

    not_traced_because: str | None = None

    def _check_scores(self) -> None:
        with torch.inference_mode():
            example = torch.zeros(1, self.in_channels, *self.input_size)
            scores = self.logits(example)
        if scores.ndim != 2 or scores.shape[1] != len(self.classes):
            raise ValueError(
                f"{self.name} gives scores of shape {tuple(scores.shape)} for one image, "
                f"but there are {len(self.classes)} class names"
            )


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Class names by which a class can be asked for: a name that occurs twice (ImageNet's "crane") gets its index."""
    names = tuple(names)
    return tuple(f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names))


def _layer(name, convolution, tap, position, shape, field) -> Layer:
    _, channels, height, width = shape
    return Layer(name, _kind(convolution), tap, position, convolution.in_channels, channels, height, width, field)


def _kind(convolution: nn.Conv2d) -> str:
    height, width = convolution.kernel_size
    parts = [f"conv {height}x{width}"]
    if max(convolution.stride) > 1:
        parts.append(f"/{convolution.stride[0]}")
    if max(convolution.dilation) > 1:
        parts.append(f"dilation {convolution.dilation[0]}")
    if convolution.groups > 1:
        depthwise = convolution.groups == convolution.in_channels
        parts.append("depthwise" if depthwise else f"{convolution.groups} groups")
    return " ".join(parts)
