"""Receptive fields against the support of the gradient in a linearised network, and against known numbers."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.network.receptive_field.axis import AxisField
from compute.network.receptive_field.walk import ReceptiveField, receptive_fields, whole_image
from compute.network.traced import TracedNetwork
from compute.runtime.vision import models
from tests.support.networks.linearised import Support, positive

SIZE = (41, 53)


def conv(inputs, outputs, *args, **kwargs):
    return nn.Conv2d(inputs, outputs, *args, **kwargs)


class Net(nn.Module):
    """Some modules, a function of them and the image that gives maps, and a 1x1 convolution to look at them
    by."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, copy.deepcopy(module))
        self.body = forward
        self.probe = nn.LazyConv2d(2, 1)

    def forward(self, x):
        return self.probe(self.body(self, x)).mean((2, 3))


def gate(net, x):
    """Squeeze and excitation, with an average pooling by the map's size."""
    x = F.relu(net.a(x))
    return x * torch.sigmoid(net.b(F.avg_pool2d(x, x.shape[-2:])))


def shuffled(net, x):
    n, c, h, w = net.a(x).shape
    x = net.a(x).view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, -1, h, w)
    left, right = x.chunk(2, dim=1)
    return torch.cat((left, net.b(right)), 1)


EXACT = {
    "dilated": (
        lambda net, x: net.b(net.a(x)),
        {"a": conv(3, 4, 3, dilation=3), "b": conv(4, 4, 3, dilation=(1, 2))},
    ),
    "asymmetric": (
        lambda net, x: net.b(net.a(x)),
        {"a": conv(3, 4, (1, 5), stride=(2, 1), padding=(0, 2)), "b": conv(4, 4, (3, 2), stride=(1, 3))},
    ),
    "same padding, even kernel": (
        lambda net, x: net.b(net.a(x)),
        {"a": conv(3, 4, 4, padding="same"), "b": conv(4, 4, (2, 3), padding="same", dilation=3)},
    ),
    "valid padding": (lambda net, x: net.a(x), {"a": conv(3, 4, 3, padding="valid", stride=2)}),
    "depthwise": (lambda net, x: net.b(net.a(x)), {"a": conv(3, 3, 5, 2, groups=3), "b": conv(3, 4, 1)}),
    "pools with ceil_mode": (
        lambda net, x: net.q(net.p(net.a(x))),
        {"a": conv(3, 4, 3), "p": nn.MaxPool2d(3, 2, ceil_mode=True), "q": nn.AvgPool2d(2, 3, padding=1)},
    ),
    "dilated maximum": (
        lambda net, x: net.p(net.a(x)),
        {"a": conv(3, 4, 3), "p": nn.MaxPool2d(3, 2, dilation=2)},
    ),
    "functional pools": (
        lambda net, x: F.max_pool2d(F.avg_pool2d(net.a(x), 3, 1, 1), (2, 3)),
        {"a": conv(3, 4, 3)},
    ),
    "functional convolution": (
        lambda net, x: F.conv2d(F.relu(net.a(x)), net.w.weight, None, (2, 1), padding=(1, 0), dilation=2),
        {"a": conv(3, 4, 3), "w": conv(4, 4, 3)},
    ),
    "padding to one side": (
        lambda net, x: net.b(F.pad(net.a(x), (0, 3, 2, 0))),
        {"a": conv(3, 4, 3, 2), "b": conv(4, 4, 3)},
    ),
    "padding module": (
        lambda net, x: net.a(net.p(x)),
        {"p": nn.ReflectionPad2d((1, 2, 2, 0)), "a": conv(3, 4, 5)},
    ),
    "cropping": (
        lambda net, x: net.b(F.pad(net.a(x), (-1, -2, -3, 0))),
        {"a": conv(3, 4, 3), "b": conv(4, 4, 3)},
    ),
    "every second pixel": (lambda net, x: net.a(x)[:, :, ::2, 1::3], {"a": conv(3, 4, 3)}),
    "slices, ellipsis, new axis": (
        lambda net, x: net.a(x)[..., 3:-2, None, 5:].squeeze(3),
        {"a": conv(3, 4, 3)},
    ),
    "channel by channel": (
        lambda net, x: net.a(torch.cat([x[:, i].unsqueeze(1) * (i + 1.0) for i in range(3)], 1)),
        {"a": conv(3, 4, 3, 2)},
    ),
    "union of branches": (
        lambda net, x: torch.cat([net.a(x), net.b(x)[:, :, 3:-3]], 1) + net.c(x)[:, :1, 3:-3],
        {"a": conv(3, 4, (7, 1)), "b": conv(3, 4, (1, 5), padding=(0, 2)), "c": conv(3, 4, 1)},
    ),
    "shuffled channels": (shuffled, {"a": conv(3, 4, 3, 2), "b": conv(2, 2, 3, padding=1)}),
    "channels last and a linear layer": (
        lambda net, x: net.b(net.l(net.n(net.a(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)),
        {"a": conv(3, 4, 3, 2), "n": nn.LayerNorm(4), "l": nn.Linear(4, 5), "b": conv(5, 4, 3)},
    ),
    "squeeze and excitation": (gate, {"a": conv(3, 4, 3, padding=1), "b": conv(4, 4, 1)}),
    "global mean": (
        lambda net, x: net.a(x) * net.a(x).mean((2, 3), keepdim=True),
        {"a": conv(3, 4, 3, padding=1)},
    ),
    "group norm": (lambda net, x: net.n(net.a(x)), {"a": conv(3, 4, 3, padding=1), "n": nn.GroupNorm(2, 4)}),
    "batch norm": (lambda net, x: net.n(net.a(x)), {"a": conv(3, 4, 3, padding=1), "n": nn.BatchNorm2d(4)}),
    "softmax over channels": (
        lambda net, x: net.a(x).softmax(1) + F.normalize(net.a(x)),
        {"a": conv(3, 4, 3)},
    ),
    "gate of a row": (
        lambda net, x: net.a(x) * net.a(x).mean(3, keepdim=True),
        {"a": conv(3, 4, 3, padding=1)},
    ),
    "mirrored": (lambda net, x: net.b(net.a(x).flip(3)), {"a": conv(3, 4, 3, (1, 2)), "b": conv(4, 4, 3)}),
    "space to depth": (
        lambda net, x: net.b(F.pixel_unshuffle(net.a(x)[..., 1:-1, :-2], 2)),
        {"a": conv(3, 4, 4), "b": conv(16, 4, 3)},
    ),
    "whole average": (
        lambda net, x: net.p(net.a(x)) + 0 * net.a(x),
        {"a": conv(3, 4, 3, padding=1), "p": nn.AdaptiveAvgPool2d(1)},
    ),
    "adaptive by a whole factor": (
        lambda net, x: F.adaptive_avg_pool2d(net.a(x), (13, 17)),
        {"a": conv(3, 4, 3)},
    ),
    "adaptive to its own size": (
        lambda net, x: F.adaptive_avg_pool2d(net.a(x), (39, None)),
        {"a": conv(3, 4, 3)},
    ),
    "flat": (
        lambda net, x: net.l(net.a(x).flatten(1)).view(-1, 2, 3, 3),
        {"a": conv(3, 4, 3, padding=1), "l": nn.LazyLinear(18)},
    ),
}

# Fields that don't move evenly from unit to unit, operations that may read anything, and maxima, whose
# gradient is at one place: the box holds them.
HOLDING = {
    "largest of each row": (
        lambda net, x: (
            torch.max(net.a(x), net.a(x).max(3, keepdim=True).values) + net.a(x).max(1)[0].unsqueeze(1)
        ),
        {"a": conv(3, 4, 3, padding=1)},
    ),
    "transposed convolution": (
        lambda net, x: net.t(net.a(x)),
        {"a": conv(3, 4, 3, 2), "t": nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)},
    ),
    "transposed with gaps": (
        lambda net, x: net.t(net.a(x)),
        {"a": conv(3, 4, 3, 2), "t": nn.ConvTranspose2d(4, 4, 2, 3)},
    ),
    "nearest": (
        lambda net, x: net.b(F.interpolate(net.a(x), scale_factor=2)),
        {"a": conv(3, 4, 3, 2), "b": conv(4, 4, 3, padding=1)},
    ),
    "nearest, odd factor": (lambda net, x: F.interpolate(net.a(x), size=(31, 80)), {"a": conv(3, 4, 3, 2)}),
    "nearest, fraction": (lambda net, x: F.interpolate(net.a(x), scale_factor=1.7), {"a": conv(3, 4, 3, 2)}),
    "nearest-exact": (
        lambda net, x: F.interpolate(net.a(x), (30, 33), mode="nearest-exact"),
        {"a": conv(3, 4, 3)},
    ),
    "bilinear": (
        lambda net, x: net.u(net.a(x)),
        {"a": conv(3, 4, 3, 2), "u": nn.Upsample(None, 2, "bilinear")},
    ),
    "bilinear, corners": (
        lambda net, x: net.u(net.a(x)),
        {"a": conv(3, 4, 3, 2), "u": nn.Upsample((30, 40), None, "bilinear", True)},
    ),
    "area": (lambda net, x: F.interpolate(net.a(x), (10, 11), mode="area"), {"a": conv(3, 4, 3)}),
    "adaptive": (lambda net, x: F.adaptive_avg_pool2d(net.a(x), (7, 10)), {"a": conv(3, 4, 3)}),
    "depth to space": (
        lambda net, x: net.b(F.pixel_shuffle(net.a(x), 2)),
        {"a": conv(3, 8, 3, 2), "b": conv(2, 4, 3)},
    ),
    "side by side": (lambda net, x: torch.cat([net.a(x), net.a(x)], 3), {"a": conv(3, 4, 3)}),
    "different strides": (
        lambda net, x: net.a(x)[:, :, :13, :13] + net.b(x)[:, :, :13, :13],
        {"a": conv(3, 4, 3, 2), "b": conv(3, 4, 3, 3)},
    ),
    "turned": (
        lambda net, x: net.a(x)[..., :30, :30] + net.a(x)[..., :30, :30].transpose(2, 3),
        {"a": conv(3, 4, 3)},
    ),
    "unknown": (lambda net, x: torch.roll(net.a(x), 3, 3), {"a": conv(3, 4, 3)}),
    "attention": (
        lambda net, x: (net.a(x).flatten(2).transpose(1, 2) @ net.a(x).flatten(2)).unsqueeze(1)[..., :5, :5],
        {"a": conv(3, 4, 5, 8)},
    ),
}


def traced(net: nn.Module, size=SIZE) -> TracedNetwork:
    example = torch.ones(1, 3, *size)
    with torch.no_grad():
        net(example)
    return TracedNetwork(positive(net), example.double())


def clipped(box, size=SIZE):
    left, top, right, bottom = box
    return max(0, left), max(0, top), min(size[1], right), min(size[0], bottom)


def holds(outer, inner) -> bool:
    return inner is None or (
        outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]
    )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", EXACT)
def test_box_is_the_gradients_support_inside_and_holds_it_everywhere(name):
    body, modules = EXACT[name]
    network = traced(Net(body, **modules))
    node = network.sites["probe"].computed
    field, support = receptive_fields(network)[node], Support(network, SIZE)
    height, width = node.meta["val"].shape[2:]
    assert clipped(field.box(height // 2, width // 2)) == support.box(node, height // 2, width // 2)
    assert field.unknown is None
    for y in {0, 1, height - 1}:
        for x in {0, width // 3, width - 1}:
            assert holds(field.box(y, x), support.box(node, y, x)), (y, x)


@pytest.mark.parametrize("name", HOLDING)
def test_box_holds_the_gradients_support(name):
    body, modules = HOLDING[name]
    network = traced(Net(body, **modules))
    node = network.sites["probe"].computed
    field, support = receptive_fields(network)[node], Support(network, SIZE)
    height, width = node.meta["val"].shape[2:]
    for y in sorted({0, 1, 2, height // 2, height // 2 + 1, height - 2, height - 1}):
        for x in sorted({0, 1, 2, width // 2, width // 2 + 1, width - 2, width - 1}):
            assert holds(field.box(y, x), support.box(node, y, x)), (y, x)


def test_resizing_by_a_whole_factor_costs_no_more_than_the_unevenness():
    body, modules = HOLDING["nearest"]
    network = traced(Net(body, **modules))
    field = receptive_fields(network)[network.sites["probe"].computed]
    # Units of the convolution see 3 pixels and move by 2; three of twice as many units see two of them.
    assert field.y == AxisField(size=6, stride=1, offset=-2)


def test_an_unknown_operation_sees_everything_and_is_named():
    body, modules = HOLDING["unknown"]
    network = traced(Net(body, **modules))
    fields = receptive_fields(network)
    assert fields[network.sites["probe"].computed] == whole_image(SIZE, "roll")
    assert fields[network.sites["a"].computed].unknown is None


def test_attention_sees_everything():
    body, modules = HOLDING["attention"]
    network = traced(Net(body, **modules))
    assert receptive_fields(network)[network.sites["probe"].computed] == whole_image(SIZE)


ARCHITECTURES = (
    "resnet18",
    "vgg11",
    "densenet121",
    "googlenet",
    "inception_v3",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
    "efficientnet_b0",
    "convnext_tiny",
    "alexnet",
    "regnet_x_400mf",
    "regnet_y_400mf",
)
IMAGE = (177, 193)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_torchvisions_architectures(name):
    network = TracedNetwork(positive(made_without_memory(name)), torch.ones(1, 3, *IMAGE, dtype=torch.double))
    fields, support = receptive_fields(network), Support(network, IMAGE)
    middles = {}
    for layer, site in network.sites.items():
        height, width = site.post.meta["val"].shape[2:]
        box = fields[site.post].box(height // 2, width // 2)
        if holds((0, 0, *IMAGE[::-1]), box):
            middles[layer] = (height // 2, width // 2), box
    fitting = list(middles)
    assert len(fitting) >= 5
    for layer in sorted({fitting[len(fitting) * fifth // 5] for fifth in range(5)} | {fitting[-1]}):
        unit, box = middles[layer]
        assert support.box(network.node(layer), *unit) == box, layer
    assert not any(fields[site.post].unknown for site in network.sites.values())


def made_without_memory(name: str) -> nn.Module:
    """Memory and initialisation of the large ones take seconds; RegNet computes its widths from tensors."""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        network = models.get_model(name, **options)
    if name in ("vgg11", "alexnet"):
        # Linear layers of up to 800 MB, behind all convolutions.
        network.classifier = nn.Flatten()
    return network


def test_last_field_of_resnet_50_in_both_of_its_forms():
    """483 pixels is that of the paper's network, with its strides in the 1x1 convolutions; torchvision's has
    them in the 3x3 ones."""
    network = positive(made_without_memory("resnet50"))
    assert last_field(network).y.size == 427
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    assert last_field(network).y == AxisField(size=483, stride=32, offset=-241)


def last_field(network: nn.Module) -> ReceptiveField:
    traced_network = TracedNetwork(network, torch.ones(1, 3, 33, 33, dtype=torch.double))
    return receptive_fields(traced_network)[traced_network.node("layer4.2.conv3")]


def test_box_counts_pixels_as_edges():
    field = ReceptiveField(AxisField(size=3, stride=2, offset=-1), AxisField(size=5, stride=1, offset=0))
    assert field.box(y=4, x=7) == (7, 7, 12, 10)
    assert whole_image((20, 30)).box(3, 4) == (0, 0, 30, 20)
    assert whole_image((20, 30)).whole
    assert not field.whole
