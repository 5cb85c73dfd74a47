"""What the dashboard's tests are served: a store of 34 digits, made by the pipeline once a test run."""

import tempfile
from functools import cache
from pathlib import Path

from compute.__main__ import main

IMAGES = 34
_folder = tempfile.TemporaryDirectory(prefix="featurescope-")


@cache
def served_store() -> Path:
    """Not to be changed: many tests read it."""
    return write_served_store(Path(_folder.name) / "digits")


def write_served_store(path: Path, *options: str) -> Path:
    coarse = ["--occlusion-patch", "14", "--occlusion-stride", "14"]
    return _write(path, "--model", "digits", "--images", "digits", "--limit", str(IMAGES), *coarse, *options)


def write_other_store(path: Path) -> Path:
    """Of another network over other images, and with fewer tables: no maps, no occlusion."""
    return _write(
        path, "--model", "demo", "--images", "demo", "--limit", "17", "--stages", "activations,neighbors"
    )


def _write(path: Path, *options: str) -> Path:
    if main(["store", "--device", "cpu", "--store", str(path), *options]) != 0:
        raise ValueError(f"the store {path} could not be made")
    return path
