"""python -m compute patches: where a channel is strongest in the store's images, and what it answers to
there."""

import argparse
import math
import time

import numpy as np
import torch

from compute.commands.delivery import Delivery, add_delivery_arguments, check_out, deliver, positive
from compute.commands.subject import Subject, add_subject_arguments, needed_run, open_subject, picture_of
from compute.guided_backprop import energy_box, guided_gradients, undefined_because
from compute.pictures import pixels, resized, signed, tiled, to_8_bit, window

DESCRIPTION = (
    "The patches of the store's images that excite a channel most, strongest first, beside each its guided "
    "backpropagation picture. Patches are the channel's receptive field, grey beyond the image's border."
)
MARGIN = 8


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("patches", help="Maximally activating patches", description=DESCRIPTION)
    add_subject_arguments(parser)
    parser.add_argument("--layer", required=True, help="a convolution's name, as in named_modules()")
    parser.add_argument("--channel", type=int, required=True, metavar="N", help="a channel of it, from 0")
    parser.add_argument(
        "--count", type=positive, default=9, metavar="N", help="patches at most (default: %(default)s)"
    )
    parser.add_argument(
        "--side", type=positive, default=96, metavar="N", help="of a patch in pixels (default: %(default)s)"
    )
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    subject = open_subject(args)
    layer = subject.model.layer(args.layer)
    rows = needed_run(subject.run).top_patches(layer.name, args.channel).slice(0, args.count).to_pylist()
    images = [picture_of(subject.original(row["image_id"]), f"image {row['image_id']}") for row in rows]
    crops = torch.stack([subject.model.prepare(image) for image in images])
    sheet = tiled(
        [resized(_patch(image, row), args.side) for image, row in zip(images, rows, strict=True)],
        _columns(rows),
    )
    reason = undefined_because(subject.model)
    if reason is None:
        guided = guided_gradients(
            subject.model, crops, layer.name, args.channel, [(r["y"], r["x"]) for r in rows]
        )
        tiles = [resized(_guided_patch(layer, each), args.side) for each in guided]
        gap = np.ones((sheet.shape[0], MARGIN, 3), np.float32)
        sheet = np.concatenate([sheet, gap, tiled(tiles, _columns(rows))], axis=1)
        for row, each in zip(rows, guided, strict=True):
            row["gradient_energy_box"] = list(energy_box(each.gradient))
    numbers = {
        "model": subject.model.name,
        "layer": layer.name,
        "channel": args.channel,
        **_statistics(subject, layer.name, args.channel),
        "guided": reason or "beside each",
        "patches": _with_paths(subject, rows),
        "seconds": time.monotonic() - started,
    }
    deliver(args, Delivery(to_8_bit(sheet), sheet, numbers, {**numbers, "run": subject.run.fingerprint}))
    return 0


def _statistics(subject: Subject, layer: str, channel: int) -> dict:
    """The channel's row of the store: mean, maximum, whether it is dead, its histogram."""
    run = needed_run(subject.run)
    if "channels" not in run.tables():
        return {}
    row = run.channels(layer).slice(channel, 1).to_pylist()[0]
    return {name: value for name, value in row.items() if name not in ("layer", "channel")}


def _columns(rows: list) -> int:
    return max(1, math.ceil(math.sqrt(len(rows))))


def _patch(image, row: dict) -> np.ndarray:
    """The patch of the original image; the whole image where the receptive field is not known."""
    values = np.asarray(image.convert("RGB"), np.float32) / 255
    edges = [row[side] for side in ("left", "top", "right", "bottom")]
    return values if None in edges else window(values, edges)


def _guided_patch(layer, guided) -> np.ndarray:
    picture = signed(pixels(guided.gradient))
    return (
        picture
        if layer.receptive_field is None
        else window(picture, layer.receptive_field.box(guided.y, guided.x))
    )


def _with_paths(subject: Subject, rows: list[dict]) -> list[dict]:
    paths = subject.run.rows("images", [row["image_id"] for row in rows], ["path"])["path"].to_pylist()
    return [{**row, "path": path} for row, path in zip(rows, paths, strict=True)]
