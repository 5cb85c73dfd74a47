"""What a model and a device may be called. A wrong name is told without torch, and without the library that
it is looked for in.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path

from compute.runtime.suggestions import did_you_mean

RANDOM, DEFAULT = "none", "DEFAULT"
"""What `--weights` may be of every library's networks."""

TORCHVISION, TIMM, HUGGING_FACE = "torchvision:", "timm:", "hf:"
LIBRARIES = (TORCHVISION, TIMM, HUGGING_FACE)
EFFICIENTNET_LITE0 = "efficientnet-lite0"
EMBEDDED = (EFFICIENTNET_LITE0, "demo", "digits")
KINDS = (
    f"{', '.join(EMBEDDED)}, torchvision:NAME, timm:NAME, hf:ORG/NAME, path/to/file.py:function or "
    "package.module:function"
)
DEVICES = ("auto", "cuda", "mps", "cpu")
WEIGHT_SUFFIXES = (
    ".pt", ".pth", ".th", ".safetensors", ".ckpt", ".bin", ".pkl", ".pickle", ".tar", ".index.json",
)  # fmt: skip
"""How a file of weights may end."""

IN_A_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
REGISTERED = re.compile(r"^@register_model\b.*?^def (\w+)\(", re.MULTILINE | re.DOTALL)
DEPRECATED, OLD_NAME = (
    "register_model_deprecations(__name__",
    re.compile(r"^\s*['\"](\w+)['\"]:", re.MULTILINE),
)


def is_in_a_module(name: str) -> bool:
    """Whether it reads as "package.module:function"."""
    return IN_A_MODULE.fullmatch(name) is not None


def check_model(name: str) -> None:
    """Raise ValueError, with near names, for what can't be a model's name: of no kind, of a file that is not
    there, or of a network that an installed library doesn't have.
    """
    if name in EMBEDDED or name.startswith(HUGGING_FACE):
        return
    if name.startswith(TORCHVISION):
        check_torchvision(name.removeprefix(TORCHVISION))
    elif name.startswith(TIMM):
        check_timm(name.removeprefix(TIMM))
    else:
        _check_users(name)


def check_named(model: str | None) -> None:
    """Raise ValueError where no model is named."""
    if not model:
        raise ValueError(f"no model is named; give --model {KINDS}")


def check_weights(model: str, weights: str | None) -> None:
    """Raise ValueError for names of weights that a model can't have; those of torchvision's and timm's
    networks are the libraries' to know.
    """
    library = library_of(model)
    if library in (TORCHVISION, TIMM):
        return
    if library or model in EMBEDDED:
        if weights not in (None, DEFAULT, RANDOM):
            raise ValueError(f"unknown weights {weights!r} for {model}; choose from {DEFAULT}, {RANDOM}")
    elif weights not in (None, RANDOM):
        raise ValueError(f"weights {weights!r} are a library's; a file's network takes a --checkpoint")


def check_transform_input(model: str, asked: bool | None) -> None:
    """Raise ValueError where the option of torchvision's Inception networks is given for another library."""
    if asked is not None and library_of(model) != TORCHVISION:
        raise ValueError(f"--transform-input is of torchvision's googlenet and inception_v3, not of {model}")


def check_layer(name: str, layers: Iterable[str]) -> None:
    """Raise ValueError, with near names, for a name that is not a layer's."""
    known = tuple(layers)
    if name not in known:
        raise ValueError(f"unknown layer {name!r}{did_you_mean(name, known)}")


def check_class(name: str, classes: Sequence[str]) -> None:
    """Raise ValueError, with near names, for a name that is not a class's."""
    if name not in classes:
        raise ValueError(f"unknown class {name!r}{did_you_mean(name, classes)}")


def check_index(name: str, value: int | None, layer: str, count: int) -> None:
    """Raise ValueError for an index that is not in a layer, or no whole number.

    name: "channel", "y" or "x".
    value: None where none is given.
    count: how many there are.
    """
    if value is None:
        return
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be a whole number")
    if not 0 <= value < count:
        raise ValueError(f"{name} {value} is not in {layer}, which has 0 to {count - 1}")


def library_of(model: str) -> str:
    """Return what a model's name begins with, of LIBRARIES; "" where it is of none."""
    return next((each for each in LIBRARIES if model.startswith(each)), "")


def check_torchvision(name: str) -> None:
    """Raise ValueError, with near names, where torchvision has no such network."""
    known = torchvision_names()
    if known and name not in known:
        raise ValueError(f"torchvision has no classification network {name!r}{did_you_mean(name, known)}")


def check_timm(name: str) -> None:
    """Raise ValueError, with near names, where timm has no such network.

    name: with or without the tag of weights, which is not looked at.
    """
    base, known = name.partition(".")[0], timm_names()
    if known and base not in known:
        raise ValueError(f"timm has no network {base!r}{did_you_mean(base, known)}")


def check_device(name: str) -> None:
    """Raise ValueError for the name of no kind of device; whether this machine has one is torch's to say."""
    if name.partition(":")[0] not in DEVICES:
        raise ValueError(f"unknown device {name!r}; choose from {', '.join(DEVICES)}")


def torchvision_names() -> tuple[str, ...]:
    """Return every classification network of torchvision, sorted; none where it is not installed."""
    return _registered("torchvision")


def timm_names() -> tuple[str, ...]:
    """Return every network of timm, without tags of weights, former names included; sorted."""
    return _registered("timm")


@cache
def _registered(library: str) -> tuple[str, ...]:
    """Read from the source of a library what importing it would register, which takes seconds."""
    found = find_spec(library)
    if found is None or found.origin is None:
        return ()
    names: set[str] = set()
    for path in (Path(found.origin).parent / "models").glob("*.py"):
        current, _, former = path.read_text(encoding="utf-8").partition(DEPRECATED)
        names.update(REGISTERED.findall(current), OLD_NAME.findall(former))
    return tuple(sorted(names))


def check_file(path: Path, function: str) -> None:
    """Raise ValueError where there is no file to take a function from."""
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r} to take {function!r} from")


def _check_users(name: str) -> None:
    """A function of the user's, in a file or in a module."""
    place, _, function = name.rpartition(":")
    if place.endswith(".py"):
        check_file(Path(place), function)
    elif not is_in_a_module(name) or _misspelt(place):
        raise ValueError(_unknown(name))


def _misspelt(library: str) -> bool:
    """Whether a module is called almost as a library is, and there is none of that name.

    Only its first part is looked for: a package would be imported to look into it.
    """
    if not difflib.get_close_matches(f"{library}:", LIBRARIES, cutoff=0.75):
        return False
    return find_spec(library.partition(".")[0]) is None


def _unknown(model: str) -> str:
    """What is said of a model's name that is none."""
    if model.endswith(".py"):
        return f"{model!r} names no function; give {model}:FUNCTION"
    if model.endswith(WEIGHT_SUFFIXES) and Path(model).exists():
        return (
            f"{model!r} is a file of weights, without the code of a network that could be looked into; give "
            f"--model path/to/file.py:function --checkpoint {model}"
        )
    choices = (*EMBEDDED, *(TORCHVISION + name for name in torchvision_names()))
    plain = TORCHVISION + model
    hint = f"; did you mean {plain}?" if plain in choices else did_you_mean(model, choices)
    return f"unknown model {model!r} ({KINDS}){hint}"
