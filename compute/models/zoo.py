"""From a name to a Model: which network, with which weights, preprocessing and class names."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import torch
from torch import nn

from compute.demo.networks import NETWORKS
from compute.images.preprocessing import Preprocessing
from compute.images.sources import names_in_lists
from compute.images.survey import Look, with_survey
from compute.models.architectures.architecture import Architecture
from compute.models.architectures.demos import demo
from compute.models.architectures.efficientnet_lite0 import efficientnet_lite0
from compute.models.architectures.hugging_face import from_hugging_face
from compute.models.architectures.timm_networks import from_timm
from compute.models.architectures.torchvision_networks import from_torchvision
from compute.models.checkpoints import StateDict, load_weights, read_checkpoint
from compute.models.input_options import (
    LISTS,
    add_input_arguments,
    check_said,
    input_preprocessing,
    said_channels,
)
from compute.models.model import Model
from compute.models.naming import (
    DEFAULT,
    EFFICIENTNET_LITE0,
    HUGGING_FACE,
    KINDS,
    LIBRARIES,
    RANDOM,
    TIMM,
    TORCHVISION,
    WEIGHT_SUFFIXES,
    check_model,
    check_named,
    check_transform_input,
    check_weights,
    is_in_a_module,
    library_of,
)
from compute.models.unwrapping import unwrapped
from compute.models.user_code import from_file, from_module
from compute.network.outputs import MEANINGS
from compute.runtime.option_values import Size, on_or_off
from compute.runtime.precision import insist_on_float32

LATER = {
    "scores", "output", "feature", "layers", "resize", "crop_fraction", "interpolation", "fit", "pad_value",
    "input_channels", "value_max", "value_range", "checkpoint_key", "transform_input",
}  # fmt: skip


MAX_CLASSES_BYTES = 2**26


@dataclass(frozen=True)
class ModelSpec:
    """What a person says of a model; `load` makes it.

    model: "efficientnet-lite0", "demo", "digits", "torchvision:NAME", "timm:NAME", "hf:ORG/NAME" or
    "hf:folder", "path/to/file.py:function" or "package.module:function". weights: "DEFAULT", a name of the
    library's, or "none" for random ones that follow from `seed`. checkpoint: a file of weights.
    checkpoint_key: where in it they lie, needed where it holds several sets. transform_input: whether an
    Inception network of torchvision's brings its input to [-1, 1]; None is as its weights want it. classes: a
    file with one class name a line. scores: what the class scores mean (`compute.network.outputs`). output:
    name or position of the scores in what the network returns. feature: the layer whose value is the feature.
    layers: those that are listed (`compute.models.layers`). The others say what the input is
    (`compute.models.input_options`).
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
    layers: str | None = None
    resize: Size | None = None
    crop_fraction: float | None = None
    interpolation: str | None = None
    fit: str | None = None
    pad_value: tuple[float, ...] | None = None
    input_channels: str | None = None
    value_max: int | None = None
    value_range: tuple[float, float] | None = None
    checkpoint_key: str | None = None
    transform_input: bool | None = None

    @property
    def runs_user_code(self) -> bool:
        """Whether loading it runs a Python file or module of the user's."""
        if self.model.startswith(LIBRARIES):
            return False
        return ".py" in self.model or is_in_a_module(self.model)

    def with_whole_paths(self, folder: Path | None = None) -> "ModelSpec":
        """The same with paths that stay true in another folder; relative ones are taken from `folder`, or
        from where the program runs."""
        base = Path.cwd() if folder is None else folder.resolve()
        paths: dict[str, Any] = {
            name: str((base / value).resolve())
            for name in ("checkpoint", "classes")
            if (value := getattr(self, name))
        }
        file, _, function = self.model.rpartition(":")
        if file.endswith(".py") and not self.model.startswith(LIBRARIES):
            paths["model"] = f"{(base / file).resolve()}:{function}"
        if self.model.startswith(HUGGING_FACE) and (base / self.model.removeprefix(HUGGING_FACE)).is_dir():
            paths["model"] = HUGGING_FACE + str((base / self.model.removeprefix(HUGGING_FACE)).resolve())
        return replace(self, **paths)

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "ModelSpec":
        """From the options of `add_model_arguments` (and --seed, where there is one)."""
        check_named(args.model)
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
    group.add_argument("--model", metavar="M", help=KINDS)
    group.add_argument(
        "--weights", metavar="W", help=f"the library's: {DEFAULT}, a name, or {RANDOM} (random, seeded)"
    )
    group.add_argument(
        "--checkpoint", metavar="FILE", help=f"weights as {', '.join(WEIGHT_SUFFIXES)}, or a folder of them"
    )
    group.add_argument(
        "--checkpoint-key",
        metavar="KEY",
        help="which weights of the checkpoint, where it holds several: a dotted path such as model_ema, or "
        "what their names begin with",
    )
    group.add_argument(
        "--transform-input",
        type=on_or_off,
        metavar="on|off",
        help="of torchvision's googlenet and inception_v3 with a checkpoint: whether they bring their input "
        "to [-1, 1], as their pretrained weights want it (default: on)",
    )
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
    group.add_argument(
        "--layers",
        metavar="default|all|PATTERN",
        help="which layers are listed: convolutions, and in transformers and MLPs what blocks give and the "
        "hidden units (default); all; or names with *, separated by commas",
    )
    add_input_arguments(parser)


def load(
    spec: ModelSpec,
    device: str | torch.device = "cpu",
    class_names: Iterable[str] | None = None,
    look: Look | None = None,
    code: str | None = None,
    further_names: Iterable[str] = (),
) -> Model:
    """The model that `spec` describes, ready to use.

    class_names: taken where neither `spec.classes` nor the weights name the classes and there are as many;
    without them the classes are "class 0", "class 1", …  further_names: taken in place of them where there
    are as many of these.  look: at images, for what `spec` leaves open of their values (`as_loaded` then says
    it).  code: SHA-256 that the user's own file must have, if it matters.  Raises ValueError that names what
    is wrong and the choices.
    """
    check_said(spec)  # type: ignore[arg-type]
    device = resolve_device(device)
    insist_on_float32(device)
    state = _state(spec)
    architecture = _architecture(spec, state, code)
    if state is not None:
        load_weights(
            architecture.module, state, f"checkpoint {spec.checkpoint!r}", unused=architecture.unused
        )
    preprocessing = _preprocessing(spec, architecture)
    if look is not None:
        preprocessing = with_survey(preprocessing, look(preprocessing.form))
    if spec.runs_user_code:
        bare = unwrapped(architecture.module, _example(architecture.module, preprocessing))
        architecture = replace(architecture, module=bare)
    fallback = tuple(class_names or ())
    random = state is None and (spec.weights or "").lower() == RANDOM
    name = f"{architecture.name} (random weights)" if random else architecture.name
    return Model(
        architecture.module,
        preprocessing,
        lambda count: _classes(spec, architecture, count, (fallback, tuple(further_names))),
        name,
        device,
        spec.scores,
        spec.output,
        spec.feature,
        spec.layers,
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


def _state(spec: ModelSpec) -> StateDict | None:
    if spec.checkpoint:
        return read_checkpoint(spec.checkpoint, spec.checkpoint_key)
    if spec.checkpoint_key is not None:
        raise ValueError(f"--checkpoint-key {spec.checkpoint_key!r} is of a --checkpoint, and none is given")
    return None


def _architecture(spec: ModelSpec, state: StateDict | None, code: str | None) -> Architecture:
    """With as many classes as the checkpoint has, where the network is a library's."""
    architecture = _built(spec, code, state is not None)
    classes = None if state is None else _fine_tuned(architecture, state)
    return architecture if classes is None else _built(spec, code, True, classes)


def _built(
    spec: ModelSpec, code: str | None, for_checkpoint: bool, classes: int | None = None
) -> Architecture:
    weights = spec.weights or (RANDOM if for_checkpoint else None)
    check_model(spec.model)
    check_weights(spec.model, weights)
    check_transform_input(spec.model, spec.transform_input)
    library = library_of(spec.model)
    name = spec.model.removeprefix(library)
    if library == TORCHVISION:
        return from_torchvision(name, weights, spec.seed, classes, for_checkpoint, spec.transform_input)
    if library == TIMM:
        return from_timm(name, weights, spec.seed, classes, said_channels(spec), spec.size)  # type: ignore[arg-type]
    if library == HUGGING_FACE:
        return from_hugging_face(name, weights, spec.seed, classes)
    if spec.model == EFFICIENTNET_LITE0:
        return efficientnet_lite0(weights, spec.seed, classes)
    if spec.model in NETWORKS:
        return demo(spec.model, weights, spec.seed)
    return _users(spec, code)


def _users(spec: ModelSpec, code: str | None) -> Architecture:
    """What a function of the user's makes."""
    place, _, function = spec.model.rpartition(":")
    if place.endswith(".py"):
        return Architecture(function, from_file(Path(place), function, spec.seed, code))
    return Architecture(function, from_module(place, function, spec.seed, code))


def _fine_tuned(architecture: Architecture, state: StateDict) -> int | None:
    """How many classes a checkpoint has, if not as many as the network: the rows of its head."""
    head = architecture.head
    own = architecture.module.state_dict().get(head) if head else None
    stored = next(
        (
            value
            for name, value in state.items()
            if f".{name}".endswith(f".{head}") and not set(architecture.unused) & set(name.split("."))
        ),
        None,
    )
    if own is None or stored is None or stored.ndim != own.ndim or len(stored) == len(own):
        return None
    return len(stored)


def _example(module: nn.Module, preprocessing: Preprocessing) -> torch.Tensor:
    """One normalised image (1, C, H, W) of uniform noise, always the same, as the network's own numbers."""
    noise = torch.rand(
        1, preprocessing.channels, *preprocessing.size, generator=torch.Generator().manual_seed(0)
    )
    types = (each.dtype for each in module.parameters() if each.is_floating_point())
    return preprocessing.normalize(noise).to(next(types, noise.dtype))


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
    spec: ModelSpec, architecture: Architecture, count: int, fallbacks: tuple[tuple[str, ...], ...]
) -> tuple[str, ...]:
    if spec.classes:
        return _read_classes(Path(spec.classes), count)
    if architecture.classes and len(architecture.classes) == count:
        return tuple(normalize("NFC", name) for name in architecture.classes)
    choices = (names for fallback in fallbacks for names in (fallback, names_in_lists(fallback)))
    known = (each for each in choices if len(each) == count)
    return next(known, tuple(f"class {index}" for index in range(count)))


def _read_classes(path: Path, count: int) -> tuple[str, ...]:
    try:
        # A pipe has no end that could be waited for, nor has a device.
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        if path.exists() and path.stat().st_size > MAX_CLASSES_BYTES:
            raise OSError(f"it has more than {MAX_CLASSES_BYTES:,} bytes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the class names {str(path)!r} can't be read: {error}") from error
    names = tuple(normalize("NFC", line.strip()) for line in lines if line.strip())  # as labels are
    if len(names) != count:
        told = f"tells {count} classes apart" if count else "gives no class scores"
        raise ValueError(f"{str(path)!r} has {len(names)} class names, but the network {told}")
    return names
