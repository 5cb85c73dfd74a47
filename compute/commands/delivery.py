"""What a command gives back: a picture or an array in a file, numbers on the standard output."""

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compute.pictures import png

FORMATS = (".png", ".npy")
RECIPE = "featurescope"
SHOWN = 8


@dataclass(frozen=True)
class Delivery:
    """picture: uint8. array: float32, as computed. numbers: ready for JSON. recipe: what it was made from."""

    picture: np.ndarray
    array: np.ndarray
    numbers: Mapping[str, Any]
    recipe: Mapping[str, Any]


def add_delivery_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="FILE", help=".png: the picture; .npy: the array, float32, as computed"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def positive(text: str) -> int:
    """A whole number from 1 on, as a type of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def check_out(args: argparse.Namespace) -> None:
    """Raises ValueError before anything is computed for a file that could not be written."""
    if args.out is None:
        return
    path = Path(args.out)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--out {args.out!r} must end in {' or '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")


def deliver(args: argparse.Namespace, delivery: Delivery) -> None:
    if args.out is not None:
        _write(Path(args.out), delivery)
    numbers = finite(delivery.numbers)
    if args.json:
        print(json.dumps(numbers, indent=2, ensure_ascii=False))
        return
    for name, value in numbers.items():
        print(f"{name}:{_spoken_list(value)}" if _is_table(value) else f"{name}: {_spoken(value)}")
    if args.out is not None:
        print(f"written: {args.out}")


def finite(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(path: Path, delivery: Delivery) -> None:
    if path.suffix.lower() == ".npy":
        with path.open("wb") as file:
            np.save(file, np.ascontiguousarray(delivery.array, np.float32))
    else:
        path.write_bytes(png(delivery.picture, {RECIPE: json.dumps(finite(delivery.recipe), sort_keys=True)}))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _spoken_list(rows: list[Mapping]) -> str:
    """One row a line."""
    return "".join(f"\n  {_spoken(row)}" for row in rows)


def _spoken(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_spoken(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_spoken, value[:SHOWN])) + (f", … ({len(value)})" if len(value) > SHOWN else "")
    return "none" if value is None else str(value)
