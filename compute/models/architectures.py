"""Networks by name: the embedded demos, torchvision's, and a function in the user's own file."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from compute.demo.networks import CLASSES, NETWORKS, PREPROCESSING, load_demo_weights
from compute.images.preprocessing import Preprocessing
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision import models

TORCHVISION = "torchvision:"
RANDOM, DEFAULT = "none", "DEFAULT"
# Their own initialisation takes seconds, for weights that a checkpoint or PyTorch's default replaces.
SLOW_TO_INITIALISE = {"googlenet", "inception_v3"}


@dataclass(frozen=True)
class Architecture:
    """A network and what is known of its input and its classes (None: must be told)."""

    name: str
    module: nn.Module
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] | None = None


def demo(name: str, weights: str | None, seed: int) -> Architecture:
    """One of the embedded demos, with its shipped weights or random ones."""
    if weights not in (None, DEFAULT, RANDOM):
        raise ValueError(f"unknown weights {weights!r} for {name}; choose from {DEFAULT}, {RANDOM}")
    with seeded(seed):
        module = NETWORKS[name]()
    if weights != RANDOM:
        module.load_state_dict(load_demo_weights(name))
    facts = PREPROCESSING[name]
    preprocessing = Preprocessing((facts.size, facts.size), facts.size, facts.mean, facts.std)
    return Architecture(name, module, preprocessing, CLASSES[name])


def torchvision_names() -> tuple[str, ...]:
    """Every classification network of torchvision."""
    return tuple(models.list_models(module=models))


def from_torchvision(name: str, weights: str | None, seed: int, classes: int | None = None) -> Architecture:
    """A classification network of torchvision.

    weights: "DEFAULT", a name of theirs, or "none". Preprocessing and class names are those of the weights,
    or of the default weights where the network is random. classes: how many, if not as many as those weights
    have.
    """
    if name not in torchvision_names():
        raise ValueError(
            f"torchvision has no classification network {name!r}{did_you_mean(name, torchvision_names())}"
        )
    known = models.get_model_weights(name)
    entry = _weights_entry(name, known, weights or DEFAULT)
    facts = (entry or known.DEFAULT).transforms()
    options: dict[str, Any] = {"init_weights": False} if entry is None and name in SLOW_TO_INITIALISE else {}
    if classes is not None:
        options["num_classes"] = classes
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
    return Architecture(name, module, preprocessing, names if classes in (None, len(names)) else None)


def from_file(path: Path, function: str, seed: int) -> Architecture:
    """What `function` in the Python file `path` returns; runs that file."""
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r} to take {function!r} from")
    with seeded(seed), _beside(path):
        code = _executed(path)
        module = _called(_function(code, path, function), f"{path.name}:{function}")
    return Architecture(function, module)


def _weights_entry(name: str, known: type[models.WeightsEnum], weights: str) -> models.WeightsEnum | None:
    if weights.lower() == RANDOM:
        return None
    if weights not in known.__members__:
        choices = (DEFAULT, *(entry.name for entry in known), RANDOM)
        raise ValueError(
            f"unknown weights {weights!r} for torchvision:{name}; choose from {', '.join(choices)}"
        )
    return known[weights]


def _downloading(name: str, entry: models.WeightsEnum | None, build: Callable[[], nn.Module]) -> nn.Module:
    try:
        return build()
    except OSError as error:
        if entry is None:  # random weights: nothing is downloaded
            raise
        file = Path(urlparse(entry.url).path).name
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise ValueError(
            f"the weights {entry} could not be downloaded from {entry.url} ({error}); "
            f"put {file} into {folder}, give a --checkpoint, or use --weights {RANDOM}"
        ) from error


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Lets a file import its neighbours while it runs; another file's neighbours of the same name are
    others."""
    folder, before = path.resolve().parent, set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if folder in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                del sys.modules[name]


def _executed(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"user_network_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{str(path)!r} is not a Python file")
    code = importlib.util.module_from_spec(specification)
    # Dataclasses in the file look their module up by name.
    sys.modules[specification.name] = code
    try:
        specification.loader.exec_module(code)
    except Exception as error:
        raise ValueError(f"{path} stopped with {type(error).__name__}: {error}") from error
    return code


def _function(code: ModuleType, path: Path, name: str) -> Callable[[], nn.Module]:
    found = getattr(code, name, None)
    if not callable(found):
        own = tuple(key for key, value in vars(code).items() if callable(value) and not key.startswith("_"))
        raise ValueError(f"{path} has no function {name!r}{did_you_mean(name, own) if own else ''}")
    parameters = inspect.signature(found).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [each.name for each in parameters if each.default is each.empty and each.kind not in variadic]
    if required:
        raise ValueError(
            f"{path.name}:{name} needs {', '.join(required)}; name a function that takes no arguments"
        )
    return found


def _called(function: Callable[[], nn.Module], name: str) -> nn.Module:
    try:
        module = function()
    except Exception as error:
        raise ValueError(f"{name}() stopped with {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name}() returns {type(module).__name__}, not a torch.nn.Module")
    return module
