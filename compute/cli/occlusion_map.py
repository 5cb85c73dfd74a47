"""python -m compute occlusion-map: the occlusion map that a store holds of one of its images."""

import argparse

from compute.cli.inputs import add_run_arguments, open_run
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.occlusion_map import VALUES, occlusion_map_report

DESCRIPTION = (
    "How probability, logit or prediction go as a grey square covers the image, as the store holds it, drawn "
    "at the square's centre. As a table: one place of the square a row. `occlusion` computes others live."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("occlusion-map", help="Stored occlusion map", description=DESCRIPTION)
    add_run_arguments(parser, "the store that has the map", required=True)
    parser.add_argument("--image-id", type=int, required=True, metavar="N", help="one of the store's images")
    parser.add_argument("--value", choices=VALUES, default=VALUES[0], help="default: %(default)s")
    parser.add_argument("--target", metavar="CLASS", help="a class (default: the first one that is stored)")
    parser.add_argument(
        "--overlay",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="over what the network sees of the image",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    run = open_run(args)
    return deliver(args, occlusion_map_report(run, args.image_id, args.value, args.overlay, args.target))
