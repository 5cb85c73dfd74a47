"""python -m compute grid: all images of a store in the cells of a grid."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.grid import grid_report

DESCRIPTION = (
    "The grid of one of the store's maps as one sheet of thumbnails. As a table: the image of each cell and "
    "how far its neighbours are in feature space."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("grid", help="Grid of all images", description=DESCRIPTION)
    add_run_arguments(parser, "the store that has the grid", required=True)
    parser.add_argument("--method", default="tsne", help="pca, tsne or umap (default: %(default)s)")
    parser.add_argument(
        "--kind",
        default="unique",
        help="unique: each image at most once; nearest: the nearest image a cell (default: %(default)s)",
    )
    parser.add_argument(
        "--seams",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="a red line between cells that are far apart in feature space",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    return deliver(args, grid_report(open_run(args), args.method, args.kind, args.seams))
