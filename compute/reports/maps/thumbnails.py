"""Thumbnails as squares, and which of them have room on a map."""

from functools import lru_cache
from threading import Lock

import numpy as np
from PIL import Image

from compute.analysis.thinning import Thinned
from compute.images.encoding import MAX_THUMBNAIL_PIXELS, opened
from compute.images.pictures import resized, to_8_bit
from compute.reports.maps.places import in_unit_square, placed
from featurestore.reader import Run

_one_at_a_time = Lock()


def with_room(run: Run, method: str) -> tuple[Thinned, np.ndarray]:
    """Return which points of a map have room for a thumbnail at which level, and the points' image_ids (n,).

    Kept for the few maps used last: 13 bytes an image.
    """
    # The browser asks for several tiles at once: one request thins the map, the others wait for it.
    with _one_at_a_time:
        return _thinned(run, method)


@lru_cache(maxsize=6)
def _thinned(run: Run, method: str) -> tuple[Thinned, np.ndarray]:
    points, image_ids = placed(run, method)
    return Thinned.of(in_unit_square(points)), image_ids


def stored(run: Run, image_ids: np.ndarray) -> list[bytes]:
    """Return the encoded thumbnails of images that could be read, in the order of the ids."""
    rows = run.rows("images", image_ids, ["thumbnail"])
    return [picture["bytes"] for picture in rows["thumbnail"].to_pylist()]


def shown_whole(run: Run) -> bool:
    """Return whether all of an image is shown, with gray beside it: its network's input isn't square."""
    stated = run.manifest.model.get("preprocessing")
    return stated is not None and len(set(stated["size"])) > 1


def squares(encoded: list[bytes], side: int, whole: bool) -> np.ndarray:
    """Decode thumbnails as squares: (n, side, side, 3) uint8.

    What is not square is cropped about its center, as a network with a square input crops it.
    whole: fits all of it in instead, with gray beside it
    """
    made = np.empty((len(encoded), side, side, 3), np.uint8)
    for index, content in enumerate(encoded):
        picture = opened(content, MAX_THUMBNAIL_PIXELS)
        if whole:
            made[index] = to_8_bit(resized(np.asarray(picture.convert("RGB")) / np.float32(255), side))
            continue
        picture.draft("RGB", (side, side))
        shrinks = min(picture.size) > side
        method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
        square = picture.convert("RGB").resize((side, side), method, box=_middle(picture.size))
        made[index] = np.asarray(square)
    return made


def _middle(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest square about the centre, as left, top, right, bottom."""
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
