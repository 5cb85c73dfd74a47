"""torchvision's classification networks."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.models.architectures.architecture import Architecture
from compute.models.architectures.hub import are_allowed
from compute.models.naming import DEFAULT, RANDOM, TORCHVISION, check_torchvision
from compute.runtime.notices import notice
from compute.runtime.seeding import seeded

if TYPE_CHECKING:
    from compute.runtime.vision import models

# Their own initialisation takes seconds, for weights that a checkpoint or PyTorch's default replaces.
SLOW_TO_INITIALISE = {"googlenet", "inception_v3"}
# Their pretrained weights take an input in [-1, 1], to which the network itself brings one of ImageNet's mean
# and deviation; in training they have classifiers beside the last one.
OF_INCEPTION = {"googlenet", "inception_v3"}
AUXILIARY_HEADS = ("AuxLogits", "aux1", "aux2")


def imagenet_names() -> tuple[str, ...]:
    """Return ImageNet's 1,000 classes in torchvision's words."""
    return tuple(_models().ResNet18_Weights.DEFAULT.meta["categories"])


def from_torchvision(
    name: str,
    weights: str | None,
    seed: int,
    classes: int | None = None,
    for_checkpoint: bool = False,
    transform_input: bool | None = None,
) -> Architecture:
    """A classification network of torchvision.

    weights: "DEFAULT", a name of theirs, or "none". Preprocessing and class names are those of the weights,
    or of the default weights where the network is random. classes: how many, if not as many as those weights
    have. for_checkpoint: whether a checkpoint's weights follow. transform_input: whether an Inception network
    brings its input to [-1, 1] (see OF_INCEPTION); None is as its weights want it, a checkpoint's like the
    pretrained ones.
    """
    check_torchvision(name)
    models = _models()
    known = models.get_model_weights(name)
    entry = _weights_entry(name, known, weights or DEFAULT)
    facts = (entry or known.DEFAULT).transforms()
    options: dict[str, Any] = {}
    if entry is None and name in SLOW_TO_INITIALISE:
        options["init_weights"] = False
    if classes is not None:
        options["num_classes"] = classes
    options |= _inception_options(name, for_checkpoint, transform_input)
    with seeded(seed):
        module = _downloading(name, entry, lambda: models.get_model(name, weights=entry, **options))
    preprocessing = Preprocessing(
        size=(facts.crop_size[0],) * 2,
        resize=facts.resize_size[0],
        mean=tuple(facts.mean),
        std=tuple(facts.std),
        interpolation=facts.interpolation.value,
    )
    names = tuple((entry or known.DEFAULT).meta["categories"])
    return Architecture(
        name=name,
        module=module,
        preprocessing=preprocessing,
        classes=names if classes in (None, len(names)) else None,
        # The classifier's bias comes last in every classification network of torchvision.
        head=list(module.state_dict())[-1],
        unused=AUXILIARY_HEADS if name in OF_INCEPTION else (),
    )


def _models() -> ModuleType:
    from compute.runtime.vision import models

    return models


def _inception_options(name: str, for_checkpoint: bool, transform_input: bool | None) -> dict[str, Any]:
    if name not in OF_INCEPTION:
        if transform_input is not None:
            known = ", ".join(TORCHVISION + each for each in sorted(OF_INCEPTION))
            raise ValueError(f"--transform-input is of {known}, not of {TORCHVISION}{name}")
        return {}
    options: dict[str, Any] = {}
    if for_checkpoint:
        options["aux_logits"] = False
        if transform_input is None:
            transform_input = True
            notice(
                f"{TORCHVISION}{name}: the checkpoint's weights are taken to derive from torchvision's "
                "pretrained ones, whose input the network brings to [-1, 1]; for weights that were trained "
                "from scratch give --transform-input off"
            )
    if transform_input is not None:
        options["transform_input"] = transform_input
    return options


def _weights_entry(name: str, known: "type[models.WeightsEnum]", weights: str) -> "models.WeightsEnum | None":
    """One of the weights that torchvision knows of a network, an enumeration; None for random ones."""
    if weights.lower() == RANDOM:
        return None
    if weights not in known.__members__:
        choices = (DEFAULT, *(entry.name for entry in known), RANDOM)
        raise ValueError(
            f"unknown weights {weights!r} for torchvision:{name}; choose from {', '.join(choices)}"
        )
    return known[weights]


def _downloading(name: str, entry: "models.WeightsEnum | None", build: Callable[[], nn.Module]) -> nn.Module:
    if entry is None:  # random weights: nothing is downloaded
        return build()
    file = Path(urlparse(entry.url).path).name
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        if not are_allowed() and not (folder / file).is_file():
            raise OSError("a dashboard downloads nothing")
        return build()
    except OSError as error:
        raise ValueError(
            f"the weights {entry} could not be downloaded from {entry.url} ({error}); "
            f"put {file} into {folder}, give a --checkpoint, or use --weights {RANDOM}"
        ) from error
