"""The nearest images in feature space above those in pixel space, as a sheet and as rows."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.analysis.label_agreement import agreement, shared
from compute.analysis.search import SPACES, ExactSearch
from compute.images.pictures import resized, tiled, to_8_bit
from compute.images.pixel_vectors import pixel_vectors
from compute.images.preprocessing import Preprocessing
from compute.methods.base import IMAGE
from compute.models.model import Model
from compute.reports.base import MODEL, RUN, ReportInputs, ReportSpec
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import (
    Originals,
    copies_of,
    labels_apart,
    of_run,
    picture_of,
    preprocessing_of,
    read_original,
    thumbnails,
    with_images,
)
from compute.runtime.parameters import parameter
from compute.runtime.progress import Progress
from featurestore.reader import Run

COUNT, SIDE, MARGIN = 10, 96, 8

BLOCK = 128
"""Images of the run whose files are read and compared at a time."""


@dataclass(frozen=True)
class Nearest:
    """The nearest among the first `index` of the run's `total` images: a step of a search.

    ids: (k,) int64 image ids, nearest first.
    distances: (k,) float32, cosine distance (0 to 2) of features, Euclidean distance of pixel vectors.
    """

    index: int
    total: int
    ids: np.ndarray
    distances: np.ndarray

    def table(self) -> pa.Table:
        """Return neighbor_id and distance, the columns that `Run.neighbors` gives of a stored image."""
        return pa.table({"neighbor_id": self.ids, "distance": self.distances})


@dataclass(frozen=True)
class NeighborsSpec(ReportSpec):
    """The run's images that are nearest to one, by what the network sees and by pixels."""

    name: ClassVar[str] = "neighbors"
    title: ClassVar[str] = "Nearest neighbours"
    description: ClassVar[str] = (
        "The nearest images by cosine of the last linear layer's input (above) and by Euclidean distance "
        "of the pixels (below), nearest first, the query at the left. The query itself and byte-identical "
        "copies are left out."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({MODEL})

    count: int = parameter(COUNT, "neighbours a space; of the store's own images at most 20", low=1, high=200)
    side: int = parameter(SIDE, "size of a picture", unit="pixels", low=1, high=512)

    def _make(self, inputs: ReportInputs) -> Report:
        run = inputs.run
        if inputs.image_id is not None:
            _check_read(run, inputs.image_id)
        data = inputs.image_file()
        copies = copies_of(run, data)
        said = {"model": run.manifest.model["name"], "copies_in_the_store": copies}
        if not copies:
            return replace(self._of_file(inputs, data), notes=said)
        image_id = copies[0] if inputs.image_id is None else inputs.image_id
        held = len(run.neighbors("feature", image_id))
        fewer = f"the store has {held} neighbours of each image, fewer than --count"
        report = stored_neighbors_report(run, image_id, self.count, self.side, inputs.read)
        return replace(report, notes=said, remark=fewer if self.count > held else "")

    def _of_file(self, inputs: ReportInputs, data: bytes) -> Report:
        """Of an image that the run has not: its neighbours are searched for."""
        model = inputs.model()
        crop = model.prepare(picture_of(data, inputs.image_name or "the image", model.preprocessing))
        found = {space: self._search(inputs, model, data, space) for space in SPACES}

        def query() -> np.ndarray:
            return model.preprocessing.shown(crop)

        digest = hashlib.sha256(data).hexdigest()
        return neighbors_report(inputs.run, digest, None, query, found, self.count, self.side)

    def _search(self, inputs: ReportInputs, model: Model, data: bytes, space: str) -> pa.Table:
        """The result of `neighbors_of_file`, its progress on the standard error."""
        steps = neighbors_of_file(inputs.run, model, data, space, self.count, inputs.read)
        with Progress().stage(f"{space}s", inputs.run.image_count) as stage:
            for found in steps:
                stage.advance(found.index - stage.done)
        return found.table()


def neighbors_of_file(
    run: Run,
    model: Model,
    data: bytes,
    space: str,
    count: int,
    read: Originals = read_original,
    features: ExactSearch | None = None,
) -> Iterator[Nearest]:
    """Find the run's images that are nearest to an image file which need not be one of them.

    Images of the run whose file has the same bytes are left out. In feature space the stored features are
    searched, in one step. Pixels are not stored, so in pixel space all images of the run are read again from
    their files, a step every BLOCK images; an image that can't be read is left out.

    model: the run's network.
    data: the bytes of the image's file.
    space: "feature" (cosine distance) or "pixel" (Euclidean distance).
    count: how many neighbours are wanted; fewer where the run has fewer images.
    read: reads an image's own file; give a cached one if there is one.
    features: the run's features ready for search, if they are kept from an earlier call.
    ValueError for an unknown space, or where `data` is no picture.
    """
    if space not in SPACES:
        raise ValueError(f"unknown space {space!r}; choose from {', '.join(SPACES)}")
    crop = model.prepare(picture_of(data, "the image", model.preprocessing))
    copies = copies_of(run, data)
    if space == "pixel":
        yield from _pixel_neighbors(run, model.preprocessing, crop, copies, count, read)
        return
    search = features or ExactSearch(run.features(), SPACES[space])
    with torch.inference_mode():
        query = model.features(crop[None]).float().cpu().numpy()
    yield Nearest(run.image_count, run.image_count, *_found(search, query, count, copies))


def stored_neighbors_report(
    run: Run,
    image_id: int,
    count: int = COUNT,
    side: int = SIDE,
    read: Originals = read_original,
    of_all: bool = True,
) -> Report:
    """Report on the stored neighbours of one of the images; of_all: as in `neighbors_report`.

    ValueError for one that could not be read.
    """
    _check_read(run, image_id)
    found = {space: run.neighbors(space, image_id).slice(0, count) for space in SPACES}

    def query() -> np.ndarray:
        preprocessing = preprocessing_of(run)
        picture = picture_of(read(run, image_id), f"image {image_id}", preprocessing)
        return preprocessing.shown(preprocessing.tensor(picture))

    row = run.image(image_id)
    return neighbors_report(run, row["sha256"], row["label"], query, found, count, side, of_all)


def not_read_because(run: Run, image_id: int) -> str:
    """Return why one of the run's images could not be read, so that it has no neighbours; "" where it could.

    A store of before the table `problems` knows of none.
    """
    if "problems" not in run.tables():
        return ""
    problems = run.table("problems", ["image_id", "path", "reason"])
    found = problems.filter(pc.equal(problems["image_id"], image_id)).to_pylist()
    return "".join(
        f"image {image_id} ({row['path']}) could not be read when the store was made, so it has no "
        f"neighbours: {row['reason']}"
        for row in found
    )


def _check_read(run: Run, image_id: int) -> None:
    if because := not_read_because(run, image_id):
        raise ValueError(because)


def neighbors_report(
    run: Run,
    sha256: str,
    label: str | None,
    query: Callable[[], np.ndarray],
    found: Mapping[str, pa.Table],
    count: int,
    side: int,
    of_all: bool = True,
) -> Report:
    """Report on the neighbours of an image.

    sha256, label: of the image asked about; label None where it is not known.
    query: draws its crop, (H, W, C) in [0, 1].
    found: by space, the columns neighbor_id and distance, nearest first.
    count, side: as in `NeighborsSpec`.
    of_all: say as well how many neighbours of all images share their label, which reads the whole table.
    """
    tables = {space: _described(run, space, found[space]) for space in SPACES}
    numbers: dict[str, Any] = {"label": label}
    if approximate := approximate_graphs(run):
        numbers["approximate"] = approximate
    for space, table in tables.items():
        rows = table.select(["rank", "image_id", "distance", "path", "label"]).to_pylist()
        numbers[space] = rows
        if label is not None:
            numbers[f"{space}_label_agreement"] = label_agreement(run, label, [row["label"] for row in rows])
        if of_all:
            numbers[f"{space}_label_agreement_of_the_store"] = agreement(
                labels_apart(run, run.table("images", ["label"])["label"]),
                run.select("neighbors", space),
                count,
            )
    return Report(
        {"exhibit": "neighbors", "image": sha256, "count": count, "side": side, **of_run(run)},
        numbers,
        lambda: _sheet(run, query(), tables, count, side),
        lambda: pa.concat_tables(tables.values()),
    )


def approximate_graphs(run: Run) -> dict[str, dict[str, Any]]:
    """Return by space the recall of the stored neighbours, where they are approximate.

    recall: share of an image's `at` true nearest that the store has, in 0..1, measured on `sample` images
    """
    if "graphs" not in run.tables():
        return {}  # of an older store, whose neighbours are exact
    rows = run.table("graphs").to_pylist()
    return {
        row["space"]: {name: row[name] for name in ("recall", "at", "sample")}
        for row in rows
        if row["method"] != "exact"
    }


def how_found(run: Run, space: str) -> str:
    """Return a sentence on neighbours that are approximate; nothing of exact ones."""
    measured = approximate_graphs(run).get(space)
    if measured is None:
        return ""
    return (
        f"Found approximately: {measured['recall']:.1%} of the true {measured['at']} nearest, "
        f"measured on {measured['sample']:,} images."
    )


def label_agreement(run: Run, label: str, others: Sequence[str | None]) -> float:
    """Return the share of neighbours, by their labels, that have an image's label; of several labels the mean
    share of them that a neighbour has. 0 without neighbours."""
    own, *lists = labels_apart(run, pa.chunked_array([[label, *others]], pa.string())).to_pylist()
    single = isinstance(own, str)
    shares = [float(own == each) if single else shared(own, each or ()) for each in lists]
    return float(np.mean(shares or [0]))


def _described(run: Run, space: str, found: pa.Table) -> pa.Table:
    count = len(found)
    rows = pa.table(
        {
            "space": pa.array([space] * count, pa.string()),
            "rank": pa.array(range(count), pa.int32()),
            "image_id": found["neighbor_id"].cast(pa.int64()),
            "distance": found["distance"].cast(pa.float32()),
        }
    )
    return with_images(rows, run)


def _sheet(run: Run, query: np.ndarray, tables: Mapping[str, pa.Table], count: int, side: int) -> np.ndarray:
    strips = []
    for table in tables.values():
        tiles = thumbnails(run, table["image_id"].to_pylist(), side)
        strips.append(tiled([resized(query, side), *tiles], 1 + count))
    width = max(strip.shape[1] for strip in strips)
    gap = np.ones((MARGIN, width, 3), np.float32)
    wide = [np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0)), constant_values=1) for s in strips]
    return to_8_bit(np.concatenate([wide[0], gap, wide[1]]))


def _pixel_neighbors(
    run: Run, preprocessing: Preprocessing, crop: torch.Tensor, copies: list[int], count: int, read: Originals
) -> Iterator[Nearest]:
    """The nearest of each block of images are merged with the nearest of all blocks before it."""
    query = pixel_vectors(crop[None]).numpy()
    ids, distances = np.zeros(0, np.int64), np.zeros(0, np.float32)
    for start in range(0, run.image_count, BLOCK):
        block = range(start, min(start + BLOCK, run.image_count))
        vectors = np.stack(
            [_pixel_vector(run, image_id, preprocessing, query.shape[1], read) for image_id in block]
        )
        excluded = [image_id - start for image_id in copies if image_id in block]
        block_ids, block_distances = _found(ExactSearch(vectors, SPACES["pixel"]), query, count, excluded)
        ids, distances = (
            np.concatenate([ids, block_ids + start]),
            np.concatenate([distances, block_distances]),
        )
        nearest = np.lexsort((ids, distances))[:count]
        ids, distances = ids[nearest], distances[nearest]
        yield Nearest(block.stop, run.image_count, ids, distances)


def _pixel_vector(
    run: Run, image_id: int, preprocessing: Preprocessing, width: int, read: Originals
) -> np.ndarray:
    """(width,) float32; NaN where the image can't be read, which `ExactSearch` never finds."""
    try:
        crop = preprocessing.tensor(picture_of(read(run, image_id), f"image {image_id}", preprocessing))
    except (ValueError, OSError):
        return np.full(width, np.nan, np.float32)
    return pixel_vectors(crop[None])[0].numpy()


def _found(
    search: ExactSearch, query: np.ndarray, count: int, excluded: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are there and their distances, (k,) each, k at most `count`; query: (1, D)."""
    ids, distances = (each[0] for each in search.search(query, count, [excluded]))
    there = ids >= 0
    return ids[there], distances[there]
