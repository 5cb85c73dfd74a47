"""What the store can't say of an uploaded image, since it isn't in it: its prediction, its neighbours."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import streamlit as st
import torch

from compute.analysis.search import ExactSearch
from compute.images.pixel_vectors import pixel_vectors
from compute.models.model import Model
from dashboard.data import photographs, runs
from dashboard.data.runs import BY_FOLDER
from dashboard.data.uploads import uploads
from dashboard.views.state import ViewState
from dashboard.widgets.live.attached import attach
from featurestore.reader import Run

BLOCK = 128
"""Images of the store that are read at a time."""


@dataclass(frozen=True)
class Found:
    """The nearest of the first `index` images of `total`, nearest first. ids, distances: (k,)."""

    index: int
    total: int
    ids: np.ndarray
    distances: np.ndarray


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def top_classes(run: Run, upload: str) -> list[tuple[str, float]]:
    """The five most probable classes and their probabilities."""
    model = runs.model(run)
    with torch.inference_mode():
        probabilities = model.probabilities(_image(run, model, upload)[None])[0]
    values, indices = (each.tolist() for each in probabilities.topk(min(5, len(model.classes))))
    return [(model.classes[index], value) for index, value in zip(indices, values, strict=True)]


@st.cache_data(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def feature_neighbors(run: Run, upload: str, count: int) -> pa.Table:
    """By cosine of the features, columns as in `neighbors`."""
    model = runs.model(run)
    with torch.inference_mode():
        query = model.features(_image(run, model, upload)[None]).float().cpu().numpy()
    ids, distances = runs.feature_search(run).search(query, count, [copies(run, upload)])
    return _table(ids[0], distances[0])


def pixel_neighbors(run: Run, upload: str, count: int, view: ViewState | None = None) -> pa.Table | None:
    """By Euclidean distance of the pixels; None while the store's images are read (progress is drawn).

    view: what opens on them.
    """
    model = runs.model(run)
    key = hashlib.sha256(f"pixel neighbours {run.fingerprint} {upload} {count}".encode()).hexdigest()
    query = pixel_vectors(_image(run, model, upload)[None]).numpy()
    job = attach(
        key,
        "Pixel neighbours of an uploaded image",
        lambda: _compare(run, model, query, copies(run, upload), count),
        view,
    )
    return None if job is None else _table(job.step.ids, job.step.distances)


def copies(run: Run, upload: str) -> list[int]:
    """The store's images that are the uploaded file, byte for byte."""
    digest = hashlib.sha256(uploads().read(upload)).hexdigest()
    return np.flatnonzero(runs.table(run, "images", ("sha256",))["sha256"].to_numpy() == digest).tolist()


def _image(run: Run, model: Model, upload: str) -> torch.Tensor:
    return model.prepare(photographs.photograph(run, 0, upload))


def _compare(run: Run, model: Model, query: np.ndarray, left_out: list[int], count: int) -> Iterator[Found]:
    total = run.image_count
    ids, distances = np.zeros(0, np.int64), np.zeros(0, np.float32)
    for start in range(0, total, BLOCK):
        block = range(start, min(start + BLOCK, total))
        vectors = np.stack([_vector(run, model, image_id, query.shape[1]) for image_id in block])
        skipped = [[each - start for each in left_out if each in block]]
        found, far = ExactSearch(vectors, "euclidean").search(query, count, skipped)
        there = found[0] >= 0
        ids = np.concatenate([ids, found[0][there] + start])
        distances = np.concatenate([distances, far[0][there]])
        first = np.lexsort((ids, distances))[:count]
        ids, distances = ids[first], distances[first]
        yield Found(block.stop, total, ids, distances)


def _vector(run: Run, model: Model, image_id: int, width: int) -> np.ndarray:
    """NaN where the image can't be read: it is then never found."""
    try:
        image = model.prepare(photographs.photograph(run, image_id))
    except (ValueError, OSError):
        return np.full(width, np.nan, np.float32)
    return pixel_vectors(image[None])[0].numpy()


def _table(ids: np.ndarray, distances: np.ndarray) -> pa.Table:
    there = ids >= 0
    return pa.table({"neighbor_id": ids[there], "distance": distances[there]})
