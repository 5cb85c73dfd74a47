"""The sweep over torchvision's and timm's networks (`tests.benchmarks.zoo`), in short; and it can fail."""

import copy
import os
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.occlusion.incremental import IncrementalInference
from compute.occlusion.passes import IncrementalPass, every_logit
from tests.benchmarks.zoo.__main__ import apart, row
from tests.benchmarks.zoo.checks import CHECKS, REFUSED, RIGHT, SKIPPED, WRONG, Comparison, compared
from tests.benchmarks.zoo.networks import ENTRIES, Entry, made_lively, module_of, photographs
from tests.benchmarks.zoo.plain import (
    STD,
    guided_gradient,
    normalized,
    occluded_logits,
    ordered_map,
    token_order,
    unit_gradient,
)

KINDS = {
    "torchvision:squeezenet1_1": "plain convolutions",
    "timm:mobilenetv3_small_100": "depthwise convolutions and gates",
    "timm:tf_mobilenetv3_small_minimal_100": "TensorFlow's same padding",
    "timm:nf_regnet_b0": "standardised weights",
    "timm:convnext_atto": "norms over channels, linear layers at every place",
    "timm:gmlp_ti16_224": "an MLP over tokens",
    "timm:vit_tiny_patch16_224": "attention",
    "timm:levit_128s": "attention, and a gradient that PyTorch gets wrong",
}
SWEPT = {each.key: each for each in ENTRIES}


@pytest.mark.slow
@pytest.mark.parametrize("key", KINDS)
def test_every_number_is_plain_pytorchs(key):
    entry = SWEPT[key]
    outcome = compared(*_arguments(entry))
    assert {name: check for name, check in outcome.checks.items() if check.status == WRONG} == {}
    assert list(outcome.checks) == list(CHECKS)
    assert all(check.words for check in outcome.checks.values() if check.status in (REFUSED, SKIPPED))
    assert len(outcome.right) >= len(CHECKS) - 1


def _arguments(entry: Entry) -> tuple:
    module, images = module_of(entry)
    return module, entry.key, entry.family, images


@pytest.mark.slow
@pytest.mark.parametrize("key", KINDS)
def test_incremental_inference_is_right_where_it_saves_too_little_to_be_taken(key):
    entry = SWEPT[key]
    module, images = module_of(entry)
    comparison = Comparison(module, key, entry.size, images[-1:])
    patch, starts = entry.size // 8, (3, entry.size // 2 - 1, entry.size - entry.size // 8)
    inference = IncrementalInference(
        comparison.model.network, starts, starts, patch, [[((0, 1, 2), (0, 1, 2))]], None
    )
    pixels = comparison.model.normalize(comparison.pixels)
    found = every_logit(IncrementalPass(inference), pixels, torch.zeros(1, 3, 1, 1), (3, 3))[0]
    expected = occluded_logits(module, comparison.pixels, patch, starts, starts)
    spread = torch.cat([expected.flatten(0, 1), comparison.scores[None]])
    assert float((found - expected).abs().max()) < 1e-3 * float((spread.amax(0) - spread.amin(0)).max())


def test_every_family_has_a_network():
    assert len(SWEPT) == len(ENTRIES)
    assert len({each.family for each in ENTRIES if each.package == "torchvision"}) == 17
    assert len({each.family for each in ENTRIES if each.package == "timm"}) >= 60


def _small() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, behind in ((3, 8), (8, 8), (8, 12)):
        layers += [nn.Conv2d(before, behind, 3, 2, 1), nn.BatchNorm2d(behind), nn.ReLU()]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)).eval()
    images = photographs(40)
    made_lively(module, normalized(images))
    return module.requires_grad_(False), images


def test_a_right_network_passes_every_check():
    module, images = _small()
    outcome = compared(module, "small", "small", images)
    assert {name: check.status for name, check in outcome.checks.items()} == dict.fromkeys(CHECKS, RIGHT)
    assert outcome.worst < 1e-3
    assert row(outcome)[4:6] == ["all", "-"]


@pytest.mark.parametrize("name", [each for each in CHECKS if each != "receptive_field"])
def test_checks_tell_another_network(name):
    module, images = _small()
    comparison = Comparison(module, "small", 40, images[-1:])
    comparison.plain = _changed(module)
    method = getattr(comparison, name)
    check = method(images) if name == "predictions" else method()
    assert check.status == WRONG


def _changed(module: nn.Module) -> nn.Module:
    """By a tenth in one convolution, and by what takes the scores of two classes for one another."""
    changed = copy.deepcopy(module)
    changed[3].weight.mul_(1.1)
    changed[-1].weight.copy_(changed[-1].weight.roll(1, 0))
    changed[-1].bias.copy_(changed[-1].bias.roll(1, 0))
    return changed


class ReLUs(nn.Module):
    """The same as a module, as functions, and in place."""

    def __init__(self, kind: str):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.last = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 1), nn.Conv2d(16, 1, 1)
        self.relu, self.kind = nn.ReLU6(), kind

    def forward(self, x):
        if self.kind == "modules":
            return self.last(self.relu(self.second(nn.ReLU(inplace=True)(self.first(x)))))
        x = self.first(x)
        F.relu(x, inplace=True)
        return self.last(F.relu6(self.second(x)))


@pytest.mark.parametrize("kind", ["modules", "functions"])
def test_guided_gradient_of_the_reference_is_the_papers(kind):
    network, pixels = ReLUs(kind).double(), torch.rand(1, 3, 1, 1, dtype=torch.double)
    found = guided_gradient(network, pixels, "last", (0, 0, 0))[:, 0, 0]
    first, second, last = (each.weight[:, :, 0, 0] for each in (network.first, network.second, network.last))
    with torch.no_grad():
        x = normalized(pixels)
        one, two = network.first(x), network.second(network.first(x).relu())
        gradient = last[0].clamp(min=0) * (two[0, :, 0, 0] > 0)
        gradient = (gradient @ second).clamp(min=0) * (one[0, :, 0, 0] > 0)
        expected = gradient @ first / torch.tensor(STD, dtype=torch.double)
    assert torch.allclose(found, expected)
    assert not torch.allclose(found, unit_gradient(network, pixels, "last", (0, 0, 0))[:, 0, 0])


def test_the_order_of_tokens_is_found_in_the_pixels():
    torch.manual_seed(2)
    patches, shuffled = nn.Conv2d(3, 8, 4, 4), torch.randperm(12)
    pixels = torch.rand(1, 3, 16, 12)
    with torch.no_grad():
        grid = patches(pixels)
        order = token_order(
            lambda image: patches(image).flatten(2).transpose(1, 2)[:, shuffled], pixels, grid.shape
        )
        tokens = grid.flatten(2).transpose(1, 2)[:, shuffled].unflatten(1, (3, 4))
    assert order.clear and torch.equal(ordered_map(tokens, order, tuple(grid.shape)), grid)


def test_receptive_fields_that_are_too_small_are_wrong():
    module, images = _small()
    comparison = Comparison(module, "small", 40, images[-1:])
    boxes = comparison._pixels_of
    comparison._pixels_of = lambda *unit: (boxes(*unit)[0] + 1, *boxes(*unit)[1:])
    assert comparison.receptive_field().status == WRONG


def test_a_network_that_crashes_or_hangs_is_told(monkeypatch):
    entry = Entry("torchvision", "none", "none")
    monkeypatch.setattr("tests.benchmarks.zoo.__main__.module_of", lambda _: os._exit(3))
    assert apart(entry, CHECKS, 60).checks["load"].words == "its process crashed"
    monkeypatch.setattr("tests.benchmarks.zoo.__main__.module_of", lambda _: _forever())
    hanging = apart(entry, CHECKS, 0.5)
    assert hanging.wrong == ["load"] and "longer than 0.5 s" in row(hanging)[5]


def _forever() -> None:
    time.sleep(60)
