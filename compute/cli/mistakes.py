"""python -m compute mistakes: the errors that a store's network is most sure of."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.mistakes import SHEET, mistakes_report

DESCRIPTION = (
    f"The store's errors, the most probable first: the picture is a sheet of the first {SHEET}, "
    "the table has them all."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("mistakes", help="Most confident errors", description=DESCRIPTION)
    add_run_arguments(parser, "the store whose errors are listed", required=True)
    parser.add_argument("--split", default="", help="train, test, … (default: all images)")
    parser.add_argument("--label", default="", help="a class: its errors alone")
    parser.add_argument("--predicted", default="", help="a class: errors taken for it alone")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, mistakes_report(open_run(args), args.split, args.label, args.predicted))
