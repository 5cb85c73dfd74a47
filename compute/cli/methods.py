"""python -m compute METHOD: one sub-command a live method, made from its declaration."""

import argparse
import hashlib
import sys
import time
from typing import Any

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
from compute.methods.base import IMAGE, SECOND, TARGET, Inputs, Method
from compute.models.model import Model
from compute.reports.drawing.run_images import picture_of
from compute.reports.live.call import MethodCall
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
    inputs, named = _inputs(args, method, subject), _named(args, method, subject)
    call = MethodCall.of(method, subject.model, inputs, named, subject.run)
    if call.unused:
        print(f"note: not used here: {spoken_options(call.unused)}", file=sys.stderr)
    started = time.monotonic()
    step = call.result(Progress())
    seconds = time.monotonic() - started
    status = deliver(args, call.report(step, args.picture), seconds=seconds)
    for remark in model_remarks(subject.model.facts):
        print(f"note: {remark}", file=sys.stderr)
    return status


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


def _pixels(args: argparse.Namespace, model: Model, data: bytes, name: str) -> torch.Tensor:
    """(C, H, W): the network's crop, or the whole picture where that is asked for."""
    return model.prepare(picture_of(data, name, model.preprocessing), getattr(args, "whole", False))


def _named(args: argparse.Namespace, method: Method, subject: Target) -> dict[str, Any]:
    """What the method is run on as the recipe says it."""
    names = ("target", "layer", "channel", "y", "x", "whole")
    return {name: getattr(args, name, None) for name in names} | _digests(args, method, subject)


def _digests(args: argparse.Namespace, method: Method, subject: Target) -> dict[str, str]:
    """SHA-256 of the files that are read."""
    reads, found = method.needs | method.takes, {}
    if IMAGE in reads and (args.image is not None or args.image_id is not None):
        found[IMAGE] = hashlib.sha256(read_image(args, subject)).hexdigest()
    if SECOND in reads and args.second is not None:
        found[SECOND] = hashlib.sha256(read_file(args.second, subject)).hexdigest()
    return found
