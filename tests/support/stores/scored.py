"""Stores of tiny networks of `tests.support.networks.scored` over a few pictures of noise, made once a test
run."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from compute.__main__ import main
from tests.support.networks.odd import CLASSES

LISTS = ("ant|bee", "bee", "cow|dog|eel", "eel")
"""Labels of the pictures: lists of classes, and classes alone."""

EACH = 4
NETWORKS = """
from tests.support.networks import scored
from tests.support.networks.odd import seeded

def {name}():
    return seeded(scored.{name})
"""
SIZE = ("--size", "24x20", "--mean", "0.4,0.5,0.6", "--std", "0.2,0.3,0.25")
_folder = tempfile.TemporaryDirectory(prefix="featurescope-")


@cache
def images() -> Path:
    """A folder a label, with EACH pictures of 20 x 24 pixels."""
    rng = np.random.default_rng(0)
    for label in LISTS:
        folder = Path(_folder.name) / "images" / label
        folder.mkdir(parents=True)
        for index in range(EACH):
            pixels = rng.integers(0, 256, (24, 20, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return Path(_folder.name) / "images"


@cache
def network_file(name: str) -> Path:
    """The user's own file, with one function that makes the network of this name."""
    path = Path(_folder.name) / f"{name}.py"
    path.write_text(NETWORKS.format(name=name))
    return path


@cache
def class_file(number: int) -> Path:
    path = Path(_folder.name) / f"classes-{number}.txt"
    path.write_text("\n".join(CLASSES[:number]))
    return path


@cache
def scored_store(name: str, classes: int, *options: str) -> Path:
    """The store of a network; not to be changed."""
    path = Path(_folder.name) / f"{name}-store"
    own = ["--model", f"{network_file(name)}:{name}", *SIZE, "--images", str(images()), "--device", "cpu"]
    named = ["--classes", str(class_file(classes))] if classes else []
    if main(["store", "--store", str(path), *own, *named, *options]) != 0:
        raise ValueError(f"the store {path} could not be made")
    return path
