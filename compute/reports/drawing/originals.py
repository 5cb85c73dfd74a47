"""The pictures that a run was made from, as they lie in their source."""

import hashlib
from collections.abc import Callable

from PIL import Image

from compute.images.decoding import decode
from compute.images.preprocessing import Preprocessing
from compute.images.sources import ImageSource, open_source
from featurestore.reader import Run

Originals = Callable[[Run, int], bytes]
"""(run, image_id) -> the image's own file."""


def read_original(run: Run, image_id: int, source: ImageSource | None = None) -> bytes:
    """The image's own file; ValueError where it is gone or is no longer the one that made the run."""
    row = run.image(image_id)
    try:
        content = (source or open_source(run.manifest.images["spec"])).read(row["path"])
    except OSError as error:
        raise ValueError(f"image {image_id} ({row['path']}) is no longer where the run read it") from error
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise ValueError(f"image {image_id} ({row['path']}) is no longer the one that made the store")
    return content


def picture_of(data: bytes, name: str) -> Image.Image:
    try:
        return decode(data)
    except ValueError as error:
        raise ValueError(f"{name} can't be read: {error}") from error


def preprocessing_of(run: Run) -> Preprocessing:
    return Preprocessing.from_dict(run.manifest.model["preprocessing"])
