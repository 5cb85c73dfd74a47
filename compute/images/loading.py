"""Image files read, decoded and cut to the network's size, ahead of the forward pass."""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from PIL import Image

from compute.images.decoding import DECODED, decoded_size
from compute.images.encoding import encoded
from compute.images.preprocessing import Preprocessing
from compute.images.raster import Photograph, shown
from compute.images.sources import ImageSource, Item, Unreachable, Unread, reason_of

THUMBNAIL_SIDE = 128
LOSSLESS_SIDE = 64
"""Pictures up to this size keep every pixel in their thumbnail."""

IN_MEMORY = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")
"""How a decoder's message may name what it reads, in other words each time."""

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Picture:
    """One image as the stages need it.

    width, height: of the upright original. thumbnail: an encoded picture (see `thumbnail`). crop: (C, H, W)
    in [0, 1], the network's input before normalisation. An image that can't be read has a `reason` and no
    more than its `sha256` beside it."""

    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = None
    crop: torch.Tensor | None = None
    reason: str | None = None


def read_picture(source: ImageSource, item: Item, preprocessing: Preprocessing) -> Picture:
    """Never raises for a bad image: what is wrong with it is the picture's `reason`, in words that are the
    same on every machine. Unreachable where the place of the images can't be asked.
    """
    try:
        data = source.read(item.path)
    except Unreachable:
        raise
    except (OSError, ValueError) as error:
        return Picture(reason=unread_because(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        with DECODED.taking(decoded_size(data)):
            image = preprocessing.read(data)
            return Picture(digest, image.width, image.height, thumbnail(image), preprocessing.tensor(image))
    except ValueError as error:
        return Picture(digest, reason=IN_MEMORY.sub("its bytes", str(error)))
    except (MemoryError, RuntimeError) as error:  # torch says RuntimeError where memory is short
        short = isinstance(error, MemoryError) or "memory" in str(error) or not str(error)
        return Picture(digest, reason="there is not enough memory for it" if short else str(error))


def unread_because(error: OSError | ValueError) -> str:
    """Say why an image's bytes can't be had, without the place and the system's own words."""
    if isinstance(error, Unread):
        return error.reason
    return reason_of(error) if isinstance(error, OSError) else str(error)


def thumbnail(image: Photograph) -> bytes:
    """PNG of a small picture (both sides at most 64 pixels), else JPEG, longer side at most 128 pixels; in
    grey or RGB, whatever the channels (see `raster.shown`)."""
    picture = shown(image)
    if max(picture.size) <= LOSSLESS_SIDE:
        return encoded(picture)
    small = picture.copy()
    # Means of whole pixels come first, as far as that goes: a third of the time, and less than a level apart.
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS, reducing_gap=1.0)
    return encoded(small, "JPEG", quality=90)


def ahead(
    function: Callable[[Input], Output], values: Iterable[Input], workers: int, depth: int
) -> Generator[Output, None, None]:
    """`map(function, values)` in `workers` threads, in order, with up to `depth` results computed ahead."""
    waiting: deque[Future[Output]] = deque()
    values = iter(values)
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting.extend(pool.submit(function, value) for value in islice(values, depth))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, value) for value in islice(values, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
