"""Tiny seeded networks that between them have what breaks careless code: in-place and re-used ReLUs, one
channel, non-square input, a forward pass that can't be traced, and nonlinearities other than ReLU."""

import torch
from torch import nn
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.models.model import Model
from tests.support.networks import tokens

CLASSES = ("ant", "bee", "cat", "dog", "elk")
MEAN, STD = (0.45, 0.4, 0.5), (0.2, 0.25, 0.3)


class Plain(nn.Sequential):
    """Convolution, batch norm and ReLU modules, one after the other."""

    def __init__(self, channels: int = 3, nonlinearity: type[nn.Module] = nn.ReLU):
        super().__init__(
            nn.Conv2d(channels, 8, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(8),
            nonlinearity(),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nonlinearity(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 10, 3, padding=1),
            nonlinearity(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(10, len(CLASSES)),
        )


class Reused(nn.Module):
    """One in-place ReLU module used twice, a functional in-place one, and a residual connection."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.relu(self.norm(self.stem(images)))
        branch = F.relu(self.conv1(maps), inplace=True)
        maps = self.relu(maps + self.conv2(branch))
        return self.head(maps.mean((2, 3)))


class Untraceable(Plain):
    """Looks at the values that it is given, which a tracer can't."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images if images.sum() > -1e9 else -images)


def tiny_model(name: str = "plain") -> Model:
    """One of NETWORKS with its random, seeded weights and lively batch norms."""
    build, (height, width), channels = NETWORKS[name]
    torch.manual_seed(3)
    network = build()
    for each in network.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.2)
            each.running_var.uniform_(0.5, 2)
            each.weight.data.uniform_(-1, 2)
            each.bias.data.normal_(0, 0.2)
    preprocessing = Preprocessing((height, width), None, MEAN[:channels], STD[:channels])
    return Model(network, preprocessing, CLASSES, name)


def tiny_image(model: Model, seed: int = 0) -> torch.Tensor:
    """(C, H, W) in [0, 1], every value k/255: coarse blobs and some noise."""
    generator = torch.Generator().manual_seed(seed)
    height, width = model.input_size
    coarse = torch.rand(1, model.in_channels, 5, 5, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic")[0]
    noise = 0.1 * torch.randn(smooth.shape, generator=generator)
    return ((smooth + noise).clamp(0, 1) * 255).round() / 255


def crops(model: Model, number: int = 5, seed: int = 0) -> torch.Tensor:
    """(number, C, H, W) in [0, 1], noise."""
    shape = (number, model.in_channels, *model.input_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


NETWORKS = {
    "plain": (Plain, (24, 24), 3),
    "reused": (Reused, (24, 24), 3),
    "grey": (lambda: Plain(channels=1), (24, 24), 1),
    "wide": (Plain, (20, 28), 3),
    "untraceable": (Untraceable, (24, 24), 3),
    "tokens": (tokens.ViT, tokens.SIZE, 3),
    "gelu": (lambda: Plain(nonlinearity=nn.GELU), (24, 24), 3),
}
