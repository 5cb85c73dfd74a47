"""What can be wrong with a command that is known without torch, in half a second of CPU time at most.

Names, files, bounds and options that contradict each other; of a store also its runs, layers, channels,
classes and images. What only the network knows is said once it is loaded.
"""

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compute.models.input_options import check_said
from compute.models.naming import (
    check_class,
    check_device,
    check_index,
    check_layer,
    check_model,
    check_named,
    check_transform_input,
    check_weights,
)
from compute.reports.drawing.formats import FORMATS
from compute.runtime.parameters import check_bounds

PICTURES = ("image", "second")


def check(args: argparse.Namespace, command: Mapping[str, Any]) -> None:
    """Raise the ValueError of a command that can't succeed.

    args: by the description alone.
    command: its description (`compute.cli.description`).
    """
    said = vars(args)
    for name, bounds in command["parameters"].items():
        check_bounds(name, said[name], bounds)
    check_out(said.get("out"))
    if _is_no_folder(said.get("store")):
        importlib.import_module("featurestore.places").place(args.store)
    if "device" in said:
        check_device(args.device)
    if "model" in said:
        _check_model(args)
    if command["room"] == "store":
        _check_new_store(args)
    elif "store" in said:
        _check_store(args)


def _is_no_folder(store: str | None) -> bool:
    """Whether a store is an address or nothing: only then is Arrow worth its import here."""
    return store is not None and (not store.strip() or "://" in store)


def check_out(out: str | None) -> None:
    """Raise ValueError for a file that could not be written."""
    if out is None:
        return
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--out {out!r} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")


def _check_model(args: argparse.Namespace) -> None:
    if args.model is not None or getattr(args, "store", None) is None:
        check_named(args.model)
        check_model(args.model)
        check_weights(args.model, args.weights)
        check_transform_input(args.model, args.transform_input)
    check_said(args)
    if args.checkpoint is not None and not Path(args.checkpoint).exists():
        raise ValueError(f"there is no checkpoint {args.checkpoint!r}")


def _check_new_store(args: argparse.Namespace) -> None:
    """Of the store that is to be made."""
    choices = importlib.import_module("compute.pipeline.choices")
    choices.complete_stages(args.stages)
    choices.check_showcase_layers(args.stages, args.showcase_layers)
    choices.check_neighbors(args.neighbors)
    importlib.import_module("compute.images.sources").check_source(args.images)


def _check_store(args: argparse.Namespace) -> None:
    """Of the store that is read, where there is one; a picture may be a file or one of its images."""
    image_id = getattr(args, "image_id", None)
    if image_id is not None and getattr(args, "image", None) is not None:
        raise ValueError("--image and --image-id both name an image; give one of them")
    if args.store is None:
        if image_id is not None:
            raise ValueError("--image-id is of a store; give --store S too")
        if args.fingerprint is not None:
            raise ValueError("--run names a run of a store; give --store S too")
        for name in PICTURES:
            picture = getattr(args, name, None)
            if picture is not None and not Path(picture).is_file():
                raise ValueError(f"no such file: {picture!r}")
        return
    if not isinstance(importlib.import_module("featurestore.places").place(args.store), Path):
        return  # over a network it is asked once
    run = importlib.import_module("featurestore.reader").Store(args.store).open(args.fingerprint)
    if image_id is not None:
        run.image(image_id)
    if getattr(args, "model", None) is not None or getattr(args, "layers", None) is not None:
        return  # another network may have other layers and classes
    if "layers" in run.tables() and getattr(args, "layer", None):
        table = run.table("layers", ["layer", "channels"]).to_pydict()
        layers = dict(zip(table["layer"], table["channels"], strict=True))
        check_layer(args.layer, layers)
        check_index("channel", getattr(args, "channel", None), args.layer, layers[args.layer])
    if run.class_names and getattr(args, "target", None):
        check_class(args.target, run.class_names)
