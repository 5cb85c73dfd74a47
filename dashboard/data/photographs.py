"""Pictures of images for the pages: the photograph, what the network sees of it, a patch of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

from compute.images.decoding import DECODED, decode, decoded_size
from compute.images.encoding import MAX_THUMBNAIL_PIXELS, encoded
from compute.images.preprocessing import Box
from compute.images.raster import Photograph, shown
from compute.reports.drawing.run_images import box_of, preprocessing_of
from dashboard.data import runs
from dashboard.data.uploads import uploads
from featurestore.reader import Run

LARGEST = 1024
"""Longer side of a photograph on the page, in pixels."""

MOVED = (
    "The thumbnail stands in for it; what the store holds is shown. Where the images were moved, the command "
    "that made the store, given their new place, tells it."
)
"""What is said where a photograph is gone."""

OUTSIDE = (128, 128, 128)
"""Grey beyond the border of an image, (red, green, blue)."""


@dataclass(frozen=True)
class ChosenImage:
    """An image that was chosen on a page: one of the run's, or an uploaded one.

    image_id: of the run's image; None for an uploaded one.
    upload: the uploaded image's name in links; "" for one of the run's.
    name: for people.
    sha256: of the file's bytes.
    """

    image_id: int | None
    upload: str
    name: str
    sha256: str

    @classmethod
    def of(cls, run: Run, image_id: int) -> "ChosenImage":
        """Return one of the run's images."""
        row = run.image(image_id)
        return cls(image_id, "", row["path"], row["sha256"] or "")


def crop(run: Run, image_id: int, upload: str = "") -> bytes:
    """Return what the network sees of an image, as PNG."""

    def made() -> bytes:
        with decoded(run, image_id, upload) as image:
            return encoded(shown(preprocessing_of(run).crop(image)))

    return runs.kept(run, ("crop", image_id, upload), made)


def whole(run: Run, image_id: int, upload: str = "") -> bytes:
    """Return the whole photograph as PNG, scaled down where a side is longer than LARGEST."""

    def made() -> bytes:
        with decoded(run, image_id, upload) as photograph:
            image = shown(photograph).convert("RGB")
            image.thumbnail((LARGEST, LARGEST))
        return encoded(image)

    return runs.kept(run, ("whole", image_id, upload), made)


def size(run: Run, image_id: int, upload: str = "") -> tuple[int, int]:
    """Return width and height of a photograph as people see it, upright, in pixels.

    ValueError where one of the run's could not be read, and where an uploaded one is gone.
    """
    if not upload:
        row = run.image(image_id)
        if row["width"] is None:
            raise ValueError(f"image {image_id} ({row['path']}) could not be read when the store was made")
        return row["width"], row["height"]

    def made() -> np.ndarray:
        with decoded(run, image_id, upload) as image:
            return np.array(image.size)

    width, height = runs.kept(run, ("size", upload), made).tolist()
    return width, height


def box(run: Run, image_id: int, edges: Box | None, side: int) -> bytes:
    """Return what a unit sees of a photograph, grey beyond the border, as PNG of `side` pixels.

    edges: left, top, right, bottom in pixels of the photograph; None for all of it.
    """

    def made() -> bytes:
        with decoded(run, image_id) as image:
            return encoded(cut(image, seen_edges(run, image, edges), side))

    return runs.kept(run, ("box", image_id, edges, side), made)


def seen_edges(run: Run, image: Photograph, edges: Box | None) -> Box:
    """Return what is shown of a unit's receptive field: no more than the network sees."""
    if edges is None:
        return 0, 0, image.width, image.height
    return preprocessing_of(run).seen_box(edges, image.width, image.height)


def patch(run: Run, row: dict, side: int) -> bytes:
    """Return the patch of a row of `top_patches` as PNG, its longer side `side` pixels.

    The whole image where the unit's receptive field is not known; of the thumbnail where the photograph is
    gone.
    """
    image_id, edges = row["image_id"], box_of(row)
    try:
        return box(run, image_id, edges, side)
    except ValueError:
        image, scale = stand_in(run, image_id)
        seen = seen_edges(run, image, None if edges is None else tuple(scale * each for each in edges))
        return encoded(cut(image, seen, side))


def whole_or_thumbnail(run: Run, image_id: int, upload: str = "") -> bytes:
    """Return the whole photograph as `whole`, or the store's thumbnail where the photograph is gone."""
    try:
        return whole(run, image_id, upload)
    except ValueError:
        if upload:
            raise
        return run.thumbnail(image_id)


def crop_or_thumbnail(run: Run, image_id: int, upload: str = "") -> bytes:
    """Return what the network sees as `crop`, or of the thumbnail where the photograph is gone."""
    try:
        return crop(run, image_id, upload)
    except ValueError:
        if upload:
            raise
        image, _ = stand_in(run, image_id)
        return encoded(shown(preprocessing_of(run).crop(image)))


def stand_in(run: Run, image_id: int) -> tuple[Image.Image, float]:
    """Return the stored thumbnail of an image, decoded, and its share of the photograph's width.

    ValueError where the image could not be read when the run was made.
    """
    image = decode(run.thumbnail(image_id), MAX_THUMBNAIL_PIXELS)
    return image, image.width / run.image(image_id)["width"]


def gone_because(run: Run, image_id: int, upload: str = "") -> str | None:
    """Return why the photograph itself can't be shown; None where it can."""
    if upload or image_id in runs.unreadable(run):
        return None
    try:
        runs.original(run, image_id)
    except ValueError as error:
        return str(error)
    return None


@contextmanager
def decoded(run: Run, image_id: int, upload: str = "") -> Iterator[Photograph]:
    """Decode one of the run's images, or an uploaded one, once there is room for it beside those of others.

    upload: its name in links; "" for the run's image of this id.
    ValueError where the image is gone, has changed since the run was made, or can't be decoded.
    """
    content = stored(run, image_id, upload)
    with DECODED.taking(decoded_size(content)):
        yield preprocessing_of(run).read(content)


def stored(run: Run, image_id: int, upload: str = "") -> bytes:
    """Return the file of one of the run's images, or of an uploaded one. ValueError where it is gone."""
    return uploads().read(upload) if upload else runs.original(run, image_id)


def cut(image: Photograph, edges: Box, side: int) -> Image.Image:
    """Return a part of an image, its longer side `side` pixels; small ones are enlarged without smoothing."""
    left, top, right, bottom = edges
    scale = side / max(right - left, bottom - top)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    matrix = (1 / scale, 0, left, 0, 1 / scale, top)
    resampling = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BICUBIC
    picture = shown(image).convert("RGB")
    return picture.transform(size, Image.Transform.AFFINE, matrix, resampling, fillcolor=OUTSIDE)
