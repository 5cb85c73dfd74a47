"""python -m compute neighbors: the store's images that are nearest to one, by what the network sees and by
pixels."""

import argparse
import hashlib
import io
import time

import numpy as np
import torch
from PIL import Image

from compute.commands.delivery import Delivery, add_delivery_arguments, check_out, deliver, positive
from compute.commands.subject import (
    Subject,
    add_image_arguments,
    add_subject_arguments,
    needed_run,
    open_subject,
    picture_of,
    read_image,
)
from compute.pictures import pixels, resized, tiled, to_8_bit
from compute.pixel_space import pixel_vectors
from compute.progress import Progress
from compute.stages.neighbors import METRICS
from compute.stages.reading import read_picture
from featurestore.label_agreement import agreement
from featurestore.search import ExactSearch

DESCRIPTION = (
    "The nearest images by cosine of the last linear layer's input (above) and by Euclidean distance of the "
    "pixels (below), nearest first, the query at the left. The query itself and byte-identical copies are "
    "left out."
)
MARGIN = 8


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("neighbors", help="Nearest neighbours", description=DESCRIPTION)
    add_subject_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument(
        "--count",
        type=positive,
        default=10,
        metavar="N",
        help="neighbours a space; of the store's own images at most 20 (default: %(default)s)",
    )
    parser.add_argument(
        "--side", type=positive, default=96, metavar="N", help="of a picture in pixels (default: %(default)s)"
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    subject = open_subject(args)
    run, data = needed_run(subject.run), read_image(args, subject)
    image = subject.model.prepare(picture_of(data, args.image or f"image {args.image_id}"))
    copies = _copies(run, data)
    label = run.image(copies[0])["label"] if copies else None
    numbers = {"model": subject.model.name, "label": label, "copies_in_the_store": copies}
    strips = []
    for space in METRICS:
        found = _nearest(subject, image, space, copies, args.count)
        numbers[space] = found
        if label is not None:
            numbers[f"{space}_label_agreement"] = float(np.mean([each["label"] == label for each in found]))
        numbers[f"{space}_label_agreement_of_the_store"] = agreement(
            run.table("images", ["label"])["label"], run.select("neighbors", space), args.count
        )
        thumbnails = [_thumbnail(run, each["image_id"], args.side) for each in found]
        strips.append(tiled([resized(pixels(image), args.side), *thumbnails], 1 + args.count))
    gap = np.ones((MARGIN, strips[0].shape[1], 3), np.float32)
    sheet = np.concatenate([strips[0], gap, strips[1]])
    recipe = {**numbers, "run": run.fingerprint}
    numbers["seconds"] = time.monotonic() - started
    deliver(args, Delivery(to_8_bit(sheet), sheet, numbers, recipe))
    return 0


def _copies(run, data: bytes) -> list[int]:
    """Ids of the store's images that are this file, byte for byte: the query itself, if it is one of them."""
    digests = run.table("images", ["sha256"])["sha256"].to_pylist()
    digest = hashlib.sha256(data).hexdigest()
    return [image_id for image_id, each in enumerate(digests) if each == digest]


def _nearest(subject: Subject, image: torch.Tensor, space: str, copies: list[int], count: int) -> list[dict]:
    """The nearest images, as rows for JSON: rank, image_id, distance, path, label; the store's own where it
    has them."""
    if copies:
        found = subject.run.neighbors(space, copies[0]).slice(0, count)
        ids, distances = found["neighbor_id"].to_numpy(), found["distance"].to_numpy()
    else:
        ids, distances = _search(subject, image, space, count)
    rows = subject.run.rows("images", ids, ["image_id", "path", "label"]).to_pylist()
    return [
        {"rank": rank, **row, "distance": float(distance)}
        for rank, (row, distance) in enumerate(zip(rows, distances, strict=True))
    ]


def _search(subject: Subject, image: torch.Tensor, space: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and distances of the images nearest to one that the store doesn't have."""
    vectors = subject.run.features() if space == "feature" else _all_pixels(subject)
    with torch.inference_mode():
        query = subject.model.features(image[None]) if space == "feature" else pixel_vectors(image[None])
    ids, distances = ExactSearch(vectors, METRICS[space]).search(query.float().cpu().numpy(), count)
    return ids[0][ids[0] >= 0], distances[0][ids[0] >= 0]


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


def _thumbnail(run, image_id: int, side: int) -> np.ndarray:
    with Image.open(io.BytesIO(run.thumbnail(image_id))) as picture:
        return resized(np.asarray(picture.convert("RGB"), np.float32) / 255, side)
