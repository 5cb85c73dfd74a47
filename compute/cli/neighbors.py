"""python -m compute neighbors: the store's images that are nearest to one, by what the network sees and by
pixels."""

import argparse
import hashlib
import sys
import time
from functools import partial

import pyarrow as pa

from compute.analysis.search import SPACES
from compute.cli.inputs import (
    Subject,
    add_image_arguments,
    add_subject_arguments,
    open_run,
    open_subject,
    read_image,
)
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.images.pictures import pixels
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import copies_of, picture_of, read_original
from compute.reports.neighbors import (
    COUNT,
    SIDE,
    neighbors_of_file,
    neighbors_report,
    stored_neighbors_report,
)
from compute.runtime.progress import Progress
from featurestore.reader import Run

DESCRIPTION = (
    "The nearest images by cosine of the last linear layer's input (above) and by Euclidean distance of the "
    "pixels (below), nearest first, the query at the left. The query itself and byte-identical copies are "
    "left out."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("neighbors", help="Nearest neighbours", description=DESCRIPTION)
    add_subject_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument(
        "--count",
        type=positive,
        default=COUNT,
        metavar="N",
        help="neighbours a space; of the store's own images at most 20 (default: %(default)s)",
    )
    parser.add_argument(
        "--side",
        type=positive,
        default=SIDE,
        metavar="N",
        help="of a picture in pixels (default: %(default)s)",
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    run = open_run(args)
    data = read_image(args, Subject(None, run))
    same = copies_of(run, data)
    report = _of_the_store(args, run, same) if same else _of_another(args, data)
    said = {"model": run.manifest.model["name"], "copies_in_the_store": same}
    return deliver(args, report, **said, seconds=time.monotonic() - started)


def _of_the_store(args: argparse.Namespace, run: Run, same: list[int]) -> Report:
    image_id = same[0] if args.image_id is None else args.image_id
    held = len(run.neighbors("feature", image_id))
    if args.count > held:
        print(f"note: the store has {held} neighbours of each image, fewer than --count", file=sys.stderr)
    return stored_neighbors_report(run, image_id, args.count, args.side)


def _of_another(args: argparse.Namespace, data: bytes) -> Report:
    """Of an image that the store has not: searched for."""
    subject = open_subject(args)
    crop = subject.model.prepare(picture_of(data, args.image))
    found = {space: _search(subject, data, space, args.count) for space in SPACES}
    digest = hashlib.sha256(data).hexdigest()
    return neighbors_report(subject.run, digest, None, lambda: pixels(crop), found, args.count, args.side)


def _search(subject: Subject, data: bytes, space: str, count: int) -> pa.Table:
    """The images nearest to one that the store doesn't have, nearest first."""
    read = partial(read_original, source=subject.images)
    steps = neighbors_of_file(subject.run, subject.model, data, space, count, read)
    with Progress().stage(f"{space}s", subject.run.image_count) as stage:
        for found in steps:
            stage.advance(found.index - stage.done)
    return found.table()
