"""Layers beyond convolutions: values of token grids as maps, against the tokens that hooks see."""

import pytest
import torch

from compute.images.preprocessing import Preprocessing
from compute.methods.attribution.attention import Attention
from compute.models.layers import chosen_layers
from compute.models.model import Model
from compute.network.layers.grids import find_grid
from compute.network.traced import FEATURES, LOGITS, MAPS, PRE
from compute.runtime.vision import models
from tests.support.networks.tiny import crops, tiny_model
from tests.support.networks.tokens import (
    COLUMNS,
    EINSUM,
    EXPLICIT,
    FUSED,
    ROWS,
    TORCH,
    WINDOWED,
    token_model,
)

TRANSFORMERS = (FUSED, EXPLICIT, EINSUM, TORCH)


def seen_by_hooks(model, names, images):
    """What the plain network's modules give, by name."""
    found, modules = {}, dict(model.module.named_modules())

    def note(name):
        def hook(_module, _inputs, output):
            found[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [modules[name].register_forward_hook(note(name)) for name in names]
    with torch.no_grad():
        model.module(model.normalize(images))
    for hook in hooks:
        hook.remove()
    return found


def as_map(tokens, first):
    """Row by row from the token `first`."""
    rows = [
        torch.stack([tokens[:, first + y * COLUMNS + x] for x in range(COLUMNS)], -1) for y in range(ROWS)
    ]
    return torch.stack(rows, 2)


@pytest.mark.parametrize("name", [*TRANSFORMERS, "mixer", "convnext"])
def test_every_layer_is_what_its_module_gives_as_a_map(name):
    model = token_model(name, "all")
    images, first = crops(model, 2), 0 if name == "mixer" else 2
    given = seen_by_hooks(model, model.layers, images)
    values = model.activations(images, {*model.layers, *(each + PRE for each in model.layers)})
    for layer in model.layers.values():
        tokens = given[layer.name]
        if tokens.ndim == 3:
            expected = as_map(tokens, first)
        elif name == "convnext" and layer.kind in ("linear", "norm"):
            expected = tokens.permute(0, 3, 1, 2)
        else:
            expected = tokens
        assert values[layer.name].shape == (2, layer.channels, layer.height, layer.width)
        torch.testing.assert_close(values[layer.name + PRE], expected, rtol=1e-4, atol=1e-5)
        after = torch.nn.functional.gelu(expected) if layer.tap == "linear+gelu" else expected
        torch.testing.assert_close(values[layer.name], after, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_lists_its_blocks_and_hidden_units(name):
    model = token_model(name)
    expected = [each for block in range(3) for each in (f"blocks.{block}.mlp.fc1", f"blocks.{block}")]
    assert list(model.layers) == ["patches", *expected]


def test_a_mixer_lists_its_blocks_and_a_convolutional_network_its_convolutions():
    mixed = [each for block in range(2) for each in (f"blocks.{block}.of_channels.fc1", f"blocks.{block}")]
    assert list(token_model("mixer").layers) == ["patches", *mixed]
    assert list(token_model("convnext").layers) == ["stem", "blocks.0.depthwise", "blocks.1.depthwise"]
    assert list(tiny_model("reused").layers) == ["stem", "conv1", "conv2"]


def test_projections_within_windows_are_read_where_these_are_one_image_again():
    model = token_model(WINDOWED, "all")
    images = crops(model, 2)
    for block in range(2):
        layer = f"blocks.{block}.windows.attn.proj"
        (expected,) = seen_by_hooks(model, [f"blocks.{block}.windows"], images).values()
        value = model.activations(images, {layer})[layer]
        torch.testing.assert_close(value, expected.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)
        assert (model.layers[layer].height, model.layers[layer].width) == (ROWS, COLUMNS)
        assert f"blocks.{block}.mlp.fc1" in model.layers
    assert not any("qkv" in layer for layer in model.layers)  # those are of windows alone


def test_torchvisions_swin_has_layers_in_all_stages():
    torch.manual_seed(0)
    network = models.SwinTransformer([4, 4], 8, [2, 2], [1, 2], [3, 3], num_classes=5)
    preprocessing = Preprocessing((40, 32), None, (0.5,) * 3, (0.25,) * 3)
    model = Model(network, preprocessing, "abcde", "swin", layers="all")
    images = crops(model, 2)
    given = seen_by_hooks(model, [each for each in model.layers if each != "features.0.0"], images)
    for layer, expected in given.items():
        value = model.activations(images, {layer + PRE})[layer + PRE]
        torch.testing.assert_close(value, expected.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)
    for name in ("1.0.attn", "1.1.mlp.0", "2.reduction", "3.0.attn", "3.1.mlp.0", "3.1"):
        assert f"features.{name}" in model.layers
    assert "within windows" in Attention.unavailable_because(model)


def test_layers_are_chosen_by_name_and_pattern():
    network = token_model(FUSED).network
    assert chosen_layers(network, "blocks.1") == ("blocks.1",)
    assert chosen_layers(network, "blocks.*.attn.proj, patches") == (
        "patches", *(f"blocks.{block}.attn.proj" for block in range(3)),
    )  # fmt: skip
    assert chosen_layers(network, "all") == network.names
    assert chosen_layers(network, "default") == chosen_layers(network)
    with pytest.raises(ValueError, match=r"no layer is called 'blocks\.9'; did you mean blocks"):
        chosen_layers(network, "blocks.9")


def test_a_token_sees_the_whole_image_and_has_its_own_patch_as_its_place():
    layer = token_model(FUSED).layers["blocks.1"]
    assert layer.receptive_field.box(2, 1) == (0, 0, 32, 24)
    assert layer.box(2, 1) == (8, 16, 16, 24)
    pixels = token_model("convnext", "all").layers["blocks.0.mlp.fc1"]
    assert pixels.place is None and pixels.box(1, 2) == (4, 0, 16, 12)


def test_the_last_maps_are_the_last_norm_whose_tokens_count():
    for name in TRANSFORMERS:  # behind the last attention the class token alone goes on
        model = token_model(name, "all")
        values = model.activations(crops(model, 1), {MAPS, "blocks.2.norm1"})
        assert torch.equal(values[MAPS], values["blocks.2.norm1"])
    mixer = token_model("mixer", "all")
    values = mixer.activations(crops(mixer, 1), {MAPS, "norm"})
    assert torch.equal(values[MAPS], values["norm"])


def test_scores_follow_the_map_that_is_handed_out():
    model = token_model(FUSED, "all")
    images = crops(model, 1).requires_grad_(True)
    values = model.activations(images, {LOGITS, "blocks.0", "blocks.0.norm1"})
    (gradient,) = torch.autograd.grad(values[LOGITS][0, 1], values["blocks.0"])
    assert gradient.shape == (1, 12, ROWS, COLUMNS) and bool(gradient.any())
    torch.testing.assert_close(values[LOGITS], model.logits(images.detach()))


def test_a_token_layer_as_the_feature_is_the_mean_of_its_map():
    model = token_model(FUSED)
    images = crops(model, 2)
    expected = model.activations(images, {"blocks.0"})["blocks.0"].mean((2, 3))
    model.network.take_feature("blocks.0")
    torch.testing.assert_close(model.activations(images, {FEATURES})[FEATURES], expected)


def test_tokens_in_any_order_are_sorted_and_those_of_no_full_grid_are_none():
    y, x = torch.tensor([4.0, 4, torch.nan, 12, 12]), torch.tensor([12.0, 4, torch.nan, 12, 4])
    places = [each.view(1, 5, 1).expand(1, 5, 3) for each in (y, x)]
    grid = find_grid(*places, (16, 16))
    assert (grid.rows, grid.columns, grid.order) == (2, 2, (1, 0, 4, 3))
    assert find_grid(*(each[:, :4] for each in places), (16, 16)) is None
    windows = [torch.cat([each, each + 16]) for each in places]
    assert find_grid(*windows, (32, 32)) is None
