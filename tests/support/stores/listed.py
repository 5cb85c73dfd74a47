"""A store of images that came in a list with further columns, made once a test run."""

import csv
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from compute.__main__ import main
from tests.support.stores.sharded_job import NETWORK

OPTIONS = "--size 12 --occlusion-patch 6 --occlusion-stride 6 --device cpu --threads 1".split()
IMAGES = 40
LABELS = ("moth", "wasp")
BROKEN = 6
"""Number of an image that can't be read."""

_folder = tempfile.TemporaryDirectory(prefix="featurescope-")


def make_images(folder: Path) -> None:
    """Write a network, network.py, and IMAGES pictures of 12 x 12 pixels, a folder a label."""
    (folder / "network.py").write_text(NETWORK)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 12, 12, 3), dtype=np.uint8)
    for number, each in enumerate(pixels):
        path = folder / "images" / LABELS[number % 2] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(path)
        if number == BROKEN:
            path.write_bytes(b"broken")


def paths(folder: Path) -> list[str]:
    """Return the images' paths in the order of their ids."""
    images = folder / "images"
    return sorted(path.relative_to(images).as_posix() for path in images.rglob("*.png"))


def write_list(folder: Path, name: str, **columns) -> Path:
    """Write a list of all images; columns: a function from an image's id to its value, by the name."""
    path = folder / "images" / name
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", *columns])
        for place, image in enumerate(paths(folder)):
            rows.writerow([image, image.split("/")[0], *(value(place) for value in columns.values())])
    return path


def make_store(folder: Path, images: str | Path, name: str, *more: str) -> Path:
    """Make a store of these images; ValueError where that fails."""
    store = folder / "stores" / name
    network = ["--model", f"{folder / 'network.py'}:net", *OPTIONS]
    if main(["store", *network, "--images", str(images), "--store", str(store), *more]) != 0:
        raise ValueError(f"the store {store} could not be made")
    return store


@cache
def column_store() -> Path:
    """Return a store, not to be changed. Its images have a camera, "A" or "B_<i>", but for the last one, and
    a shutter, 0, 0.5, 1, …"""
    folder = Path(_folder.name)
    make_images(folder)
    columns = {
        "camera": lambda place: "" if place == IMAGES - 1 else ("A", "B_<i>")[place % 2],
        "shutter": lambda place: place / 2,
    }
    return make_store(folder, write_list(folder, "columns.csv", **columns), "columns")
