"""python -m compute patches: where a channel is strongest in the store's images, and what it answers to
there."""

import argparse
import time

from compute.cli.inputs import add_subject_arguments, open_run, open_subject
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.methods.attribution.guided_backprop import undefined_because
from compute.reports.patches import COUNT, SIDE, patches_report

DESCRIPTION = (
    "The patches of the store's images that excite a channel most, strongest first, beside each its guided "
    "backpropagation picture. Patches are the channel's receptive field, grey beyond the image's border."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("patches", help="Maximally activating patches", description=DESCRIPTION)
    add_subject_arguments(parser)
    parser.add_argument("--layer", required=True, help="a convolution's name, as in named_modules()")
    parser.add_argument("--channel", type=int, required=True, metavar="N", help="a channel of it, from 0")
    parser.add_argument(
        "--count", type=positive, default=COUNT, metavar="N", help="patches at most (default: %(default)s)"
    )
    parser.add_argument(
        "--side", type=positive, default=SIDE, metavar="N", help="of a patch in pixels (default: %(default)s)"
    )
    parser.add_argument(
        "--guided",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="beside each patch what in it the unit answers to, where the network allows it",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    run, model, guided = open_run(args), None, "not asked for"
    if args.guided:
        model, guided = _guiding(open_subject(args).model)
    report = patches_report(run, args.layer, args.channel, args.count, args.side, model)
    return deliver(args, report, guided=guided, seconds=time.monotonic() - started)


def _guiding(model):
    """(the network, "beside each"), or (None, why its guided backpropagation is not defined)."""
    reason = undefined_because(model)
    return (model, "beside each") if reason is None else (None, reason)
