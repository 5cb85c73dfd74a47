"""Tiny networks whose scores mean something else than logits of exclusive classes, in every way that people
write them. Images are those of `odd`.

`z` gives each network's logits: confident ones, as trained networks have.
"""

import torch
from torch import nn
from torch.nn import functional as F

from tests.support.networks.odd import Base


class Logits(Base):
    """What the others make probabilities of."""

    classes = 5

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, self.classes)

    def z(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        return 20 * self.head(F.relu(self.bn2(self.conv2(x))))

    def forward(self, x):
        return self.z(x)


class Softmax(Logits):
    def forward(self, x):
        return self.z(x).softmax(1)


class CastSoftmax(Logits):
    def forward(self, x):
        return self.z(x).softmax(1).half().float()


class ReshapedSoftmax(Logits):
    def forward(self, x):
        return F.softmax(self.z(x), 1).view(-1, 5)


class ClampedSoftmax(Logits):
    def forward(self, x):
        return self.z(x).softmax(1).clamp(1e-7, 1)


class WidelyClampedSoftmax(Logits):
    """Doesn't quite add up to 1."""

    def forward(self, x):
        return self.z(x).softmax(1).clamp(2e-3, 1)


class ExponentialOfLogSoftmax(Logits):
    def forward(self, x):
        return F.log_softmax(self.z(x), 1).exp()


class SoftmaxByHand(Logits):
    def forward(self, x):
        z = self.z(x)
        e = (z - z.amax(1, keepdim=True)).exp()
        return e / e.sum(1, keepdim=True)


class Ensemble(nn.Module):
    """The mean of two networks' probabilities."""

    kind = Softmax

    def __init__(self):
        super().__init__()
        self.one, self.other = self.kind(), self.kind()

    def forward(self, x):
        return (self.one(x) + self.other(x)) / 2


class UntraceableSoftmax(Logits):
    def forward(self, x):
        z = self.z(x)
        return z.softmax(1) if x.mean() > -1e9 else z


class UntraceableSoftmaxModule(Logits):
    """Its last module is a softmax that makes something else than the scores."""

    def __init__(self):
        super().__init__()
        self.attention = nn.Softmax(1)

    def forward(self, x):
        z = self.z(x)
        return z + 0 * self.attention(z) if x.mean() > -1e9 else z


class LogSoftmax(Logits):
    def forward(self, x):
        return F.log_softmax(self.z(x), 1)


class UntraceableLogSoftmax(Logits):
    def forward(self, x):
        z = self.z(x)
        return z.log_softmax(1) if x.mean() > -1e9 else z


class Labels(Logits):
    """Independent labels."""

    def forward(self, x):
        return self.z(x).sigmoid()


class CastLabels(Logits):
    def forward(self, x):
        return torch.sigmoid(self.z(x)).clamp(1e-6, 1 - 1e-6).view(-1, 5)


class LabelsByHand(Logits):
    def forward(self, x):
        return 1 / (1 + (-self.z(x)).exp())


class UntraceableLabels(Logits):
    def forward(self, x):
        z = self.z(x)
        return z.sigmoid() if x.mean() > -1e9 else z


class EnsembleOfLabels(Ensemble):
    kind = Labels


class UnsureLabels(Logits):
    """Its norm keeps the logits small, whatever the contrast: values by themselves say nothing."""

    def z(self, x):
        x = F.relu(F.instance_norm(self.conv1(x))) * torch.arange(1.0, 7).view(1, 6, 1, 1)
        return self.head(x.square())

    def forward(self, x):
        return self.z(x).sigmoid()


class SmallLogits(UnsureLabels):
    """Logits that lie within [0, 1] for every image, by a norm."""

    def forward(self, x):
        return 0.5 + 0.1 * torch.tanh(self.z(x))


class UnknownLeftOut(Logits):
    """Probabilities of five classes of six: they don't add up to 1."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x):
        return self.z(x).softmax(1)[:, 1:]


class YesOrNo(Logits):
    """A softmax of yes and no for each of five labels."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 10)

    def forward(self, x):
        return self.z(x).view(-1, 5, 2).softmax(2)[:, :, 1]


class ZeroLabels(Logits):
    """Labels whose head has not been trained yet: all are 0.5."""

    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        return self.z(x).sigmoid()


class Gated(SmallLogits):
    """A gate of as many channels as there are classes, and logits that lie within [0, 1] for every image."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(6, 5)

    def forward(self, x):
        gate = self.gate(F.instance_norm(self.conv1(x)).square().mean((2, 3))).sigmoid()
        return 0.5 + 0.1 * torch.tanh(self.z(x)) * gate


class OneLogit(Logits):
    classes = 1


class FlatLogit(OneLogit):
    """(N,), as losses for two classes want it."""

    def forward(self, x):
        return self.z(x).squeeze(1)


class OneProbability(OneLogit):
    def forward(self, x):
        return self.z(x).sigmoid()


class UntraceableProbability(OneLogit):
    def forward(self, x):
        z = self.z(x)
        return z.sigmoid() if x.mean() > -1e9 else z


class SecondOfTwo(Logits):
    """The probability of the second of two classes, out of a softmax."""

    classes = 2

    def forward(self, x):
        return self.z(x).softmax(1)[:, 1]


class Embedding(Base):
    """No class scores: (N, 6)."""

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))).mean((2, 3))


class NamedEmbedding(Embedding):
    def forward(self, x):
        return {"embedding": super().forward(x)}


class Pyramid(Base):
    """Maps of two sizes, as detection takes them."""

    def forward(self, x):
        fine = F.relu(self.bn1(self.conv1(x)))
        return {"fine": fine, "coarse": F.relu(self.bn2(self.conv2(F.max_pool2d(fine, 2))))}


class Segmentation(Base):
    """A class at every place, and a head beside it that only training reads."""

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return {"out": self.conv2(x), "aux": x}


class Detached(Logits):
    """A linear probe on a trunk that gets no gradient."""

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        return 20 * self.head(F.relu(self.bn2(self.conv2(x))).detach())


class InInferenceMode(Logits):
    def forward(self, x):
        with torch.inference_mode():
            features = self.conv2(F.relu(self.bn1(self.conv1(x)))).mean((2, 3))
        return 20 * self.fc(features.clone())


class HalfDetached(Logits):
    """The gradient goes round the second convolution."""

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return 20 * self.head(x + self.conv2(x.detach()).detach())


def quantised() -> nn.Module:
    """Linear layers in 8 bits; convolutions stay as they are."""
    return torch.ao.quantization.quantize_dynamic(Logits().eval(), {nn.Linear}, dtype=torch.qint8)
