"""python -m compute filters: the first layer's filters in one picture."""

import argparse
import time

from compute.capabilities import no_filters_because
from compute.commands.delivery import Delivery, add_delivery_arguments, check_out, deliver, positive
from compute.commands.subject import add_subject_arguments, open_subject
from compute.first_filters import (
    BY_FILTER,
    SCALINGS,
    filter_sheet,
    first_filters,
    first_layer,
    in_pixel_space,
)
from compute.pictures import to_8_bit

DESCRIPTION = (
    "The weights of the first convolution, drawn as pictures: 0 is mid-grey, enlarged without smoothing. "
    "With other than 3 input channels, one grey picture an input channel. The array is (filters, channels, "
    "height, width)."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("filters", help="First-layer filters", description=DESCRIPTION)
    add_subject_arguments(parser)
    parser.add_argument(
        "--scaling",
        choices=SCALINGS,
        default=BY_FILTER,
        help="each filter by its own largest weight, or all by the largest of all (default: %(default)s)",
    )
    parser.add_argument(
        "--pixel-space",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="divide by the input's standard deviation: what a filter does to pixels",
    )
    parser.add_argument(
        "--side", type=positive, default=64, metavar="N", help="least size of a filter in pixels (default 64)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of random weights (--weights none)")
    add_delivery_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_out(args)
    started = time.monotonic()
    model = open_subject(args).model
    if (reason := no_filters_because(model)) is not None:
        raise ValueError(f"filters are not available for {model.name}: {reason}")
    weights, std = first_filters(model), model.preprocessing.std
    in_pixels = args.pixel_space and weights.shape[1] == len(std)
    weights = in_pixel_space(weights, std) if in_pixels else weights
    count, channels, height, width = weights.shape
    numbers = {
        "model": model.name,
        "layer": first_layer(model),
        "filters": count,
        "channels": channels,
        "height": height,
        "width": width,
        "scaling": args.scaling,
        "pixel_space": in_pixels,
        "largest": float(abs(weights).max()),
    }
    picture = to_8_bit(filter_sheet(weights, args.scaling, args.side))
    recipe = {**numbers, "weights_hash": model.weights_hash}
    numbers["seconds"] = time.monotonic() - started
    deliver(args, Delivery(picture, weights, numbers, recipe))
    return 0
