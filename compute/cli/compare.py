"""python -m compute compare: what changed between two runs over the same images."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.reports.compare.measures import COLORS, Compared
from compute.reports.compare.report import CHANGED, NEIGHBORS, SHOWN, Asked, compare_report
from featurestore.reader import Store

DESCRIPTION = (
    "Holds two runs over the same images, matched by the SHA-256 of their bytes, against each other. "
    "summary: all measures, beside chance; predictions: those that changed; neighbors: how many of each "
    "image's nearest are the same; channels: the same of each channel's nine strongest images; maps: the "
    "other map laid upon the first."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("compare", help="Two runs over the same images", description=DESCRIPTION)
    add_run_arguments(parser, "the store of the first run", required=True)
    parser.add_argument("--other-store", metavar="S", required=True, help="the store of the other run")
    parser.add_argument(
        "--other-run", metavar="FINGERPRINT", help="one of its runs (default: its current one)"
    )
    parser.add_argument("--show", choices=SHOWN, default="summary", help="(default: %(default)s)")
    parser.add_argument("--k", type=positive, default=NEIGHBORS, help="of neighbours (default: %(default)s)")
    parser.add_argument(
        "--kind", choices=CHANGED, default="all", help="of changed predictions (default: all)"
    )
    parser.add_argument("--label", default="", help="a class: its changed predictions alone")
    parser.add_argument(
        "--layer", default="", help="of channels (default: the first that both networks have)"
    )
    parser.add_argument("--method", default="", help="of maps (default: the first that both runs have)")
    parser.add_argument("--color", choices=COLORS, default="label", help="of maps (default: %(default)s)")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    compared = Compared(open_run(args), Store(args.other_store).open(args.other_run))
    asked = Asked(args.show, args.k, args.kind, args.label, args.layer, args.method, args.color)
    return deliver(args, compare_report(compared, asked))
