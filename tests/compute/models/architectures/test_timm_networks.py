"""Networks of timm: preprocessing, classes and heads of other sizes, without a network connection."""

import pytest
import torch

from compute.images.preprocessing import Preprocessing
from compute.models.architectures import hub
from compute.models.zoo import ModelSpec, load
from compute.runtime.vision_layers import prepare_torchvision

pytestmark = pytest.mark.slow

prepare_torchvision()
timm = pytest.importorskip("timm", reason="timm is not installed (requirements.txt)")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No hub, and nothing that was downloaded before."""
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "is_reachable", lambda endpoint: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.fixture
def no_network(monkeypatch):
    def asked(*_, **__):
        raise AssertionError("a network was asked")

    monkeypatch.setattr(hub, "is_reachable", asked)


def test_random_weights_need_no_network(no_network):
    model = load(ModelSpec("timm:mobilenetv3_small_050", weights="none"))
    assert model.name == "mobilenetv3_small_050 (random weights)" and model.classes[:2] == (
        "tench",
        "goldfish",
    )
    assert model.preprocessing == Preprocessing(
        (224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic"
    )
    again = load(ModelSpec("timm:mobilenetv3_small_050", weights="none"))
    other = load(ModelSpec("timm:mobilenetv3_small_050", weights="none", seed=1))
    assert model.weights_hash == again.weights_hash != other.weights_hash


@pytest.mark.parametrize(
    "name", ["resnet18.a1_in1k", "vit_tiny_patch16_224", "mixer_b16_224", "beit_base_patch16_384"]
)
def test_preprocessing_is_that_of_timms_evaluation(name):
    from PIL import Image

    from compute.models.architectures.timm_networks import _preprocessing

    facts = timm.get_pretrained_cfg(name)
    pixels = torch.randint(
        0, 256, (300, 420, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    image = Image.fromarray(pixels.numpy())
    ours = _preprocessing(facts)
    theirs = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=facts.to_dict()))(
        image
    )
    assert (ours.normalize(ours.tensor(image)[None])[0] - theirs).abs().max() < 1e-5


def test_a_checkpoint_brings_its_number_of_classes(no_network, tmp_path):
    saved = timm.create_model("mobilenetv3_small_050", num_classes=7)
    torch.save({"state_dict": saved.state_dict(), "arch": "x"}, tmp_path / "last.pth.tar")
    spec = ModelSpec("timm:mobilenetv3_small_050", checkpoint=str(tmp_path / "last.pth.tar"), size=64)
    model = load(spec, class_names="abcdefg")
    assert model.classes == tuple("abcdefg") and model.input_size == (64, 64)
    assert torch.equal(
        model.module.state_dict()["classifier.weight"], saved.state_dict()["classifier.weight"]
    )


def test_sizes_and_channels_reach_the_network(no_network):
    spec = ModelSpec(
        "timm:vit_tiny_patch16_224", weights="none", size=32, input_channels="1", mean=(0.5,), std=(0.5,)
    )
    model = load(spec)
    assert model.in_channels == 1 and model.module.patch_embed.grid_size == (2, 2)


@pytest.mark.parametrize("spec, words", [
    (ModelSpec("timm:resnet81"), "timm has no network 'resnet81'; did you mean resnet18"),
    (ModelSpec("timm:resnet18", "a9"), "unknown weights 'a9' for timm:resnet18; .*a1_in1k"),
    (ModelSpec("timm:resnet18.a1_in1k", "a2_in1k"), "names the weights 'a1_in1k', but --weights 'a2_in1k'"),
    (ModelSpec("timm:resnet18"), r"weights of timm:resnet18\.\w+ could not be downloaded.*--weights none"),
    (ModelSpec("tim:resnet18"), "unknown model 'tim:resnet18'"),
])  # fmt: skip
def test_what_can_not_be_loaded(offline, spec, words):
    with pytest.raises(ValueError, match=words):
        load(spec)
