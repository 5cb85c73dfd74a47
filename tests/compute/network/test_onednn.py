"""Packed convolutions give what PyTorch's give, and the same gradient with respect to their input."""

import pytest
import torch
from torch import nn

from compute.network.folded import FoldedNetwork
from compute.network.onednn import weights
from compute.network.onednn.convolution import PackedConvolution
from compute.network.traced import LOGITS, PRE
from tests.support.networks.odd import PREPROCESSING, Residual, noise, seeded

SETTINGS = (
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 1},
    {"kernel_size": 7, "stride": 2, "padding": 3},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 2, "stride": 2, "padding": 1},
    {"kernel_size": 4, "stride": 3, "padding": 1},
    {"kernel_size": 11, "stride": 4, "padding": 2},
    {"kernel_size": (3, 5), "stride": (1, 2), "padding": (0, 2)},
    {"kernel_size": (1, 7), "padding": (2, 3)},
    {"kernel_size": 3, "padding": 2, "dilation": 2, "stride": 2},
    {"kernel_size": 3, "padding": 3, "dilation": (3, 1)},
)


def expect_same(convolution: nn.Conv2d, images: torch.Tensor) -> None:
    convolution.requires_grad_(False)
    run = PackedConvolution(convolution, images[:1].shape)
    found_of, expected_of = (images.clone().requires_grad_() for _ in range(2))
    found, expected = run(found_of), convolution(expected_of)
    behind = torch.randn(expected.shape)
    found.backward(behind)
    expected.backward(behind)
    with torch.inference_mode():
        values = run(images)
        assert torch.equal(values, run(images))
    for one, other in ((found, expected), (values, expected), (found_of.grad, expected_of.grad)):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 18])
def test_values_and_gradients(options, channels):
    torch.manual_seed(0)
    images = torch.randn(2, channels, 23, 30)
    expect_same(nn.Conv2d(channels, 6, **options), images)
    expect_same(nn.Conv2d(channels, 6, **options, bias=False), images[:, :, :13, :17])


@pytest.mark.parametrize("groups", [2, 6])
def test_groups(groups):
    torch.manual_seed(0)
    expect_same(nn.Conv2d(6, 12, 3, 2, 1, groups=groups), torch.randn(2, 6, 11, 14))


def test_what_is_not_a_number_stays_so():
    images = torch.zeros(2, 3, 9, 9)
    images[1, 2, 4, 4] = torch.nan
    found = PackedConvolution(nn.Conv2d(3, 4, 3).requires_grad_(False), images.shape)(images)
    assert found[0].isfinite().all() and found[1, :, 3, 3].isnan().all()


def test_what_is_not_frozen_or_not_plain_is_left_alone():
    assert not weights.can_be_packed(nn.Conv2d(3, 4, 3))
    assert not weights.can_be_packed(nn.Conv2d(3, 4, 3, padding="same").requires_grad_(False))
    assert not weights.can_be_packed(nn.Conv2d(3, 4, 3, padding_mode="reflect").requires_grad_(False))
    watched = nn.Conv2d(3, 4, 3).requires_grad_(False)
    assert weights.can_be_packed(watched)
    watched.register_forward_hook(lambda _, __, output: output + 1)
    assert not weights.can_be_packed(watched)
    assert not weights.can_be_packed(nn.Conv2d(3, 4, 3).double().requires_grad_(False))


def test_a_network_runs_without_onednn_as_with_it(monkeypatch):
    images = PREPROCESSING.normalize(noise(3))
    packed = FoldedNetwork(seeded(Residual), images[:1])
    monkeypatch.setattr(weights, "_is_available", lambda: False)
    plain = FoldedNetwork(seeded(Residual), images[:1])
    kinds = [
        {type(each) for each in network.fast_modules.values() if isinstance(each, PackedConvolution)}
        for network in (packed, plain)
    ]
    assert kinds == [{PackedConvolution}, set()]
    sites = {LOGITS, "conv1", "conv2" + PRE}
    found, expected = packed.run(images, sites), plain.run(images, sites)
    for site in sites:
        torch.testing.assert_close(found[site], expected[site], rtol=1e-4, atol=1e-5)
