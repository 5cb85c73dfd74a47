"""Tiny seeded networks, each with something that a tool for any network has to get right. Images are 3 x 24 x
20."""

import torch
from torch import nn
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.models.model import Model

SIZE = (24, 20)
CLASSES = ("ant", "bee", "cow", "dog", "eel")
PREPROCESSING = Preprocessing(SIZE, 24, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
GREY = Preprocessing(SIZE, 24, (0.4,), (0.2,))


def seeded(kind: type[nn.Module], seed: int = 0) -> nn.Module:
    """A network of that kind in eval mode, with batch norms that do something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind()
        for each in network.modules():
            if isinstance(each, nn.BatchNorm2d):
                nn.init.normal_(each.running_mean, std=0.3)
                nn.init.uniform_(each.running_var, 0.5, 1.5)
                nn.init.normal_(each.weight)
                nn.init.normal_(each.bias, std=0.3)
    return network.eval()


def model_of(kind: type[nn.Module], seed: int = 0, preprocessing: Preprocessing = PREPROCESSING) -> Model:
    return Model(seeded(kind, seed), preprocessing, CLASSES, kind.__name__)


def noise(number: int = 2, seed: int = 0, channels: int = 3, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Images (N, C, H, W) in [0, 1]."""
    return torch.rand(number, channels, *size, generator=torch.Generator().manual_seed(seed))


class Base(nn.Module):
    """Two convolutions with batch norm, and one linear layer; what lies between them differs."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, len(CLASSES))

    def head(self, x):
        return self.fc(x.mean((2, 3)))


class Functional(Base):
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        return self.head(F.relu(self.bn2(self.conv2(x)), inplace=True))


class Residual(Base):
    """One ReLU module used three times in place, and an addition in place."""

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(x))
        y += x
        return self.head(self.relu(self.relu(y)))


class Discarding(Base):
    """What an in-place operation returns is thrown away, and its input read again."""

    def forward(self, x):
        x = self.conv1(x)
        self.relu(x)
        y = self.bn2(self.conv2(x))
        y.clamp_(min=0)
        F.hardtanh_(x, -0.5, 0.5)
        return self.head(x + y)


class Optional(Base):
    """Arguments that nobody gives."""

    def forward(self, x, mask=None, scale=2.0, *, normalise=True):
        x = F.relu(self.conv1(x)) * scale
        if mask is not None:
            x = x * mask
        return self.head(self.bn1(x) if normalise else x)


class Branching(Base):
    """What is done depends on the values: can't be traced."""

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        if x.mean() > -1e9:
            x = self.relu(self.conv2(x))
        return self.head(x)


class WritingToView(Base):
    """Writes over a part of a tensor, and reads the whole: the graph would not know."""

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        part = x[:, :3]
        part.relu_()
        return self.head(self.conv2(x))


class Aliased(Base):
    """`+=` on one name of a tensor that has another: traced, it would be a new tensor."""

    def forward(self, x):
        x = self.conv1(x)
        y = x
        y += 1
        return self.head(self.conv2(x))


class EndsInSoftmax(Base):
    def forward(self, x):
        return self.head(self.relu(self.conv1(x))).softmax(1)


class EndsInLogSoftmax(Base):
    def __init__(self):
        super().__init__()
        self.last = nn.LogSoftmax(1)

    def forward(self, x):
        return self.last(self.head(self.relu(self.conv1(x))))


class BranchingSoftmax(EndsInLogSoftmax):
    def forward(self, x):
        x = self.conv1(x)
        return self.last(self.head(self.relu(x if x.mean() > -1e9 else self.bn1(x))))


class AllConvolutional(nn.Module):
    """Class maps that are pooled, as in SqueezeNet."""

    def __init__(self):
        super().__init__()
        self.conv1, self.classes = nn.Conv2d(3, 6, 3, 2), nn.Conv2d(6, len(CLASSES), 1)

    def forward(self, x):
        return F.relu(self.classes(F.relu(self.conv1(x)))).mean((2, 3))


class Tokens(nn.Module):
    """A linear layer on every place before the scores are pooled, and a factor behind it."""

    def __init__(self):
        super().__init__()
        self.embed, self.fc = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, len(CLASSES))
        self.scale = nn.Parameter(torch.tensor([2.0]))
        self.position = nn.Parameter(torch.randn(1, 30, 6))

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        return self.scale * self.fc(x).mean(1)


class Shared(Base):
    """One convolution that runs twice, and one that never does."""

    def forward(self, x):
        return self.head(F.silu(self.conv2(F.relu(self.conv2(self.conv1(x))))))


class OneChannel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, len(CLASSES))

    def forward(self, x):
        return self.fc(F.relu(self.conv1(x)).amax((2, 3)))
