"""python -m compute strongest: the channels that answer unusually strongly to one image."""

import argparse
import hashlib

from compute.cli.inputs import (
    Subject,
    add_image_arguments,
    add_subject_arguments,
    open_run,
    open_subject,
    read_image,
)
from compute.cli.output import add_delivery_arguments, check_out, deliver
from compute.reports.drawing.run_images import copies_of, picture_of
from compute.reports.strongest_channels import peaks_of, strongest_report

DESCRIPTION = (
    "Each channel's strongest answer in the image, ranked by how few of the store's images make it answer "
    "more strongly: the first ones of every layer, or of one. The picture shows where in the image they "
    "answer."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "strongest", help="Channels that answer most to an image", description=DESCRIPTION
    )
    add_subject_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument("--layer", default="", help="channels of this layer alone (default: of each)")
    parser.add_argument(
        "--stored",
        action="store_true",
        help="without the network: channels that have the store's image among their strongest patches",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    run = open_run(args)
    data = read_image(args, Subject(None, run))
    photograph, image_id = picture_of(data, args.image or f"image {args.image_id}"), args.image_id
    if image_id is None:
        image_id = next(iter(copies_of(run, data)), None)
    if args.stored and image_id is None:
        raise ValueError(f"--stored asks the store alone, which has no image {args.image}")
    found = None if args.stored else peaks_of(run, open_subject(args).model, photograph)
    sha256 = hashlib.sha256(data).hexdigest()
    return deliver(args, strongest_report(run, photograph, sha256, image_id, args.layer, found))
