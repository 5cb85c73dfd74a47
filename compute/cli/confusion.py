"""python -m compute confusion: which classes of a store are taken for which."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.mistakes import confusion_report

DESCRIPTION = (
    "The confusion matrix of the store's labelled images: labels down, predictions across, each row coloured "
    "by its share. As a table: every pair that occurs, and how often."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("confusion", help="Confusion matrix", description=DESCRIPTION)
    add_run_arguments(parser, "the store whose predictions are counted", required=True)
    parser.add_argument("--split", default="", help="train, test, … (default: all images)")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, confusion_report(open_run(args), args.split))
