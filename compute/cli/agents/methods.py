"""Every live method as a tool, made from its declaration."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from compute.cli.agents.arguments import Argument, of_parameter
from compute.cli.agents.delivery import METHOD_ROWS, check_save, delivered, delivery_arguments, file_of
from compute.cli.agents.reports import image_arguments, key_of
from compute.cli.agents.tool import Answer, Call, Progress, Tool
from compute.cli.agents.workspace import GivenImage, Workspace, given_image
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Inputs, Method, Step
from compute.models.model import Model
from compute.reports.drawing.run_images import picture_of
from compute.reports.live.call import MethodCall
from compute.runtime.parameters import command_line
from featurestore.manifest import model_remarks


@dataclass(frozen=True)
class Made:
    """A method's call and its result. notes: a sentence each, for who asked."""

    call: MethodCall
    step: Step
    notes: tuple[str, ...]


def method_tool(method: type[Method], workspace: Workspace) -> Tool:
    """Return the tool that runs a method with the workspace's network."""
    description = f"{method.theory} {method.reference}"
    arguments = (
        *input_arguments(method),
        *map(of_parameter, method.parameters()),
        Argument("picture", str, "in place of the result, this one of the method's further pictures"),
        *delivery_arguments(METHOD_ROWS, workspace.results),
    )
    work = partial(_work, method, workspace)
    return Tool(method.name, method.title, description, arguments, work, runs_network=True)


def input_arguments(method: type[Method]) -> tuple[Argument, ...]:
    """Return the arguments that say what a method is run on."""
    reads = method.needs | method.takes
    found: list[Argument] = []
    if IMAGE in reads:
        found += image_arguments()
    if method.any_size:
        found.append(Argument("whole", bool, "take whole pictures, not the network's crop", True))
    if SECOND in reads:
        found += image_arguments("second_", "guide or style picture")
    if TARGET in reads:
        default = "" if TARGET in method.needs else f"; without it: {method.without_target}"
        found.append(Argument("target", str, f"a class name{default}", needed=TARGET in method.needs))
    if {LAYER, CHANNEL, NEURON} & reads:
        needed = bool({LAYER, NEURON} & method.needs)
        found.append(Argument("layer", str, "a layer's name, as `describe` lists them", needed=needed))
    if {CHANNEL, NEURON} & reads:
        needed = CHANNEL in method.needs
        found.append(Argument("channel", int, "a channel of the layer, from 0", low=0, needed=needed))
    if NEURON in reads:
        found.append(Argument("y", int, "row of one unit of the channel's map, from 0", low=0))
        found.append(Argument("x", int, "column of that unit, from 0", low=0))
    return tuple(found)


def _work(method: type[Method], workspace: Workspace, call: Call) -> Answer:
    given = call.arguments
    check_save(given.get("save"), workspace.results)
    chosen = method(**{each.name: given[of_parameter(each).name] for each in method.parameters()})
    reads = method.needs | method.takes
    image = given_image(workspace, given) if IMAGE in reads else None
    second = given_image(workspace, given, "second_") if SECOND in reads else None
    for name, needed in ((IMAGE, image), (SECOND, second)):
        if name in method.needs and needed is None:
            prefix = "" if name == IMAGE else "second_"
            raise ValueError(f"{method.name} needs {prefix}image_id or {prefix}image_base64")
    call.progress(0, None, f"{method.name}: loading the network")
    model, target = workspace.model(), workspace.class_named(given.get(TARGET))

    def make() -> Made:
        named = _named(given, image, second, target)
        inputs = _inputs(model, given, image, second, target)
        return _made(MethodCall.of(chosen, model, inputs, named, workspace.run), call.progress)

    made = workspace.kept(key_of(method.name, given), make)
    report = made.call.report(made.step, given["picture"])
    further = {"further_pictures": list(made.step.pictures)} if made.step.pictures else {}
    command = _command(chosen, workspace, given, image, second, target)
    numbers = {**report.numbers, **further}
    return delivered(report, numbers, given, workspace.results, command, made.notes)


def _made(call: MethodCall, progress: Progress) -> Made:
    notes = [f"not used here: {', '.join(call.unused)}"] if call.unused else []
    with closing(call.steps()) as steps:
        for step in steps:
            progress(step.index, step.total, call.method.name)
    return Made(call, call.finished(step), (*notes, *model_remarks(call.model.facts)))


def _inputs(
    model: Model,
    given: Mapping[str, Any],
    image: GivenImage | None,
    second: GivenImage | None,
    target: str | None,
) -> Inputs:
    whole = bool(given.get("whole"))
    return Inputs(
        image=_pixels(model, image, whole),
        second=_pixels(model, second, whole),
        target=None if target is None else model.class_index(target),
        **{name: given.get(name) for name in ("layer", "channel", "y", "x")},
    )


def _pixels(model: Model, image: GivenImage | None, whole: bool) -> torch.Tensor | None:
    """(C, H, W): the network's crop, or the whole picture."""
    if image is None:
        return None
    return model.prepare(picture_of(image.content, image.name, model.preprocessing), whole)


def _named(
    given: Mapping[str, Any], image: GivenImage | None, second: GivenImage | None, target: str | None
) -> dict[str, Any]:
    """What the method is run on as the recipe says it."""
    inputs = {name: given.get(name) for name in ("layer", "channel", "y", "x", "whole")}
    digests = {name: each.sha256 for name, each in ((IMAGE, image), (SECOND, second)) if each is not None}
    return {**inputs, "target": target, **digests}


def _command(
    method: Method,
    workspace: Workspace,
    given: Mapping[str, Any],
    image: GivenImage | None,
    second: GivenImage | None,
    target: str | None,
) -> str:
    """The command line that makes the same; "image" and "second" stand for files that were sent."""
    named = {"store": workspace.store, "run": workspace.run.fingerprint, **workspace.options}
    if image is not None:
        named |= {"image": "image"} if image.image_id is None else {"image_id": image.image_id}
    if second is not None:
        stored = second.image_id is not None
        named["second"] = workspace.run.image(second.image_id)["path"] if stored else "second"
    named |= {"whole": given.get("whole"), "target": target, "picture": given["picture"]}
    named |= {name: given.get(name) for name in ("layer", "channel", "y", "x")}
    return command_line(method.name, named | method.options(), file_of(given.get("save"), method.name))
