"""Which methods are available for networks of every family, and why the others are not."""

import pytest
import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.methods import METHODS
from compute.methods.capabilities import QUERIES, capabilities
from compute.models.model import Model
from compute.runtime.vision import models
from tests.support.networks.odd import GREY, AllConvolutional, Branching, OneChannel, Tokens, model_of

pytestmark = pytest.mark.slow

IMAGE = Preprocessing((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
RELU = (
    "resnet18",
    "vgg11_bn",
    "densenet121",
    "googlenet",
    "squeezenet1_1",
    "mobilenet_v2",
    "shufflenet_v2_x0_5",
)
OTHER = {"mobilenet_v3_small": "Hardswish", "efficientnet_b0": "SiLU", "convnext_tiny": "GELU"}


def torchvision_model(name: str) -> Model:
    """Made without memory, for speed, and filled with small values."""
    with torch.device("meta"):
        network = models.get_model(
            name, **({"init_weights": False} if name == "googlenet" else {}), num_classes=5
        )
    if name == "vgg11_bn":
        network.classifier = nn.Linear(25088, 5)
    network = network.to_empty(device="cpu")
    torch.manual_seed(0)
    for tensor in network.parameters():
        torch.nn.init.normal_(tensor.detach(), std=max(1, tensor[0].numel()) ** -0.5)
    for tensor in network.buffers():
        tensor.fill_(1 if tensor.is_floating_point() else 0)
    return Model(network, IMAGE, "abcde", name)


NO_ATTENTION = {"attention": "the network has no attention"}


def missing(model: Model) -> dict[str, str]:
    return {name: reason for name, reason in capabilities(model).items() if reason is not None}


def test_every_method_and_query_is_answered_once():
    model = model_of(AllConvolutional)
    assert set(capabilities(model)) == {*METHODS, *QUERIES}


@pytest.mark.parametrize("name", RELU)
def test_networks_of_convolutions_and_relus_can_do_everything(name):
    assert missing(torchvision_model(name)) == NO_ATTENTION


@pytest.mark.parametrize("name", OTHER)
def test_guided_backprop_is_for_relus(name):
    reasons = missing(torchvision_model(name))
    assert set(reasons) == {"guided", "attention"}
    assert OTHER[name] in reasons["guided"]


def test_a_vision_transformer_can_do_all_but_filters_and_guided_backprop():
    network = models.VisionTransformer(
        64, 16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8, num_classes=5
    )
    nn.init.normal_(network.heads.head.weight)  # 0 in a new one: its scores depend on no token
    model = Model(network, IMAGE, "abcde", "vit")
    reasons = missing(model)
    assert {"filters", "guided"} == set(reasons)
    assert "patches of 16 x 16 pixels" in reasons["filters"]


def test_one_channel_and_untraced_networks():
    assert missing(model_of(OneChannel, preprocessing=GREY)) == NO_ATTENTION
    assert set(missing(model_of(Branching))) == {"attention"}


def test_a_network_without_convolutions_has_no_filters():
    class Perceptron(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 5)

        def forward(self, x):
            return self.fc(x.mean((2, 3)))

    reasons = missing(model_of(Perceptron))
    assert reasons["filters"] == "the network has no convolution"
    assert "no layer" in reasons["patches"]


def test_one_convolution_into_patches_is_an_embedding():
    assert "patches of 4 x 4 pixels" in missing(model_of(Tokens))["patches"]
