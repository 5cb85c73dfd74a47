"""python -m compute classes: how well each class of a store is recognised."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.mistakes import classes_report

DESCRIPTION = (
    "One row a class, of the store's labelled images: how many, how many are right, recall, precision, what "
    "it is most often taken for, mean loss in nat. Numbers alone."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("classes", help="Recall and precision of classes", description=DESCRIPTION)
    add_run_arguments(parser, "the store whose predictions are counted", required=True)
    parser.add_argument("--split", default="", help="train, test, … (default: all images)")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, classes_report(open_run(args), args.split))
