"""What a person gives in a notebook: an image in any form, a run or its store, parameters by name."""

import io
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from compute.images.decoding import decode
from compute.images.encoding import encoded
from compute.images.formats.arrays import is_array
from compute.images.reading import LUMA
from compute.reports.drawing.run_images import read_original
from compute.runtime.suggestions import did_you_mean
from featurestore.notebook.images import StoredImage
from featurestore.reader import Run, Store

FORMS = (
    "an image of a run such as run.image(3), a path, the bytes of a file, a PIL image, or an array or tensor"
)
RGB = 3
SAVED_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Pillow's, that PNG has."""

DECIMAL_MODES = ("I", "F")
"""Pillow's of whole numbers of 32 bits and of decimal ones, which are taken as arrays."""


@dataclass(frozen=True)
class GivenImage:
    """An image as the bytes of a file, whatever it was given as; the recipe holds the SHA-256 of these.

    name: how a message says it.
    path: of the file, where there is one.
    stored: the image of a run, where it is one.
    colors: red, green and blue (H, W, 3) in [0, 1], where they were given as decimal numbers.
    """

    data: bytes
    name: str
    path: str | None = None
    stored: StoredImage | None = None
    colors: np.ndarray | None = field(default=None, compare=False, repr=False)

    def fitting(self, channels: int) -> "GivenImage":
        """Return the image for a network of so many channels: decimal colors in grey where it takes one, as
        pictures of 8 bits are turned when they are read."""
        if self.colors is None or channels != 1:
            return self
        return _of_array(np.clip(self.colors @ np.array(LUMA), 0, 1).astype(np.float32))

    @property
    def digest(self) -> str:
        return sha256(self.data).hexdigest()


def given_image(image: Any) -> GivenImage:
    """Return an image that is given in any of FORMS.

    A run's image is read where the run read it, and its checksum compared. Pillow's images are taken as the
    PNG file that they would be saved as; so are arrays of 8 bits, (H, W) or (H, W, 1, 3 or 4), and all
    others, also (C, H, W), as the .npy file: decimal numbers must lie in [0, 1]. Tensors are (C, H, W).
    ValueError for anything else, and for what can't be read.
    """
    if isinstance(image, StoredImage):
        number = image["image_id"]
        return GivenImage(read_original(image.run, number), f"image {number}", stored=image)
    if isinstance(image, str | os.PathLike):
        return _of_file(Path(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return GivenImage(bytes(image), "the image")
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    if isinstance(image, torch.Tensor):
        return _of_tensor(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    raise ValueError(f"an image is {FORMS}, not {type(image).__name__}")


def open_image(image: Any) -> Image.Image:
    """Return an image, given in any way that methods take it, as a PIL image of the original's size, RGB.

    ValueError where it can't be read, or, of a run's image, is no longer the one that made the run.
    """
    given = given_image(image)
    if is_array(given.data):
        raise ValueError("an array is no picture file; Image.fromarray makes one of 8 bits")
    return decode(given.data)


def given_run(run: Any) -> Run:
    """Return a run, or the current run of a store or of the store at a path."""
    if isinstance(run, Run):
        return run
    if isinstance(run, Store):
        return run.open()
    if isinstance(run, str | os.PathLike):
        return Store(run).open()
    raise ValueError(f"a run is one that Store(…).open() gives, or a store, not {type(run).__name__}")


def check_known(what: str, names: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError, with near names, for the first of `names` that is not known."""
    for name in names:
        if name not in known:
            hint = did_you_mean(name, sorted(known)) if known else "; it takes none"
            raise ValueError(f"{what} {name!r}{hint}")


def given_runs(runs: Any) -> tuple[Run, ...]:
    """Return several runs, each as `given_run` takes it."""
    if isinstance(runs, Run | Store | str | os.PathLike) or not isinstance(runs, Iterable):
        raise ValueError(f"other_runs is a list of runs or stores, not {type(runs).__name__}")
    return tuple(map(given_run, runs))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numpy's single numbers as Python's, which alone a recipe can hold."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given."""
    return {name: value for name, value in values.items() if value is not None}


def _of_file(path: Path) -> GivenImage:
    if not path.is_file():
        raise ValueError(f"no such file: {str(path)!r}")
    return GivenImage(path.read_bytes(), str(path), path=str(path))


def _of_pillow(image: Image.Image) -> GivenImage:
    if image.mode in DECIMAL_MODES:
        return _of_array(np.asarray(image))
    upright = ImageOps.exif_transpose(image)
    saved = upright if upright.mode in SAVED_MODES else upright.convert("RGB")
    return GivenImage(encoded(saved), "the image")


def _of_tensor(image: torch.Tensor) -> GivenImage:
    values = image.detach().cpu()
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim != 3:
        raise ValueError(f"a tensor of an image is (C, H, W), not {tuple(image.shape)}")
    if values.dtype == torch.bfloat16:
        values = values.float()
    return _of_array(values.permute(1, 2, 0).numpy())


def _of_array(values: np.ndarray) -> GivenImage:
    if values.dtype.kind == "f" and values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"decimal numbers of an image lie in [0, 1], and these go from {values.min():g} to "
            f"{values.max():g}; divide them, or give 8 bits (uint8)"
        )
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.dtype == np.uint8 and values.ndim in (2, 3) and channels in (1, 3, 4) and values.size:
        plain = values[..., 0] if values.ndim == 3 and channels == 1 else values
        return GivenImage(encoded(Image.fromarray(np.ascontiguousarray(plain))), "the image")
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values))
    is_colors = values.dtype.kind == "f" and values.ndim == 3 and channels == RGB
    return GivenImage(stream.getvalue(), "the image", colors=values if is_colors else None)
