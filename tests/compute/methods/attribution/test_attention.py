"""Attention maps, rollout and relevance, against slow code written from the papers on a tiny transformer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.methods.attribution.attention import Attention, known_attention
from compute.methods.base import Inputs
from compute.models.model import Model
from compute.network.layers.attention_weights import SpelledOut
from tests.support.networks.tiny import tiny_image, tiny_model
from tests.support.networks.tokens import (
    COLUMNS,
    EINSUM,
    ENCODER,
    EXPLICIT,
    FUSED,
    HEADS,
    PATCH,
    ROWS,
    TORCH,
    WIDTH,
    token_model,
)

FIRST = 2  # the class token and a register come before the patches


def attend(attention, tokens):
    """(what an attention gives, its weights (1, heads, tokens, tokens)), head by head."""
    whole = getattr(attention, "whole", attention)
    if isinstance(whole, nn.MultiheadAttention):
        joint, output = F.linear(tokens, whole.in_proj_weight, whole.in_proj_bias), whole.out_proj
    else:
        joint, output = whole.qkv(tokens), whole.proj
    size = WIDTH // HEADS
    queries, keys, values = (part.split(size, -1) for part in joint.split(WIDTH, -1))
    scores = [q @ k.transpose(1, 2) / size**0.5 for q, k in zip(queries, keys, strict=True)]
    weights = torch.stack([each.softmax(-1) for each in scores], 1)
    return output(torch.cat([weights[:, head] @ values[head] for head in range(HEADS)], -1)), weights


def spelled_out(model, image):
    """The transformer, step by step: its scores, and each block's weights (1, heads, tokens, tokens)."""
    network, kept = model.module, []
    tokens = network.patches(model.normalize(image[None])).flatten(2).transpose(1, 2) + network.positions
    tokens = torch.cat([network.first, tokens], 1).requires_grad_(True)
    if isinstance(network.blocks, nn.TransformerEncoder):
        for layer in network.blocks.layers:
            attended, weights = attend(layer.self_attn, tokens)
            tokens = layer.norm1(tokens + attended)
            tokens = layer.norm2(tokens + layer.linear2(F.gelu(layer.linear1(tokens))))
            kept.append(weights)
    else:
        for block in network.blocks:
            attended, weights = attend(block.attn, block.norm1(tokens))
            tokens = tokens + attended
            tokens = tokens + block.mlp(block.norm2(tokens))
            kept.append(weights)
    return network.head(network.norm(tokens)[:, 0])[0], kept


def shown(row, image):
    coarse = row[FIRST:].reshape(1, 1, ROWS, COLUMNS)
    return F.interpolate(coarse, image.shape[1:], mode="bilinear", align_corners=False)[0, 0].detach().numpy()


@pytest.fixture(params=[FUSED, EXPLICIT, EINSUM, TORCH, ENCODER])
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
    assert known_attention(model).read == (0,)


@pytest.mark.parametrize(
    ("network", "reason"),
    [("plain", "has no attention"), ("untraceable", "can't be traced")],
)
def test_networks_without_attention_say_so(network, reason):
    assert reason in Attention.unavailable_because(tiny_model(network))


def of_patches(change):
    """A network whose tokens are patches (N, 12, 8), changed by a module and averaged."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.change, self.fc = nn.Conv2d(3, 8, PATCH, PATCH), change, nn.Linear(8, 5)

        def forward(self, images):
            return self.fc(self.change(self.patches(images).flatten(2).transpose(1, 2)).mean(1))

    like = token_model(FUSED)
    torch.manual_seed(0)
    return Model(Network(), like.preprocessing, like.classes, "patches")


def attended(queries, others=None):
    others = queries if others is None else others
    return F.scaled_dot_product_attention(queries, others, others)


class Windows(nn.Module):
    """Attention within each row of patches."""

    def forward(self, tokens):
        return attended(tokens.reshape(-1, 1, COLUMNS, 8)).reshape(-1, ROWS * COLUMNS, 8)


class Residual(nn.Module):
    """One block, as plain as can be."""

    def forward(self, tokens):
        return tokens + attended(tokens[:, None])[:, 0]


class Decoding(nn.Module):
    """PyTorch's decoder looks at two kinds of tokens."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(8, 2, 8, batch_first=True)

    def forward(self, tokens):
        return self.layer(tokens, tokens)


class WindowsAsHeads(nn.Module):
    """The same, with each row where heads stand otherwise."""

    def forward(self, tokens):
        return attended(tokens.reshape(-1, ROWS, COLUMNS, 8)).reshape(-1, ROWS * COLUMNS, 8)


class Channels(nn.Module):
    """Attention from channel to channel."""

    def forward(self, tokens):
        return attended(tokens.transpose(1, 2)[:, None])[:, 0].transpose(1, 2)


class Beside(nn.Module):
    """Two attentions, neither of which reads the other."""

    def forward(self, tokens):
        return attended(tokens[:, None])[:, 0] + attended(tokens[:, None].tanh())[:, 0]


class Gathering(nn.Module):
    """One query looks at all tokens."""

    def forward(self, tokens):
        return attended(tokens.mean(1, keepdim=True)[:, None], tokens[:, None])[:, 0]


class Merging(nn.Module):
    """Pairs of tokens are merged behind the first attention."""

    def forward(self, tokens):
        merged = attended(tokens[:, None])[:, 0].unflatten(1, (-1, 2)).mean(2)
        return attended(merged[:, None])[:, 0]


class NoShares(nn.Module):
    """What a query gives its keys adds up to 2."""

    def forward(self, tokens):
        return (tokens @ tokens.transpose(1, 2)).softmax(-1).mul(2) @ tokens


class Unseen(nn.Module):
    """Attention, and a part that can't be traced."""

    class Part(nn.Module):
        def forward(self, tokens):
            return tokens if tokens.sum() > 1e9 else tokens.softmax(1)

    def __init__(self):
        super().__init__()
        self.part = self.Part()

    def forward(self, tokens):
        return self.part(attended(tokens[:, None])[:, 0])


class OtherSoftmax(nn.Module):
    """Attention, and a softmax over the tokens that is none."""

    def forward(self, tokens):
        return attended(tokens[:, None])[:, 0] * tokens.softmax(1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Windows, "within windows"),
        (WindowsAsHeads, "no tokens that each have one place"),
        (Channels, "no tokens that each have one place"),
        (Beside, "in branches beside one another"),
        (Gathering, "from 1 to 12"),
        (Merging, "changes from block to block (12, 6)"),
        (NoShares, "don't add up to 1"),
        (Unseen, "change.part is run as it is"),
        (OtherSoftmax, "softmaxes that are not those of attention"),
        (nn.Identity, "the network has no attention"),
        (Decoding, "attends in a way that isn't known"),
    ],
)
def test_attention_that_no_map_is_defined_for_is_refused(change, reason):
    model = of_patches(change())
    found = Attention.unavailable_because(model)
    assert found is not None and reason in found
    with pytest.raises(ValueError, match="attention is not available for patches"):
        Attention().run(model, Inputs(image=tiny_image(model)))


def test_where_the_mean_of_all_tokens_is_scored_all_are_read():
    model = of_patches(Residual())
    assert known_attention(model).read == tuple(range(ROWS * COLUMNS))
    image = tiny_image(model)
    tokens = model.module.patches(model.normalize(image[None])).flatten(2).transpose(1, 2)
    weights = (tokens @ tokens.transpose(1, 2) / 8**0.5).softmax(-1)[0]
    rolled = (weights + torch.eye(len(weights))) / 2
    expected = F.interpolate(rolled.mean(0).view(1, 1, ROWS, COLUMNS), image.shape[1:], mode="bilinear")
    np.testing.assert_allclose(Attention().run(model, Inputs(image=image)).data, expected[0, 0], atol=1e-6)


def test_a_last_layer_of_zeros_is_said():
    model = of_patches(Residual())
    model.module.fc.weight.data.zero_()
    model = Model(model.module, model.preprocessing, model.classes, "zeros")
    assert "don't depend on its attention" in Attention.unavailable_because(model)


@pytest.mark.parametrize(
    "module",
    [
        nn.MultiheadAttention(12, 3, kdim=12, vdim=12, batch_first=True),
        nn.MultiheadAttention(12, 3, bias=False),
        nn.TransformerEncoderLayer(12, 3, 8, norm_first=True),
        nn.TransformerEncoderLayer(12, 3, 8, batch_first=True),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 8), 2, nn.LayerNorm(12), False),
    ],
    ids=lambda module: type(module).__name__,
)
def test_pytorchs_modules_are_written_out_as_what_they_compute(module):
    torch.manual_seed(0)
    tokens = torch.randn(2, 5, 12)
    inputs = [tokens] * (3 if isinstance(module, nn.MultiheadAttention) else 1)
    with torch.no_grad():
        result, *weights = SpelledOut(module.eval())(*inputs)
        given = module(*inputs)
    torch.testing.assert_close(result, given[0] if isinstance(given, tuple) else given, rtol=0, atol=1e-5)
    assert len(weights) == len(getattr(module, "layers", [module]))
    if isinstance(given, tuple):
        expected = module(*inputs, average_attn_weights=False)[1]
        torch.testing.assert_close(weights[0], expected, rtol=0, atol=1e-6)


def test_blocks_and_heads_that_are_not_there_are_errors():
    model = token_model(FUSED)
    for words, chosen in (("block 9 is not one of the 3", {"block": 9}), ("head 7", {"head": 7})):
        with pytest.raises(ValueError, match=words):
            Attention(variant="map", **chosen).run(model, Inputs(image=tiny_image(model)))
