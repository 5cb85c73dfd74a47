"""python -m compute table: a table of a store, or a layer's part of it, as CSV or Parquet."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.tables import table_report
from featurestore.schemas import TABLES

DESCRIPTION = (
    "A whole table of the store, its shards in order, or one layer's part of it; without thumbnails. README "
    "lists the columns."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("table", help="A table of a store", description=DESCRIPTION)
    add_run_arguments(parser, "the store that has the table", required=True)
    parser.add_argument("--name", choices=TABLES, required=True, help="which table")
    parser.add_argument("--layer", help="of channels and top_patches: this layer alone")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, table_report(open_run(args), args.name, args.layer))
