"""What a command gives back: a picture, an array or a table in a file, numbers on the standard output."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compute.methods.recipe import finite
from compute.reports.drawing.report import Report

SHOWN = 8


def add_delivery_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a result goes."""
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=".png: the picture; .npy: the array, float32, as computed; .csv, .parquet: the numbers as rows",
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def deliver(args: argparse.Namespace, report: Report, **further: Any) -> int:
    """Write the file, print the numbers and `further` ones such as seconds, and return the exit code."""
    if args.out is not None:
        path = Path(args.out)
        path.write_bytes(report.file(path.suffix.lower()))
    numbers = finite({**report.numbers, **further})
    if args.json:
        print(json.dumps(numbers, indent=2, ensure_ascii=False))
        return 0
    for name, value in numbers.items():
        print(f"{name}:{_spoken_list(value)}" if _is_table(value) else f"{name}: {_spoken(value)}")
    if args.out is not None:
        print(f"written: {args.out}")
    return 0


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
