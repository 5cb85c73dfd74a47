"""A network for a notebook: the one that made a run, or one by its name; and how it was loaded."""

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from os import PathLike
from typing import Any
from weakref import WeakKeyDictionary

import torch

from compute.images.survey import looking_at
from compute.models.model import Model
from compute.models.naming import check_device
from compute.models.zoo import ModelSpec, load
from compute.reports.live.network import network_of_run
from compute.reports.notebook.given import check_known, given_image, given_run, without_none
from featurestore.reader import Run, Store

FIELDS = tuple(each.name for each in fields(ModelSpec))
PATHS = ("checkpoint", "classes")
SIZES = ("size", "resize")


@dataclass(frozen=True)
class Loaded:
    """How a network was loaded.

    run: the run that it made, whose images it is held against; None where it was named by itself.
    said: fields of `ModelSpec`, and the device where one was asked for.
    """

    run: Run | None
    said: Mapping[str, Any]

    def options(self) -> dict[str, Any]:
        """Return the options of the command line that load it, by their names with underscores."""
        named = (
            {} if self.run is None else {"store": self.run.folder.parent.parent, "run": self.run.fingerprint}
        )
        written = {name: _written(name, value) for name, value in self.said.items()}
        if "input_channels" in written:
            written["channels"] = written.pop("input_channels")
        return named | written


_loaded: WeakKeyDictionary[Model, Loaded] = WeakKeyDictionary()


def load_model(
    network: str | ModelSpec | Run | Store,
    *,
    device: str | torch.device = "auto",
    image: Any = None,
    **said: Any,
) -> Model:
    """Load a network, ready for `run_method`.

    network: a run, for the network that made it; or a name such as "demo", "torchvision:resnet18" or
        "nets/mine.py:resnet20".
    device: auto, cpu, cuda or mps.
    image: one of those that it is for, where they have more than 8 bits: it tells what is white.
    said: fields of `ModelSpec`, such as weights="DEFAULT", checkpoint="mine.pt", size=64. Of a run they stand
        in place of what it says; a Python file of your own runs only if you name it: model="mine.py:net".
    ValueError names what is wrong and the choices, also where the run was made with other weights.
    """
    check_known("there is no option", said, FIELDS)
    check_device(str(device))
    told = {name: _read(name, value) for name, value in without_none(said).items()}
    asked = {} if str(device) == "auto" else {"device": str(device)}
    if isinstance(network, Run | Store):
        run = given_run(network)
        with _no_word_of_widgets():
            model = network_of_run(run, told, device, lambda name: f"load_model(run, model={name!r})")
        _loaded[model] = Loaded(run, told | asked)
        return model
    if isinstance(network, ModelSpec):
        told = without_none({name: getattr(network, name) for name in FIELDS}) | told
    elif isinstance(network, str):
        check_known("there is no further name", [name for name in told if name == "model"], ())
        told = {"model": network} | told
    else:
        raise ValueError(f"a network is a run or a name such as 'demo', not {type(network).__name__}")
    look = None
    if image is not None:
        given = given_image(image)
        look = looking_at(lambda _: given.data, [given.name], lambda note: print(note, file=sys.stderr))
    with _no_word_of_widgets():
        model = load(ModelSpec(**told), device, look=look)
    _loaded[model] = Loaded(None, told | asked)
    return model


def loaded_as(model: Model) -> Loaded | None:
    """Return how `load_model` loaded it; None where something else did."""
    return _loaded.get(model)


@lru_cache(2)
def network_of(run: Run) -> Model:
    """Return the network of a run for a report; nobody else has it, who could have changed its weights."""
    return load_model(run)


@contextmanager
def _no_word_of_widgets() -> Iterator[None]:
    """Without what tqdm, which libraries of networks import, says in a notebook that has no ipywidgets."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        yield


def _read(name: str, value: Any) -> Any:
    """A value as `ModelSpec` has it: paths as text, lists as tuples."""
    if name in PATHS and isinstance(value, PathLike):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _written(name: str, value: Any) -> Any:
    """A value as the command line has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ("x" if name in SIZES else ",").join(map(str, value))
    return value
