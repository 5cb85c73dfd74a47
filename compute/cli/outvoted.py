"""python -m compute outvoted: the images whose neighbours in feature space carry another label."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.reports.mistakes import SHEET, outvoted_report
from compute.reports.mistakes import VOTERS as COUNT

DESCRIPTION = (
    "The store's images whose nearest neighbours in feature space vote for another label than their own: "
    "wrong labels, or hard images (Wilson 1972). Those first whose neighbours carry their label least often: "
    f"the picture is a sheet of the first {SHEET}, the table has them all."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "outvoted", help="Images that their neighbours outvote", description=DESCRIPTION
    )
    add_run_arguments(parser, "the store whose neighbours vote", required=True)
    parser.add_argument(
        "--count",
        type=positive,
        default=COUNT,
        metavar="K",
        help="neighbours that vote (default: %(default)s)",
    )
    parser.add_argument("--split", default="", help="train, test, … (default: all images)")
    parser.add_argument("--label", default="", help="images with this label alone")
    parser.add_argument("--majority", default="", help="images voted for this label alone")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    asked = args.count, args.split, args.label, args.majority
    return deliver(args, outvoted_report(open_run(args), *asked))
