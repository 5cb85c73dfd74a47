"""From a name to a Model: which network, with which weights, preprocessing and class names."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from torch import nn

from compute.demo.networks import NETWORKS
from compute.images.preprocessing import Preprocessing
from compute.images.sources import names_in_lists
from compute.images.survey import Look, with_survey
from compute.models.architectures import (
    DEFAULT,
    RANDOM,
    TORCHVISION,
    Architecture,
    demo,
    from_file,
    from_torchvision,
    torchvision_names,
)
from compute.models.checkpoints import StateDict, load_weights, read_checkpoint
from compute.models.input_options import LISTS, Size, add_input_arguments, input_preprocessing
from compute.models.model import Model, count_classes
from compute.network.outputs import MEANINGS
from compute.runtime.precision import insist_on_float32
from compute.runtime.suggestions import did_you_mean

LATER = {
    "scores", "output", "feature", "resize", "crop_fraction", "interpolation", "fit", "pad_value",
    "input_channels", "value_max", "value_range",
}  # fmt: skip


@dataclass(frozen=True)
class ModelSpec:
    """What a person says of a model; `load` makes it.

    model: "demo", "digits", "torchvision:NAME" or "path/to/file.py:function". weights: "DEFAULT", a name of
    torchvision's, or "none" for random ones that follow from `seed`. checkpoint: a file of weights. classes:
    a file with one class name a line. scores: what the class scores mean (`compute.network.outputs`). output:
    name or position of the scores in what the network returns. feature: the layer whose value is the feature.
    The others say what the input is (`compute.models.input_options`).
    """

    model: str
    weights: str | None = None
    checkpoint: str | None = None
    classes: str | None = None
    size: Size | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seed: int = 0
    scores: str | None = None
    output: str | None = None
    feature: str | None = None
    resize: Size | None = None
    crop_fraction: float | None = None
    interpolation: str | None = None
    fit: str | None = None
    pad_value: tuple[float, ...] | None = None
    input_channels: str | None = None
    value_max: int | None = None
    value_range: tuple[float, float] | None = None

    @property
    def runs_user_code(self) -> bool:
        """Whether loading it runs a Python file of the user's."""
        return not self.model.startswith(TORCHVISION) and ".py" in self.model

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "ModelSpec":
        """From the options of `add_model_arguments` (and --seed, where there is one)."""
        if not args.model:
            raise ValueError(
                "no model is named; give --model demo, torchvision:NAME or path/to/file.py:function"
            )
        given = {each.name: getattr(args, each.name, None) for each in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def to_dict(self) -> dict:
        # What is not told is left out where it was added later, so that older runs keep their fingerprint.
        return {name: value for name, value in asdict(self).items() if value is not None or name not in LATER}

    @classmethod
    def from_dict(cls, values: dict) -> "ModelSpec":
        """ValueError for anything but `to_dict`."""
        try:
            lists = {name: tuple(values[name]) for name in LISTS if isinstance(values.get(name), list)}
            spec = cls(**{**values, **lists})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"{values!r} does not say which model: {error}") from error
        if not isinstance(spec.model, str):
            raise ValueError(f"{spec.model!r} is no model's name")
        return spec


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which model."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", metavar="M", help="demo, digits, torchvision:NAME or path/to/file.py:function"
    )
    group.add_argument(
        "--weights", metavar="W", help=f"torchvision's: {DEFAULT}, a name, or {RANDOM} (random, seeded)"
    )
    group.add_argument("--checkpoint", metavar="FILE", help="weights as .pt, .pth, .th or .safetensors")
    group.add_argument("--classes", metavar="FILE", help="class names, one a line, in the network's order")
    group.add_argument(
        "--scores", choices=MEANINGS, help="what the class scores mean (default: found by their values)"
    )
    group.add_argument(
        "--output",
        metavar="NAME|INDEX",
        help="which of the returned tensors has the class scores (default: the first that may)",
    )
    group.add_argument(
        "--feature",
        metavar="LAYER",
        help="another layer for the feature (default: what the scores are made of)",
    )
    add_input_arguments(parser)


def load(
    spec: ModelSpec,
    device: str | torch.device = "cpu",
    class_names: Iterable[str] | None = None,
    look: Look | None = None,
) -> Model:
    """The model that `spec` describes, ready to use.

    class_names: taken where neither `spec.classes` nor the weights name the classes and there are as many;
    without them the classes are "class 0", "class 1", …  look: at images, for what `spec` leaves open of
    their values (`as_loaded` then says it).  Raises ValueError that names what is wrong and the choices.
    """
    device = resolve_device(device)
    insist_on_float32(device)
    state = read_checkpoint(spec.checkpoint) if spec.checkpoint else None
    architecture = _architecture(spec, state)
    if state is not None:
        load_weights(architecture.module, state, f"checkpoint {spec.checkpoint!r}")
    preprocessing = _preprocessing(spec, architecture)
    if look is not None:
        preprocessing = with_survey(preprocessing, look(preprocessing.form))
    count = count_classes(architecture.module, preprocessing, spec.scores, spec.output)
    classes = _classes(spec, architecture, count, tuple(class_names or ()))
    random = state is None and (spec.weights or "").lower() == RANDOM
    name = f"{architecture.name} (random weights)" if random else architecture.name
    return Model(
        architecture.module, preprocessing, classes, name, device, spec.scores, spec.output, spec.feature
    )


def as_loaded(spec: ModelSpec, model: Model) -> ModelSpec:
    """`spec` with what was found out of the images when `model` was loaded, so that it loads the same
    again."""
    found = model.preprocessing
    channels = found.colors if found.colors is not None else spec.input_channels
    return replace(spec, input_channels=channels, value_max=found.value_max)


def resolve_device(device: str | torch.device) -> torch.device:
    """ "auto" is the first of CUDA, Apple's MPS and the CPU that this machine has."""
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(kind for kind, there in has.items() if there))
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"unknown device {device!r}; choose from auto, {', '.join(has)}") from error
    if not has.get(device.type, False):
        there = ", ".join(kind for kind, present in has.items() if present)
        raise ValueError(f"this machine has no {device.type!r} device that torch can use; it has {there}")
    return device


def _architecture(spec: ModelSpec, state: StateDict | None) -> Architecture:
    weights = spec.weights or (RANDOM if state is not None else None)
    if spec.model in NETWORKS:
        return demo(spec.model, weights, spec.seed)
    if spec.model.startswith(TORCHVISION):
        name = spec.model.removeprefix(TORCHVISION)
        architecture = from_torchvision(name, weights, spec.seed)
        count = None if state is None else _fine_tuned(architecture.module, state)
        return architecture if count is None else from_torchvision(name, weights, spec.seed, count)
    path, colon, function = spec.model.rpartition(":")
    if colon and path.endswith(".py"):
        if weights not in (None, RANDOM):
            raise ValueError(f"weights {weights!r} are torchvision's; a file's network takes a --checkpoint")
        return from_file(Path(path), function, spec.seed)
    if spec.model.endswith(".py"):
        raise ValueError(f"{spec.model!r} names no function; give {spec.model}:FUNCTION")
    choices = (*NETWORKS, *(TORCHVISION + name for name in torchvision_names()))
    plain = TORCHVISION + spec.model
    hint = f"; did you mean {plain}?" if plain in choices else did_you_mean(spec.model, choices)
    raise ValueError(
        f"unknown model {spec.model!r} (demo, digits, torchvision:NAME or path/to/file.py:function){hint}"
    )


def _fine_tuned(module: nn.Module, state: StateDict) -> int | None:
    """How many classes a checkpoint has, if not as many as `module`: the length of the classifier's bias,
    which comes last in every classification network of torchvision."""
    name, bias = list(module.state_dict().items())[-1]
    values = next((tensor for key, tensor in state.items() if key.endswith(name)), None)
    return None if values is None or values.ndim != 1 or len(values) == len(bias) else len(values)


def _preprocessing(spec: ModelSpec, architecture: Architecture) -> Preprocessing:
    stem = _stem_channels(architecture.module)
    # ModelSpec is frozen, and a Protocol's attributes are ones that can be set.
    chosen = input_preprocessing(spec, architecture.preprocessing, spec.model, stem)  # type: ignore[arg-type]
    if stem is not None and stem != chosen.channels:
        raise ValueError(
            f"{architecture.name} takes {stem} channel{'s' * (stem != 1)}, but mean and std have "
            f"{chosen.channels} values; give --mean and --std with {stem}"
        )
    return chosen


def _stem_channels(module: nn.Module) -> int | None:
    """Of the first convolution's input; None where there is none, or it is not made yet."""
    stem = next((each for each in module.modules() if isinstance(each, nn.Conv2d)), None)
    return None if stem is None else stem.in_channels or None


def _classes(
    spec: ModelSpec, architecture: Architecture, count: int, fallback: tuple[str, ...]
) -> tuple[str, ...]:
    if spec.classes:
        return _read_classes(Path(spec.classes), count)
    if architecture.classes and len(architecture.classes) == count:
        return architecture.classes
    known = (each for each in (fallback, names_in_lists(fallback)) if len(each) == count)
    return next(known, tuple(f"class {index}" for index in range(count)))


def _read_classes(path: Path, count: int) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the class names {str(path)!r} can't be read: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != count:
        told = f"tells {count} classes apart" if count else "gives no class scores"
        raise ValueError(f"{str(path)!r} has {len(names)} class names, but the network {told}")
    return names
