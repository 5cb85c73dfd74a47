"""The network with ImageNet's classes that comes with a package."""

import pytest
import torch

from compute.demo.images import photograph
from compute.models.architectures import efficientnet_lite0 as room
from compute.models.zoo import ModelSpec, load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return load(ModelSpec("efficientnet-lite0"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("skimage.data:chelsea.png", {"tabby", "tiger cat", "Egyptian cat"}),
        ("skimage.data:coffee.png", {"espresso", "cup"}),
        ("skimage.data:camera.png", {"tripod"}),
    ],
)
def test_it_knows_what_photographs_show(model, name, expected):
    """Weights in another layer's place, or other preprocessing, would not."""
    (first, _), *_ = model.top_classes(photograph(name))
    assert first in expected


def test_pixels_go_to_what_it_was_trained_with(model):
    ends = model.normalize(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 224, 224))
    torch.testing.assert_close(ends[:, 0, 0, 0], torch.tensor([-127 / 128, 1.0]))


def test_random_weights_and_another_number_of_classes():
    first, second = (load(ModelSpec("efficientnet-lite0", weights="none", seed=seed)) for seed in (1, 2))
    assert first.name == "efficientnet-lite0 (random weights)" and len(first.classes) == 1000
    assert first.weights_hash != second.weights_hash


def test_a_checkpoint_brings_its_number_of_classes(tmp_path):
    fine_tuned = room.efficientnet_lite0("none", 0, classes=7).module
    torch.save(fine_tuned.state_dict(), tmp_path / "tuned.pth")
    assert len(load(ModelSpec("efficientnet-lite0", checkpoint=str(tmp_path / "tuned.pth"))).classes) == 7


def test_other_weights_are_refused(monkeypatch):
    with pytest.raises(
        ValueError, match="unknown weights 'IMAGENET1K_V1' for efficientnet-lite0; choose from"
    ):
        load(ModelSpec("efficientnet-lite0", weights="IMAGENET1K_V1"))
    monkeypatch.setattr(room, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the published 000"):
        load(ModelSpec("efficientnet-lite0"))
    monkeypatch.setattr(room, "PACKAGE", "efficientnet_lite9_pytorch_model")
    with pytest.raises(ValueError, match="needs the package efficientnet-lite9-pytorch-model"):
        load(ModelSpec("efficientnet-lite0"))
