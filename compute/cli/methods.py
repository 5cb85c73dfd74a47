"""python -m compute METHOD: one sub-command a live method, made from its declaration."""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import torch

from compute.cli.inputs import (
    Target,
    add_image_arguments,
    add_neuron_arguments,
    add_target_arguments,
    open_target,
    read_file,
    read_image,
)
from compute.cli.output import add_delivery_arguments, deliver
from compute.cli.parameters import add_parameters, chosen, escaped, spoken_options
from compute.methods import METHODS
from compute.methods.attribution.saliency import COMBINED
from compute.methods.base import CHANNEL, IMAGE, NEURON, SECOND, TARGET, Inputs, Method, Step
from compute.methods.recipe import result_recipe
from compute.methods.synthesis.ascent import LOGIT
from compute.models.model import Model
from compute.reports.base import originals_of
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import picture_of
from compute.reports.method_result import (
    references,
    result_report,
    strongest_activation,
    strongest_logit,
)
from compute.runtime.progress import Progress
from featurestore.manifest import model_remarks


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    for method in METHODS.values():
        _add_method(subparsers, method)


def _add_method(subparsers: argparse._SubParsersAction, method: type[Method]) -> None:
    description = escaped(f"{method.theory} {method.reference}")
    parser = subparsers.add_parser(method.name, help=method.title, description=description)
    add_target_arguments(parser)
    _add_inputs(parser, method)
    add_parameters(parser.add_argument_group("parameters"), method)
    if "seed" not in {each.name for each in method.parameters()}:
        parser.add_argument("--seed", type=int, metavar="N", help="of random weights (--weights none)")
    add_delivery_arguments(parser)
    parser.add_argument(
        "--picture", metavar="NAME", help="write this one of the method's further pictures to --out"
    )
    parser.set_defaults(run=run, method=method)


def _add_inputs(parser: argparse.ArgumentParser, method: type[Method]) -> None:
    reads = method.needs | method.takes
    if IMAGE in reads:
        add_image_arguments(parser)
    if method.any_size:
        whole = "take whole pictures, not the network's crop (default: on)"
        parser.add_argument("--whole", action=argparse.BooleanOptionalAction, default=True, help=whole)
    if SECOND in reads:
        parser.add_argument("--second", metavar="FILE", help="the guide or style picture")
    if TARGET in reads:
        default = "" if TARGET in method.needs else f" (default: {method.without_target})"
        parser.add_argument("--target", metavar="CLASS", help=f"a class name{default}")
    add_neuron_arguments(parser, reads)


def run(args: argparse.Namespace) -> int:
    if args.input_channels in COMBINED:
        # What --combine-channels was called before --channels said what the network's input has.
        args.channels, args.input_channels = args.input_channels, None
    method = args.method(**chosen(args, args.method))
    subject = open_target(args)
    inputs = method.checked(subject.model, _with_references(method, subject, _inputs(args, method, subject)))
    if unused := method.unused(inputs):
        print(f"note: not used here: {spoken_options(unused)}", file=sys.stderr)
    started = time.monotonic()
    step = _last(method.name, method.steps(subject.model, inputs))
    step = replace(step, numbers={**step.numbers, **_natural(subject, inputs, step)})
    seconds = time.monotonic() - started
    status = deliver(args, _report(args, method, subject, step), seconds=seconds)
    for remark in model_remarks(subject.model.facts):
        print(f"note: {remark}", file=sys.stderr)
    return status


def _natural(subject: Target, inputs: Inputs, step: Step) -> dict[str, float]:
    """What ascent reached beside the best of the store's images, where there are any to compare with."""
    if subject.run is None or step.numbers.get("objective") not in (LOGIT, CHANNEL, NEURON):
        return {}
    if step.numbers["objective"] == LOGIT:
        reached, best = "activation", strongest_logit(subject.run, subject.model.classes[inputs.target])
    else:
        reached, best = "maximum", strongest_activation(subject.run, inputs.layer, inputs.channel)
    if not best or best < 0:
        return {}
    return {"best_natural": best, "times_best_natural": step.numbers[reached] / best}


def _inputs(args: argparse.Namespace, method: Method, subject: Target) -> Inputs:
    reads, model = method.needs | method.takes, subject.model
    image = second = None
    if IMAGE in method.needs or (IMAGE in reads and (args.image is not None or args.image_id is not None)):
        image = _pixels(args, model, read_image(args, subject), args.image or f"image {args.image_id}")
    if SECOND in reads and args.second is not None:
        second = _pixels(args, model, read_file(args.second, subject), args.second)
    target = getattr(args, "target", None)
    target = None if target is None else model.class_index(target)
    neuron = {name: getattr(args, name, None) for name in ("layer", "channel", "y", "x")}
    return Inputs(image=image, second=second, target=target, **neuron)


def _with_references(method: Method, subject: Target, inputs: Inputs) -> Inputs:
    """The inputs with the store's images that answer most, where the method wants them."""
    if not method.wants_references or subject.run is None:
        return inputs
    named = replace(inputs, **dict.fromkeys(method.unused(inputs)))
    if named.channel is None and named.target is None:
        return inputs
    target = None if named.target is None else subject.model.classes[named.target]
    asked = target, named.layer, named.channel
    return replace(
        inputs, references=references(subject.run, subject.model, *asked, originals_of(subject.run))
    )


def _pixels(args: argparse.Namespace, model: Model, data: bytes, name: str) -> torch.Tensor:
    """(C, H, W): the network's crop, or the whole picture where that is asked for."""
    return model.prepare(picture_of(data, name, model.preprocessing), getattr(args, "whole", False))


def _last(name: str, steps: Iterator[Step]) -> Step:
    """The result, with the progress towards it on the standard error, once there is a first step."""
    first = step = next(steps)
    with Progress().stage(name, first.total, "steps") as stage:
        for step in chain([first], steps):
            stage.total = step.total
            stage.advance(step.index - stage.done)
    return step


def _report(args: argparse.Namespace, method: Method, subject: Target, step: Step) -> Report:
    names = ("target", "layer", "channel", "y", "x", "whole")
    inputs = {name: getattr(args, name, None) for name in names} | _digests(args, method, subject)
    run = None if subject.run is None else subject.run.fingerprint
    recipe = result_recipe(method, subject.model.name, subject.model.weights_hash, inputs, run)
    said = {"method": method.name, "model": subject.model.name, "parameters": method.to_dict()}
    return result_report(step, recipe, {**said, "score": step.score, **step.numbers}, args.picture)


def _digests(args: argparse.Namespace, method: Method, subject: Target) -> dict[str, str]:
    """SHA-256 of the files that are read."""
    reads, found = method.needs | method.takes, {}
    if IMAGE in reads and (args.image is not None or args.image_id is not None):
        found[IMAGE] = hashlib.sha256(read_image(args, subject)).hexdigest()
    if SECOND in reads and args.second is not None:
        found[SECOND] = hashlib.sha256(read_file(args.second, subject)).hexdigest()
    return found
