"""Incremental inference gives the scores of the dense network, for any architecture, patch, stride and
size."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.network.traced import LOGITS, TracedNetwork
from compute.occlusion.coarse_to_fine import new_grids, stages
from compute.occlusion.incremental import IncrementalInference, folded_logits
from compute.occlusion.incremental.regions import AxisBlocks, Window, cover, union
from compute.occlusion.maps import windows
from compute.runtime.vision import models

ARCHITECTURES = (
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "squeezenet1_1",
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "mnasnet0_5",
)


class Functional(nn.Module):
    """What module walks miss: functional and re-used ReLU, strided slices, padded channels, pools of several
    kinds."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.dilated = nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.wide = nn.Conv2d(8, 12, (1, 5), padding="same")
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        x = self.relu(self.first(x))
        y = self.relu(self.norm(self.dilated(x)))
        x = x + y
        x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        y = F.pad(self.depthwise(x), (0, 0, 0, 0, 2, 2))
        x = torch.cat([y, self.wide(x)], 1)[:, :, ::2, ::2]
        return self.head(F.avg_pool2d(x, 2, 1).mean((2, 3)))


def seeded(make) -> nn.Module:
    """Random weights with batch norms that have something to fold."""
    torch.manual_seed(0)
    module = make().eval().requires_grad_(False)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.uniform_(each.running_mean, -0.1, 0.1)
            nn.init.uniform_(each.running_var, 0.5, 1.5)
            nn.init.uniform_(each.weight, -1, 1)
    return module


def dense_logits(module: nn.Module, images, fill, ys, xs, patch) -> torch.Tensor:
    """(N, rows, columns, classes), one window after the other."""
    rows = []
    for y in ys:
        for x in xs:
            hidden = images.clone()
            hidden[:, :, y : y + patch, x : x + patch] = fill[:, :, y : y + patch, x : x + patch]
            rows.append(module(hidden))
    return torch.stack(rows, 1).unflatten(1, (len(ys), len(xs)))


def check(
    module: nn.Module,
    size: tuple[int, int],
    patch: int,
    stride: int,
    images: int = 2,
    batch: int | None = None,
) -> IncrementalInference:
    torch.manual_seed(1)
    inputs, fill = torch.randn(2, images, 3, *size)
    ys, xs = windows(size[0], patch, stride), windows(size[1], patch, stride)
    order = new_grids(stages(len(ys), len(xs))) if batch else None
    inference = IncrementalInference(TracedNetwork(module, inputs[:1]), ys, xs, patch, order, batch)
    with torch.inference_mode():
        expected = dense_logits(module, inputs, fill, ys, xs, patch)
        found = inference.logits(inputs, fill)
        folded, plain = folded_logits(inference.program, inputs), module(inputs)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-4 * expected.std()
    assert (folded - plain).abs().max() <= 1e-4 * expected.std()
    return inference


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_equals_dense_on_architectures(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    module = seeded(lambda: models.get_model(name, weights=None, num_classes=7, **options))
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    height, width, patch, stride = (
        int(torch.randint(low, high, (), generator=generator))
        for low, high in ((65, 90), (65, 90), (7, 24), (17, 25))
    )
    check(module, (height, width), patch, stride)


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_coarse_first_with_batch_remainders_equals_dense(batch):
    inference = check(seeded(Functional), (37, 45), 6, 5, batch=batch)
    assert max(map(len, inference.groups)) <= batch
    assert [group.stage for group in inference.groups] == sorted(group.stage for group in inference.groups)


@pytest.mark.parametrize(
    ("size", "patch", "stride"), [((33, 47), 5, 7), ((40, 40), 1, 13), ((31, 31), 31, 1)]
)
def test_equals_dense_on_functional_network(size, patch, stride):
    check(seeded(Functional), size, patch, stride)


def test_many_groups_and_images_share_the_tail():
    inference = check(seeded(Functional), (64, 64), 8, 6, images=3)
    assert len(inference.groups) > 4
    assert {y for group in inference.groups for y in group.y.positions} == set(range(len(inference.ys)))


@pytest.mark.slow
def test_does_less_work_than_dense():
    module = seeded(lambda: models.vgg11(weights=None, num_classes=7))
    network = TracedNetwork(module, torch.zeros(1, 3, 96, 96))
    starts = windows(96, 12, 12)
    assert IncrementalInference(network, starts, starts, 12).share < 0.5


def test_squeeze_excite_runs_dense():
    module = seeded(lambda: models.mobilenet_v3_small(weights=None, num_classes=7))
    network = TracedNetwork(module, torch.zeros(1, 3, 64, 64))
    starts = windows(64, 16, 16)
    assert IncrementalInference(network, starts, starts, 16).share > 0.5


def test_plan_serves_one_image_after_the_other():
    module = seeded(Functional)
    network = TracedNetwork(module, torch.zeros(1, 3, 32, 32))
    starts = windows(32, 8, 8)
    inference = IncrementalInference(network, starts, starts, 8)
    first, second = torch.randn(2, 1, 3, 32, 32)
    zeros = torch.zeros(1, 3, 1, 1)
    before = inference.logits(first, zeros)
    inference.logits(second, zeros)
    assert torch.equal(inference.logits(first, zeros), before)
    with torch.inference_mode():
        assert not torch.equal(before[0, 0, 0], network.run(second, {LOGITS})[LOGITS][0])


@pytest.mark.parametrize(
    "window", [Window(3, 1, 1), Window(7, 2, 3), Window(3, 2, 0, 2), Window(1, 4), Window(2, 2)]
)
def test_touched_is_exactly_what_reads(window):
    size = 23
    outputs = (size + 2 * window.padding - (window.kernel - 1) * window.dilation - 1) // window.stride + 1
    for start in range(size):
        for end in range(start + 1, size + 1):
            taps = [
                {i * window.stride - window.padding + t * window.dilation for t in range(window.kernel)}
                for i in range(outputs)
            ]
            reading = [i for i in range(outputs) if taps[i] & set(range(start, end))]
            first, last = window.touched(start, end, outputs)
            assert not reading or (first <= reading[0] and last >= reading[-1] + 1)
            if window.dilation == 1:
                assert list(range(first, last)) == reading


def test_read_covers_the_taps():
    assert Window(3, 2, 1, 2).read(4, 3) == (7, 9)


def test_cover_and_union():
    blocks = cover([(0, 3), (4, 6), (9, 10)], 10, 0.9)
    assert blocks == AxisBlocks((0, 4, 7), 3, 10)
    assert cover([(0, 9), (1, 2)], 10, 0.9).whole
    assert union([blocks, cover([(1, 4), (4, 6), (8, 9)], 10, 0.9)], 0.9) == AxisBlocks((0, 4, 6), 4, 10)
