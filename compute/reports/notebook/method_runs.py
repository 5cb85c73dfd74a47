"""A live method in a notebook, from its declaration: what it reads by name, its parameters by name."""

import time
from typing import Any

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Inputs, Method
from compute.models.model import Model
from compute.reports.drawing.run_images import picture_of
from compute.reports.live.call import MethodCall
from compute.reports.notebook.given import GivenImage, check_known, given_image, plain, without_none
from compute.reports.notebook.loading import Loaded, load_model, loaded_as
from compute.reports.notebook.result import MethodResult
from compute.runtime.parameters import command_line
from compute.runtime.progress import Progress
from featurestore.reader import Run, Store

WHOLE = "whole"
PATIENCE = 1.0
"""Seconds before anything is said of the progress: a notebook keeps what is printed below its cell."""


def run_method(
    name: str,
    model: Model | Run | Store,
    image: Any = None,
    *,
    progress: bool = True,
    **named: Any,
) -> MethodResult:
    """Run a live method; Ctrl-C, the notebook's stop button, ends it and leaves the network as it was.

    name: one of METHODS, such as "saliency".
    model: as `load_model` gives it; or a run, whose network is then loaded for this once.
    image: of a run, such as run.image(3), a path, a file's bytes, a PIL image, (H, W, 3) uint8 or in [0, 1],
        or a tensor (C, H, W) in [0, 1].
    progress: whether a line on the standard error says how far it is, and how long it will take.
    named: what the method reads, and its parameters: second (an image), target (a class by name or index),
        layer, channel, y, x, whole; samples=20, say. docs/methods.md lists them.
    ValueError, with the choices, for unknown names and values, and for what is missing.
    """
    check_known("there is no method", [name], METHODS)
    declared = METHODS[name]
    network = load_model(model) if isinstance(model, Run | Store) else model
    if not isinstance(network, Model):
        raise ValueError(f"the network is one that load_model gives, or a run, not {type(model).__name__}")
    named = plain(named)
    inputs = without_none({IMAGE: image, **{each: named.pop(each, None) for each in (*_INPUTS, WHOLE)}})
    check_known(f"{name} reads no", inputs, _readable(declared))
    check_known(f"{name} has no parameter", named, {each.name for each in declared.parameters()})
    method = declared(**named)
    images = {
        each: given_image(inputs[each]).fitting(network.in_channels)
        for each in (IMAGE, SECOND)
        if each in inputs
    }
    if declared.any_size:
        inputs.setdefault(WHOLE, True)
    loaded = loaded_as(network) or Loaded(None, {})
    call = _call(method, network, inputs, images, loaded.run)
    started = time.monotonic()
    step = call.result(Progress(patience=PATIENCE) if progress else Progress(patience=float("inf")))
    seconds = time.monotonic() - started
    return MethodResult(call, step, seconds, *_command(call, images, inputs, loaded_as(network)))


_INPUTS = (SECOND, TARGET, LAYER, CHANNEL, "y", "x")


def _readable(method: type[Method]) -> set[str]:
    """The names of what a method reads."""
    reads = set(method.needs | method.takes)
    if NEURON in reads:
        reads |= {LAYER, CHANNEL, "y", "x"}
    if CHANNEL in reads:
        reads.add(LAYER)
    return (reads | ({WHOLE} if method.any_size else set())) & {IMAGE, *_INPUTS, WHOLE}


def _call(
    method: Method, model: Model, inputs: dict[str, Any], images: dict[str, GivenImage], run: Run | None
) -> MethodCall:
    whole = inputs.get(WHOLE, False)
    pixels: dict[str, Any] = {
        each: model.prepare(picture_of(given.data, given.name, model.preprocessing), whole)
        for each, given in images.items()
    }
    rest: dict[str, Any] = {each: inputs[each] for each in _INPUTS[2:] if each in inputs}
    target = _target(model, inputs.get(TARGET))
    said = rest | {each: given.digest for each, given in images.items()}
    if WHOLE in inputs:
        said[WHOLE] = whole
    if target is not None:
        said[TARGET] = model.classes[target]
    return MethodCall.of(method, model, Inputs(target=target, **pixels, **rest), said, run)


def _target(model: Model, target: Any) -> int | None:
    """The index of a class that is given by name or index."""
    if target is None or isinstance(target, str):
        return None if target is None else model.class_index(target)
    try:
        index = target.__index__()
    except AttributeError as error:
        raise ValueError(f"a target is a class by name or index, not {target!r}") from error
    if isinstance(target, bool) or not 0 <= index < len(model.classes):
        raise ValueError(f"class {target!r} is not one of the {len(model.classes)} classes, from 0")
    return index


def _command(
    call: MethodCall, images: dict[str, GivenImage], inputs: dict[str, Any], loaded: Loaded | None
) -> tuple[str | None, str]:
    """The command line that makes the result again or, in its place, why there is none."""
    if loaded is None:
        return None, "no command line makes this: the network was not loaded by load_model"
    options = loaded.options()
    for name, given in images.items():
        found = image_option(name, given, loaded.run)
        if found is None:
            return None, f"no command line makes this: {given.name} has no file that it could name"
        options |= found
    names = (TARGET, LAYER, CHANNEL, "y", "x", WHOLE)
    options |= {name: call.named[name] for name in names if name in call.named}
    return command_line(call.method.name, options | call.method.options(), f"{call.method.name}.png"), ""


def image_option(name: str, given: GivenImage, run: Run | None) -> dict[str, Any] | None:
    """Return the option that names an image on the command line; None where it can't be named."""
    if given.path is not None:
        return {name: given.path}
    if given.stored is None or run is None or given.stored.run.folder != run.folder:
        return None
    return {"image_id": given.stored["image_id"]} if name == IMAGE else {name: given.stored["path"]}
