"""python -m compute filters: the first layer's filters in one picture."""

import argparse
import time

from compute.cli.inputs import add_subject_arguments, open_run, open_subject
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.methods.capabilities import no_filters_because
from compute.reports.drawing.report import Report
from compute.reports.filters import (
    BY_FILTER,
    SCALINGS,
    SIDE,
    filters_report,
    first_filters,
    run_filters_report,
)

DESCRIPTION = (
    "The weights of the first convolution, drawn as pictures: 0 is mid-grey, enlarged without smoothing. "
    "With other than 3 input channels, one grey picture an input channel. The array is (filters, channels, "
    "height, width). With --store and no --model, the filters that the store holds."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("filters", help="First-layer filters", description=DESCRIPTION)
    add_subject_arguments(parser)
    parser.add_argument(
        "--scaling",
        choices=SCALINGS,
        default=BY_FILTER,
        help="each filter by its own largest weight, or all by the largest of all (default: %(default)s)",
    )
    parser.add_argument(
        "--pixel-space",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="divide by the input's standard deviation: what a filter does to pixels",
    )
    parser.add_argument(
        "--side",
        type=positive,
        default=SIDE,
        metavar="N",
        help="least size of a filter in pixels (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of random weights (--weights none)")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    report = _report(args)
    return deliver(args, report, seconds=time.monotonic() - started)


def _report(args: argparse.Namespace) -> Report:
    asked = args.scaling, args.pixel_space, args.side
    if args.store is not None and args.model is None:
        return run_filters_report(open_run(args), *asked)
    model = open_subject(args).model
    if (reason := no_filters_because(model)) is not None:
        raise ValueError(f"filters are not available for {model.name}: {reason}")
    made_of = {"model": model.name, "layer": model.first_layer, "weights_hash": model.weights_hash}
    return filters_report(made_of, first_filters(model), model.preprocessing.std, *asked)
