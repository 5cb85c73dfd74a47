"""Image classifiers of transformers, from folders made here."""

import json

import pytest
import torch

from compute.images.preprocessing import CROP, SQUASH
from compute.models.architectures import hub
from compute.models.architectures.hugging_face import _preprocessing
from compute.models.zoo import ModelSpec, load

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (requirements-hf.txt)"
)

BOX = {"height": 224, "width": 224}
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32},
    "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "resample": 3,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A tiny ResNet with three classes, as save_pretrained leaves it."""
    names = {0: "ant", 1: "bee", 2: "cicada"}
    torch.manual_seed(7)
    config = transformers.ResNetConfig(
        embedding_size=4,
        hidden_sizes=[4, 8],
        depths=[1, 1],
        id2label=names,
        label2id={v: k for k, v in names.items()},
    )
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return tmp_path / "tiny"


def test_a_folder(folder):
    model = load(ModelSpec(f"hf:{folder}"))
    plain = transformers.ResNetForImageClassification.from_pretrained(folder).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = plain(model.normalize(images)).logits
    assert torch.allclose(model.logits(images), expected, atol=1e-6)
    assert model.name == "tiny" and model.classes == ("ant", "bee", "cicada")
    made = model.preprocessing
    assert (made.size, made.resize, made.fit, made.interpolation) == ((32, 32), (32, 32), SQUASH, "bicubic")
    assert made.mean == pytest.approx((0.5, 0.4, 0.3)) and made.std == pytest.approx((0.2, 0.25, 0.3))


def test_a_folder_by_a_relative_path_and_random_weights(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    spec = ModelSpec("hf:./tiny")
    assert load(spec).weights_hash != load(ModelSpec("hf:./tiny", weights="none")).weights_hash
    assert spec.with_whole_paths().model == f"hf:{folder.resolve()}"
    assert not spec.runs_user_code


def test_a_checkpoint_of_other_weights(folder, tmp_path):
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=5)
    tuned = transformers.ResNetForImageClassification(config)
    torch.save({f"module.{name}": value for name, value in tuned.state_dict().items()}, tmp_path / "tuned.pt")
    model = load(ModelSpec(f"hf:{folder}", checkpoint=str(tmp_path / "tuned.pt")))
    assert len(model.classes) == 5


def test_weights_without_a_classifier_are_refused(folder, tmp_path):
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.ResNetModel(config).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"has no weights for classifier.*not saved as an image classifier"):
        load(ModelSpec(f"hf:{tmp_path / 'bare'}", size=32))


def test_what_can_not_be_loaded(monkeypatch, folder, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "is_reachable", lambda endpoint: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for spec, words in (
        (ModelSpec("hf:nobody/nothing"), "could not be downloaded.*copy its folder here"),
        (ModelSpec("hf:./nowhere"), "there is no folder './nowhere'"),
        (ModelSpec(f"hf:{folder}", weights="V1"), "unknown weights 'V1'"),
    ):
        with pytest.raises(ValueError, match=words):
            load(spec)


@pytest.mark.parametrize("facts, size, resize, fit", [
    ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": BOX}, 224, 256, CROP),
    ({"size": 256, "do_center_crop": True, "crop_size": 224}, 224, 256, CROP),
    ({"size": BOX}, 224, (224, 224), SQUASH),
    ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 224, 256, CROP),
    ({"size": {"shortest_edge": 384}, "crop_pct": 1.0}, 384, (384, 384), SQUASH),
    ({"size": BOX, "do_resize": False}, 224, None, SQUASH),
])  # fmt: skip
def test_sizes_of_processors_of_every_age(facts, size, resize, fit):
    made = _preprocessing({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, **facts}, object())
    assert (made.size, made.resize, made.fit) == ((size, size), resize, fit)


def test_values_that_go_to_255_are_said_for_values_that_go_to_1():
    facts = {"size": 32, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}
    made = _preprocessing(facts, object())
    assert made.mean == pytest.approx((0.5,) * 3) and made.std == pytest.approx((0.2,) * 3)
