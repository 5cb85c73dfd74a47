"""Attention maps, rollout and relevance, against slow code written from the papers on a tiny transformer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.methods.attribution.attention import Attention, seen
from compute.methods.base import Inputs
from compute.models.model import Model
from tests.support.networks.tiny import tiny_image, tiny_model
from tests.support.networks.tokens import (
    COLUMNS,
    EXPLICIT,
    FUSED,
    HEADS,
    ROWS,
    TORCH,
    WIDTH,
    TorchAttention,
    token_model,
)

FIRST = 2  # the class token and a register come before the patches


def spelled_out(model, image):
    """The transformer, step by step, keeping each block's weights (1, heads, tokens, tokens)."""
    network, kept = model.module, []
    tokens = network.patches(model.normalize(image[None])).flatten(2).transpose(1, 2) + network.positions
    tokens = torch.cat([network.first, tokens], 1).requires_grad_(True)
    for block in network.blocks:
        seen_tokens = block.norm1(tokens)
        if isinstance(block.attn, TorchAttention):
            whole = block.attn.whole
            joint, output = F.linear(seen_tokens, whole.in_proj_weight, whole.in_proj_bias), whole.out_proj
        else:
            joint, output = block.attn.qkv(seen_tokens), block.attn.proj
        parts = joint.split(WIDTH, -1)
        length, size = tokens.shape[1], WIDTH // HEADS
        weights = torch.zeros(1, HEADS, length, length)
        queries, keys, values = (
            [part[..., head * size : (head + 1) * size] for head in range(HEADS)] for part in parts
        )
        scores = [q @ k.transpose(1, 2) / size**0.5 for q, k in zip(queries, keys, strict=True)]
        weights = torch.stack([each.softmax(-1) for each in scores], 1)
        kept.append(weights)
        mixed = torch.cat([weights[:, head] @ values[head] for head in range(HEADS)], -1)
        tokens = tokens + output(mixed)
        tokens = tokens + block.mlp(block.norm2(tokens))
    return network.head(network.norm(tokens)[:, 0])[0], kept


def shown(row, image):
    coarse = row[FIRST:].reshape(1, 1, ROWS, COLUMNS)
    return F.interpolate(coarse, image.shape[1:], mode="bilinear", align_corners=False)[0, 0].detach().numpy()


@pytest.fixture(params=[FUSED, EXPLICIT, TORCH])
def model(request):
    return token_model(request.param)


def test_a_map_is_the_class_tokens_attention_in_one_block(model):
    image = tiny_image(model)
    _, weights = spelled_out(model, image)
    found = Attention(variant="map").run(model, Inputs(image=image))
    np.testing.assert_allclose(found.data, shown(weights[-1][0].mean(0)[0], image), atol=1e-6)
    found = Attention(variant="map", block=1, head=2).run(model, Inputs(image=image))
    np.testing.assert_allclose(found.data, shown(weights[1][0, 2, 0], image), atol=1e-6)
    elsewhere = float(weights[1].detach()[0, 2, 0, :FIRST].sum())
    assert found.numbers["share_of_other_tokens"] == pytest.approx(elsewhere, abs=1e-5)


def test_rollout_is_abnars_product(model):
    image = tiny_image(model)
    _, weights = spelled_out(model, image)
    length = weights[0].shape[-1]
    rolled = [[float(i == j) for j in range(length)] for i in range(length)]
    for each in weights:
        mean = each[0].mean(0).tolist()
        raw = [[0.5 * mean[i][j] + 0.5 * (i == j) for j in range(length)] for i in range(length)]
        rolled = [
            [sum(raw[i][k] * rolled[k][j] for k in range(length)) for j in range(length)]
            for i in range(length)
        ]
    found = Attention().run(model, Inputs(image=image))
    np.testing.assert_allclose(found.data, shown(torch.tensor(rolled[0]), image), atol=1e-6)


def test_relevance_is_chefers_sum(model):
    image, target = tiny_image(model), 3
    scores, weights = spelled_out(model, image)
    gradients = torch.autograd.grad(scores[target], weights)
    length = weights[0].shape[-1]
    relevant = torch.eye(length)
    for each, gradient in zip(weights, gradients, strict=True):
        mean = torch.stack([(gradient[0, h] * each[0, h]).clamp(min=0) for h in range(HEADS)]).mean(0)
        relevant = relevant + mean @ relevant
    found = Attention(variant="relevance").run(model, Inputs(image=image, target=target))
    expected = shown(relevant[0], image)
    np.testing.assert_allclose(found.data, expected, atol=1e-5 * expected.max())
    assert expected.any() and found.numbers["logit"] == pytest.approx(scores[target].item(), abs=1e-4)


def test_the_class_token_is_found_by_what_the_scores_read(model):
    assert seen(model).read == [0]


@pytest.mark.parametrize(
    ("network", "reason"),
    [("plain", "has no attention"), ("untraceable", "can't be traced")],
)
def test_networks_without_attention_say_so(network, reason):
    assert reason in Attention.unavailable_because(tiny_model(network))


def test_attention_within_windows_has_no_map():
    class Windows(nn.Module):
        """Attention within each row of patches."""

        def __init__(self):
            super().__init__()
            self.patches, self.fc = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 5)

        def forward(self, images):
            rows = self.patches(images).permute(0, 2, 3, 1).flatten(0, 1)[:, None]
            mixed = F.scaled_dot_product_attention(rows, rows, rows)
            return self.fc(mixed.reshape(images.shape[0], -1, 8).mean(1))

    torch.manual_seed(0)
    like = token_model(FUSED)
    reason = Attention.unavailable_because(Model(Windows(), like.preprocessing, like.classes, "windows"))
    assert "within windows" in reason


def test_blocks_and_heads_that_are_not_there_are_errors():
    model = token_model(FUSED)
    for words, chosen in (("block 9 is not one of the 3", {"block": 9}), ("head 7", {"head": 7})):
        with pytest.raises(ValueError, match=words):
            Attention(variant="map", **chosen).run(model, Inputs(image=tiny_image(model)))
