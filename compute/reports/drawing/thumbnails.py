"""Thumbnails of a run as squares for a sheet."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from compute.images.pictures import resized
from featurestore.reader import Run


def thumbnails(run: Run, image_ids: Sequence[int], side: int) -> list[np.ndarray]:
    """(side, side, 3) in [0, 1] each, in the order of the ids; ValueError for an image without one."""
    return [resized(_pixels(run.thumbnail(int(image_id))), side) for image_id in image_ids]


def _pixels(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as picture:
        return np.asarray(picture.convert("RGB"), np.float32) / 255
