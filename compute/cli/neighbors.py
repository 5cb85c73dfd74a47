"""python -m compute neighbors: the store's images that are nearest to one, by what the network sees and by
pixels."""

import argparse
import hashlib
import sys
import time

import numpy as np
import pyarrow as pa
import torch

from compute.analysis.search import ExactSearch
from compute.cli.inputs import (
    Subject,
    add_image_arguments,
    add_subject_arguments,
    copies,
    open_run,
    open_subject,
    read_image,
)
from compute.cli.output import add_delivery_arguments, check_out, deliver, positive
from compute.images.loading import read_picture
from compute.images.pictures import pixels
from compute.images.pixel_vectors import pixel_vectors
from compute.pipeline.stages.neighbors import METRICS
from compute.reports.drawing.originals import picture_of
from compute.reports.drawing.report import Drawing
from compute.reports.neighbors import COUNT, SIDE, SPACES, neighbors_drawing, stored_neighbors_drawing
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
    same = copies(run, data)
    drawing = _of_the_store(args, run, same) if same else _of_another(args, data)
    said = {"model": run.manifest.model["name"], "copies_in_the_store": same}
    return deliver(args, drawing, **said, seconds=time.monotonic() - started)


def _of_the_store(args: argparse.Namespace, run: Run, same: list[int]) -> Drawing:
    image_id = same[0] if args.image_id is None else args.image_id
    held = len(run.neighbors(SPACES[0], image_id))
    if args.count > held:
        print(f"note: the store has {held} neighbours of each image, fewer than --count", file=sys.stderr)
    return stored_neighbors_drawing(run, image_id, args.count, args.side)


def _of_another(args: argparse.Namespace, data: bytes) -> Drawing:
    """Of an image that the store has not: searched for."""
    subject = open_subject(args)
    image = subject.model.prepare(picture_of(data, args.image))
    found = {space: _search(subject, image, space, args.count) for space in METRICS}
    digest = hashlib.sha256(data).hexdigest()
    return neighbors_drawing(subject.run, digest, None, lambda: pixels(image), found, args.count, args.side)


def _search(subject: Subject, image: torch.Tensor, space: str, count: int) -> pa.Table:
    """The images nearest to one that the store doesn't have, nearest first."""
    vectors = subject.run.features() if space == "feature" else _all_pixels(subject)
    with torch.inference_mode():
        query = subject.model.features(image[None]) if space == "feature" else pixel_vectors(image[None])
    ids, distances = ExactSearch(vectors, METRICS[space]).search(query.float().cpu().numpy(), count)
    there = ids[0] >= 0
    return pa.table({"neighbor_id": ids[0][there], "distance": distances[0][there]})


def _all_pixels(subject: Subject) -> np.ndarray:
    """(N, D) pixel vectors of the store's images, read anew from their files; NaN where one can't be read."""
    source, rows = subject.images, []
    items = {item.path: item for item in source.items}
    paths = subject.run.table("images", ["path"])["path"].to_pylist()
    with Progress().stage("pixels", len(paths)) as stage:
        for path in paths:
            crop = (
                read_picture(source, items[path], subject.model.preprocessing).crop if path in items else None
            )
            rows.append(None if crop is None else pixel_vectors(crop[None])[0].numpy())
            stage.advance()
    width = next((len(row) for row in rows if row is not None), 1)
    return np.stack([np.full(width, np.nan, np.float32) if row is None else row for row in rows])
