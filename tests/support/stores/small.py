"""A small real store for tests of the dashboard's routes and components: flat pictures on a regular map."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writing.run_writer import RunWriter
from tests.support.pictures import encoded

FINGERPRINT = "small-run"
CLASSES = ("zebra", "ant", "moth")
COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115))
SIDE = 6
COUNT = SIDE * SIDE
MISSING_CELL = (SIDE - 1, SIDE - 1)
"""Empty in the grid "unique"; every other cell shows image row * SIDE + col."""


def write_store(path: Path) -> Store:
    """36 pictures of 20x12 pixels, three classes, a map (row down, column right) and its two grids."""
    writer = RunWriter(path, FINGERPRINT)
    images = [_image(image_id) for image_id in range(COUNT)]
    writer.write_shard("images", 0, pa.Table.from_pylist(images, TABLES["images"]))
    points = [_point(image_id) for image_id in range(COUNT)]
    writer.write_shard("embeddings", 0, pa.Table.from_pylist(points, TABLES["embeddings"]))
    cells = [_cell(kind, i) for kind in ("nearest", "unique") for i in range(COUNT)]
    writer.write_shard("grids", 0, pa.Table.from_pylist(cells, TABLES["grids"]))
    empty = {"model": {}, "images": {}, "parameters": {}, "versions": {}}
    writer.commit({**empty, "device": "cpu", "dtype": "float32", "threads": 1, "class_names": CLASSES})
    return Store(path)


def thumbnail(image_id: int) -> bytes:
    """The thumbnail of an image: PNG in its class's colour, a darker stripe tells it from others."""
    pixels = np.empty((12, 20, 3), np.uint8)
    pixels[:] = COLORS[image_id % 3]
    pixels[:, image_id % 20] //= 2
    return encoded(pixels)


def _image(image_id: int) -> dict:
    label, predicted = CLASSES[image_id % 3], CLASSES[0 if image_id % 7 == 0 else image_id % 3]
    return {
        "image_id": image_id,
        "path": f"{label}/{image_id}.png",
        "sha256": f"{image_id:064x}",
        "label": label,
        "split": "test",
        "width": 20,
        "height": 12,
        "thumbnail": {"bytes": thumbnail(image_id), "path": None},
        "predicted": predicted,
        "probability": 0.5 + image_id / 100,
        "top5": [],
        "loss": image_id / 10,
        "correct": label == predicted,
    }


def _point(image_id: int) -> dict:
    row, col = divmod(image_id, SIDE)
    return {"method": "pca", "image_id": image_id, "x": float(col), "y": float(-row)}


def _cell(kind: str, index: int) -> dict:
    row, col = divmod(index, SIDE)
    empty = kind == "unique" and (row, col) == MISSING_CELL
    return {
        "method": "pca",
        "kind": kind,
        "row": row,
        "col": col,
        "image_id": None if empty else index,
        "right_distance": None if col == SIDE - 1 else col / SIDE,
        "down_distance": None if row == SIDE - 1 else row / SIDE,
    }
