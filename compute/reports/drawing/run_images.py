"""The images of a run: their rows, files and thumbnails, and what every recipe says of the run."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from compute.images.encoding import MAX_THUMBNAIL_PIXELS, opened
from compute.images.pictures import resized
from compute.images.preprocessing import Box, Preprocessing
from compute.images.raster import Photograph
from compute.images.sources import ImageSource, names_of_label, open_source
from featurestore.reader import Run

IMAGE_COLUMNS = ("image_id", "path", "label", "split", "predicted", "probability", "correct", "loss")
EDGES = ("left", "top", "right", "bottom")

Originals = Callable[[Run, int], bytes]
"""(run, image_id) -> the bytes of the image's own file; see `read_original`."""


def of_run(run: Run) -> dict[str, Any]:
    """Return the part of a recipe that names the run."""
    model, images = run.manifest.model, run.manifest.images
    return {
        "run": run.fingerprint,
        "model": model.get("name"),
        "weights_hash": model.get("weights_hash"),
        "images_hash": images.get("hash"),
    }


def labels_apart(run: Run, labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return labels of a run's images as they are; where they may name several classes, lists of names."""
    if not run.manifest.labels_are_lists:
        return labels
    classes = set(run.class_names)
    lists = [
        None if each is None else names_of_label(each, classes) or (each,) for each in labels.to_pylist()
    ]
    return pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])


def with_images(rows: pa.Table, run: Run, column: str = "image_id") -> pa.Table:
    """Return `rows`, in their order, with path, label and prediction of the image that `column` names."""
    images = run.rows("images", rows[column].to_numpy(), ("path", "label", "predicted", "correct"))
    for name in images.column_names:
        rows = rows.append_column(name, images[name])
    return rows


def read_original(run: Run, image_id: int, source: ImageSource | None = None) -> bytes:
    """Return the bytes of an image's own file.

    source: where the run's images lie, if it is open already.
    ValueError where the file is gone or is no longer the one that made the run.
    """
    row = run.image(image_id)
    try:
        content = (source or open_source(run.manifest.images["spec"])).read(row["path"])
    except OSError as error:
        raise ValueError(f"image {image_id} ({row['path']}) is no longer where the run read it") from error
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise ValueError(f"image {image_id} ({row['path']}) is no longer the one that made the store")
    return content


def copies_of(run: Run, data: bytes) -> list[int]:
    """Return the ids of the run's images whose file has these very bytes."""
    return copies_of_file(run, hashlib.sha256(data).hexdigest())


def copies_of_file(run: Run, sha256: str) -> list[int]:
    """Return the ids of the run's images whose file has this SHA-256."""
    return np.flatnonzero(run.table("images", ["sha256"])["sha256"].to_numpy() == sha256).tolist()


def picture_of(data: bytes, name: str, preprocessing: Preprocessing) -> Photograph:
    """Decode an image file for a network; ValueError, which says its `name`, where that can't be done."""
    try:
        return preprocessing.read(data)
    except ValueError as error:
        raise ValueError(f"{name} can't be read: {error}") from error


def preprocessing_of(run: Run) -> Preprocessing:
    """Return how the run's network crops and normalises images."""
    return Preprocessing.from_dict(run.manifest.model["preprocessing"])


def box_of(row: dict[str, Any]) -> Box | None:
    """Return a patch's box (left, top, right, bottom), in pixels of its image, from a row of `top_patches`.

    None where the receptive field, and so the box, is not known.
    """
    box = tuple(row[edge] for edge in EDGES)
    return None if None in box else box


def thumbnail_pixels(content: bytes) -> np.ndarray:
    """Decode a stored thumbnail: (height, width, 3) float32 in [0, 1]."""
    with opened(content, MAX_THUMBNAIL_PIXELS) as picture:
        return np.asarray(picture.convert("RGB"), np.float32) / 255


def thumbnails(run: Run, image_ids: Sequence[int], side: int) -> list[np.ndarray]:
    """Return the images' thumbnails as squares, in the order of the ids.

    Each (side, side, 3) float32 in [0, 1]; ValueError for an image without a thumbnail.
    """
    return [resized(thumbnail_pixels(run.thumbnail(int(image_id))), side) for image_id in image_ids]


def number(value: float | None) -> float | None:
    """Return a stored single-precision number as a Python float."""
    return None if value is None else float(value)
