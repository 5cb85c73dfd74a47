"""What the dashboard's tests are served: a store of 34 digits, made by the pipeline once a test run."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from compute.__main__ import main

IMAGES = 34
SECOND_IMAGES = 20
OWN_NETWORK = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
"""
_folder = tempfile.TemporaryDirectory(prefix="featurescope-")


@cache
def served_store() -> Path:
    """Not to be changed: many tests read it."""
    return write_served_store(Path(_folder.name) / "digits")


@cache
def second_store() -> Path:
    """Beside it, of fewer of the same images; not to be changed."""
    return write_second_store(Path(_folder.name) / "second")


def copied_store(path: Path) -> Path:
    """A copy to change, without what other tests left beside the runs."""
    return shutil.copytree(served_store(), path, ignore=shutil.ignore_patterns("results", "selections"))


def write_served_store(path: Path, *options: str) -> Path:
    coarse = ["--occlusion-patch", "14", "--occlusion-stride", "14"]
    return _write(path, "--model", "digits", "--images", "digits", "--limit", str(IMAGES), *coarse, *options)


def write_second_store(path: Path) -> Path:
    """Of fewer of the same images: the first ones of a sample are those of a smaller sample."""
    return write_served_store(
        path, "--limit", str(SECOND_IMAGES), "--stages", "activations,neighbors,embeddings"
    )


def write_other_store(path: Path) -> Path:
    """Of another network over other images, and with fewer tables: no maps, no occlusion."""
    return _write(
        path, "--model", "demo", "--images", "demo", "--limit", "17", "--stages", "activations,neighbors"
    )


def write_own_store(path: Path, file: Path) -> Path:
    """A store of a network of the user's own, whose code is written to `file` (a .py)."""
    file.write_text(OWN_NETWORK)
    own = ["--model", f"{file}:net", "--images", "digits", "--limit", "12", "--size", "16"]
    return _write(path, *own, "--stages", "activations")


def _write(path: Path, *options: str) -> Path:
    if main(["store", "--device", "cpu", "--store", str(path), *options]) != 0:
        raise ValueError(f"the store {path} could not be made")
    return path
