"""The recipe that made the demo networks' shipped weights.

Stochastic gradient descent with Nesterov momentum on a one-cycle schedule (Smith & Topin 2018, "Super-
convergence"). Three things are for the first layer's filters, which are to be looked at:

- They start 50 times smaller than usual. The batch norm behind them makes their scale free, so the small
  start only means that the gradients soon outweigh the random values; else they keep looking like noise.
- Their gradients are whitened (`compute.demo.whitening.whitening`), or else most filters become flat colours.
- Filters that are alike are pushed apart (`compute.demo.whitening.likeness`)."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from compute.demo.augmentation import Sampler, digits_sampler, photographs_sampler
from compute.demo.images import Crop, demo_crops, digit_images
from compute.demo.networks import CLASSES, NETWORKS, PREPROCESSING, check_name
from compute.demo.whitening import likeness, random_patches, whitening

CROPS = {"demo": demo_crops, "digits": digit_images}
SAMPLERS: dict[str, Callable[[], Sampler]] = {"demo": photographs_sampler, "digits": digits_sampler}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside library versions."""

    network: str
    epochs: int
    images_an_epoch: int
    seed: int = 0
    batch: int = 64
    peak_rate: float = 0.15
    momentum: float = 0.9
    weight_decay: float = 2e-3
    label_smoothing: float = 0.05
    first_layer_scale: float = 0.02
    orthogonality: float = 0.01
    whitening_patches: int = 30_000
    threads: int = 2

    def __post_init__(self) -> None:
        check_name(self.network)
        for field in ("epochs", "images_an_epoch", "batch", "whitening_patches", "threads"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, must be at least 1")

    @property
    def steps(self) -> int:
        return self.epochs * math.ceil(self.images_an_epoch / self.batch)


RECIPES = {
    "demo": Recipe("demo", epochs=12, images_an_epoch=5120),
    "digits": Recipe("digits", epochs=40, images_an_epoch=1408),
}


@dataclass(frozen=True)
class TrainingStep:
    """One optimiser step of `total`: the batch's loss before it."""

    index: int
    total: int
    loss: float


def initial_network(recipe: Recipe) -> nn.Module:
    """The untrained network: PyTorch's default initialisation of the seed, first layer scaled down."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = NETWORKS[recipe.network]()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        first_filters(network).mul_(recipe.first_layer_scale)
    return network


def first_filters(network: nn.Module) -> nn.Parameter:
    """The weight of a demo network's first convolution, (F, C, h, w)."""
    return network.get_parameter("conv1.weight")


def train(network: nn.Module, recipe: Recipe) -> Iterator[TrainingStep]:
    """Trains the network in place, one step at a time; in evaluation mode once the iterator is exhausted."""
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.peak_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, recipe.steps, cycle_momentum=False
    )
    sampler, rng = SAMPLERS[recipe.network](), np.random.default_rng(recipe.seed)
    filters = first_filters(network)
    filters.register_hook(first_layer_whitening(recipe, filters.shape[-1]))
    network.train()
    for index in range(recipe.steps):
        images, labels = sampler(rng, recipe.batch)
        logits = network(normalize(images, recipe.network))
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        (loss + recipe.orthogonality * likeness(filters)).backward()
        optimizer.step()
        schedule.step()
        yield TrainingStep(index, recipe.steps, loss.item())
    network.eval()


def first_layer_whitening(recipe: Recipe, size: int) -> Callable[[Tensor], Tensor]:
    """What changes the first layer's (F, C, size, size) gradient, from patches of the training images."""
    crops = [crop for crop in CROPS[recipe.network]() if crop.split == "train"]
    images = normalize(torch.stack([pixels(crop) for crop in crops]), recipe.network)
    rng = np.random.default_rng(recipe.seed)
    matrix = whitening(random_patches(rng, images, size, recipe.whitening_patches))
    return lambda gradient: (gradient.flatten(1) @ matrix).view(gradient.shape)


def pixels(crop: Crop) -> Tensor:
    """The crop as a (C, H, W) float32 tensor in [0, 1]."""
    values = np.asarray(crop.image(), dtype=np.float32) / 255
    return torch.from_numpy(values.reshape(crop.size, crop.size, -1)).permute(2, 0, 1)


def normalize(images: Tensor, name: str) -> Tensor:
    """(N, C, H, W) images in [0, 1] -> what the network `name` takes, channels last in memory."""
    facts = PREPROCESSING[name]
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (facts.mean, facts.std))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def predictions(network: nn.Module, name: str, crops: list[Crop], batch: int = 64) -> list[str]:
    """The class that the network gives each crop."""
    network.eval()
    indices = []
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            images = torch.stack([pixels(crop) for crop in crops[start : start + batch]])
            indices += network(normalize(images, name)).argmax(1).tolist()
    return [CLASSES[name][index] for index in indices]


def accuracy(network: nn.Module, name: str, split: str) -> float:
    """Share of the split's listed crops that the network gives their own class."""
    crops = [crop for crop in CROPS[name]() if crop.split == split]
    predicted = predictions(network, name, crops)
    correct = sum(crop.label == given for crop, given in zip(crops, predicted, strict=True))
    return correct / len(crops)


def save_weights(network: nn.Module, facts: dict, path: Path) -> None:
    """Writes the state_dict as safetensors, `facts` as JSON in its metadata."""
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file(tensors, path, metadata={"facts": json.dumps(facts)})


def training_facts(network: nn.Module, recipe: Recipe) -> dict:
    """What `compute.demo.networks.demo_metadata` reads back: the recipe, and what came of it."""
    name = recipe.network
    return {
        "recipe": asdict(recipe),
        "train_accuracy": accuracy(network, name, "train"),
        "test_accuracy": accuracy(network, name, "test"),
        "test_images": sum(crop.split == "test" for crop in CROPS[name]()),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
