"""python -m compute map: all images of a store laid out on a plane."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.drawing.coloring import COLOR_COLUMNS
from compute.reports.map import map_report

DESCRIPTION = (
    "One of the store's maps as a picture, a point an image, coloured by a column of the table images. As a "
    "table: coordinates, label and prediction of each image."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("map", help="Map of all images", description=DESCRIPTION)
    add_run_arguments(parser, "the store that has the map", required=True)
    parser.add_argument("--method", default="tsne", help="pca, tsne or umap (default: %(default)s)")
    parser.add_argument(
        "--color",
        default=COLOR_COLUMNS[0],
        metavar="COLUMN",
        help=f"{', '.join(COLOR_COLUMNS)} (default: %(default)s)",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, map_report(open_run(args), args.method, args.color))
