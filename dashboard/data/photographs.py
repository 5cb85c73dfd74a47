"""Pictures of a run's images for the page: the original, what the network sees of it, a patch of it."""

import io
from dataclasses import dataclass, replace

import streamlit as st
import torch
from PIL import Image

from compute.images.decoding import decode
from compute.images.preprocessing import Preprocessing
from compute.models.model import Model
from dashboard.data import runs
from dashboard.data.runs import BY_FOLDER
from dashboard.data.uploads import uploads
from featurestore.reader import Run

LARGEST = 1024
"""Longer side of an original on the page, in pixels."""

OUTSIDE = (128, 128, 128)
"""Grey beyond the border of an image."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Subject:
    """An image that tools are used on: one of the run (image_id) or an uploaded one (upload is its name)."""

    image_id: int | None
    upload: str
    name: str
    sha256: str


@st.cache_resource(max_entries=128, hash_funcs=BY_FOLDER, show_spinner=False)
def crop(run: Run, image_id: int, upload: str = "") -> bytes:
    """PNG of what the network sees."""
    return png(preprocessing(run).crop(photograph(run, image_id, upload)))


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def whole(run: Run, image_id: int, upload: str = "") -> bytes:
    """PNG of the whole photograph, scaled down where it is large."""
    image = photograph(run, image_id, upload).convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    return png(image)


@st.cache_resource(max_entries=512, hash_funcs=BY_FOLDER, show_spinner=False)
def patch(run: Run, image_id: int, box: Box | None, side: int) -> bytes:
    """PNG of a box (left, top, right, bottom) of the photograph, grey beyond its border; None: all of it."""
    image = photograph(run, image_id)
    return png(cut(image, box or (0, 0, image.width, image.height), side))


def photograph(run: Run, image_id: int, upload: str = "") -> Image.Image:
    return decode(uploads().read(upload) if upload else runs.original(run, image_id))


def whole_tensor(model: Model, image: Image.Image) -> torch.Tensor:
    """(C, H, W) in [0, 1] of the picture in its own size, in the network's colours."""
    return replace(model.preprocessing, size=(image.height, image.width)).tensor(image)


def preprocessing(run: Run) -> Preprocessing:
    return Preprocessing.from_dict(run.manifest.model["preprocessing"])


def cut(image: Image.Image, box: Box, side: int) -> Image.Image:
    """A box of an image, its longer side `side` pixels; small boxes are enlarged without smoothing."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = side / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    matrix = (1 / scale, 0, box[0], 0, 1 / scale, box[1])
    how = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BICUBIC
    return image.convert("RGB").transform(size, Image.Transform.AFFINE, matrix, how, fillcolor=OUTSIDE)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
