"""What a command works on: a model, named by its own options or by a store, and an image, a file or one of
the store.
"""

import argparse
import shlex
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.cli.config import add_config_argument
from compute.images.sources import ImageSource, open_source
from compute.images.survey import Look, looking_at
from compute.methods.base import CHANNEL, LAYER, NEURON
from compute.models.model import Model
from compute.models.zoo import ModelSpec, add_model_arguments, load
from compute.reports.drawing.run_images import read_original
from compute.reports.live.network import network_of_run
from featurestore.reader import Run, Store


@dataclass(frozen=True)
class Target:
    """What a command works on.

    model: None where the run alone is asked.
    run: of the store that was named; None where none was.
    """

    model: Model | None
    run: Run | None

    @property
    def images(self) -> ImageSource:
        """Open where the store's images lie."""
        return open_source(needed_run(self.run).manifest.images["spec"])

    def original(self, image_id: int) -> bytes:
        """Return the bytes of one of the store's images; ValueError where they have changed since."""
        return read_original(needed_run(self.run), image_id)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a model, by itself or by a store."""
    add_config_argument(parser)
    add_model_arguments(parser)
    add_run_arguments(parser, "take model, classes and images from this store")
    add_device_argument(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the network runs."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: %(default)s)")


def add_run_arguments(parser: argparse.ArgumentParser, use: str, required: bool = False) -> None:
    """Add the options that name a run of a store."""
    parser.add_argument("--store", metavar="S", required=required, help=use)
    parser.add_argument(
        "--run",
        dest="fingerprint",
        metavar="FINGERPRINT",
        help="one of the store's runs (default: its current one)",
    )


def open_run(args: argparse.Namespace) -> Run:
    """Open the run that --store and --run name."""
    if args.store is None:
        raise ValueError("this needs a store; give --store S")
    return Store(args.store).open(args.fingerprint)


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name an image, a file or one of the store's."""
    parser.add_argument(
        "--image", metavar="FILE", help="a picture; with --store also the path of one of its images"
    )
    add_image_id(parser)


def add_image_id(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add the option that names one of the store's images."""
    parser.add_argument(
        "--image-id", type=int, metavar="N", required=required, help="one of the store's images"
    )


def add_neuron_arguments(
    parser: argparse.ArgumentParser, reads: Collection[str], required: bool = False
) -> None:
    """Add the options for those of LAYER, CHANNEL and NEURON that are read."""
    if {LAYER, CHANNEL, NEURON} & set(reads):
        parser.add_argument("--layer", required=required, help="a convolution's name, as in named_modules()")
    if {CHANNEL, NEURON} & set(reads):
        parser.add_argument(
            "--channel", type=int, metavar="N", required=required, help="a channel of the layer, from 0"
        )
    if NEURON in reads:
        parser.add_argument("--y", type=int, metavar="N", help="row of one unit of the channel's map, from 0")
        parser.add_argument("--x", type=int, metavar="N", help="column of that unit, from 0")


def open_target(args: argparse.Namespace) -> Target:
    """Open what the options name; ValueError where the store was made with another model."""
    if args.store is None:
        return Target(load(ModelSpec.from_args(args), args.device, look=_looking_at_image(args)), None)
    run = open_run(args)
    model = network_of_run(run, _said(args, run), args.device, lambda name: f"--model {shlex.quote(name)}")
    return Target(model, run)


def open_other_network(args: argparse.Namespace, run: Run) -> Model:
    """Load the network of --other-store's run; ValueError for code that --other-model doesn't name."""
    said = {"model": args.other_model}
    return network_of_run(run, said, args.device, lambda name: f"--other-model {shlex.quote(name)}")


def _looking_at_image(args: argparse.Namespace) -> Look | None:
    """At the file that --image names, whose values nothing else says anything of."""
    path = Path(getattr(args, "image", None) or "")
    if not path.is_file():
        return None

    def say(note: str) -> None:
        print(note, file=sys.stderr)

    return looking_at(lambda _: path.read_bytes(), [str(path)], say)


def read_image(args: argparse.Namespace, target: Target) -> bytes:
    """Return the bytes of the image that --image or --image-id names."""
    if args.image_id is not None:
        return target.original(args.image_id)
    if args.image is None:
        raise ValueError("no image is named; give --image FILE or, with --store, --image-id N")
    return read_file(args.image, target)


def read_file(name: str, target: Target) -> bytes:
    """Return a file's bytes or, where there is no such file, those of the store's image of that path."""
    path = Path(name)
    if path.is_file():
        return path.read_bytes()
    if target.run is None:
        raise ValueError(f"no such file: {name!r}")
    try:
        return target.images.read(name)
    except OSError as error:
        raise ValueError(f"no such file, nor an image of the store: {name!r}") from error
    except ValueError as error:
        raise ValueError(f"no such file: {name!r}; of the store's images: {error}") from error


def needed_run(run: Run | None) -> Run:
    """Return the run; ValueError where none was named."""
    if run is None:
        raise ValueError("this needs a store; give --store S")
    return run


def _said(args: argparse.Namespace, run: Run) -> dict[str, Any]:
    """What the options say of the model; --seed is the method's where a run says which network it is."""
    model = args.model or ModelSpec.from_dict(run.manifest.model["spec"]).model
    said = vars(ModelSpec.from_args(argparse.Namespace(**{**vars(args), "model": model})))
    return {**said, "model": args.model or None, "seed": None}
