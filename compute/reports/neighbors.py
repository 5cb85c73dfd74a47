"""The nearest images in feature space above those in pixel space, as a sheet and as rows."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from compute.analysis.label_agreement import agreement
from compute.images.pictures import pixels, resized, tiled, to_8_bit
from compute.reports.drawing.originals import Originals, picture_of, preprocessing_of, read_original
from compute.reports.drawing.report import Drawing
from compute.reports.drawing.run_images import of_run, with_images
from compute.reports.drawing.thumbnails import thumbnails
from featurestore.reader import Run

SPACES = ("feature", "pixel")
COUNT, SIDE, MARGIN = 10, 96, 8


def stored_neighbors_drawing(
    run: Run,
    image_id: int,
    count: int = COUNT,
    side: int = SIDE,
    read: Originals = read_original,
    of_all: bool = True,
) -> Drawing:
    """Of one of the run's images, by the run's own neighbours. of_all: see `neighbors_drawing`."""
    found = {space: run.neighbors(space, image_id).slice(0, count) for space in SPACES}

    def query() -> np.ndarray:
        picture = picture_of(read(run, image_id), f"image {image_id}")
        return pixels(preprocessing_of(run).tensor(picture))

    row = run.image(image_id)
    return neighbors_drawing(run, row["sha256"], row["label"], query, found, count, side, of_all)


def neighbors_drawing(
    run: Run,
    sha256: str,
    label: str | None,
    query: Callable[[], np.ndarray],
    found: Mapping[str, pa.Table],
    count: int,
    side: int,
    of_all: bool = True,
) -> Drawing:
    """sha256, label: of the image asked about. query: draws its crop (H, W, C) in [0, 1]. found: by space,
    neighbor_id and distance, nearest first. of_all: also how many neighbours of all images share the label,
    which reads the whole table."""
    tables = {space: _described(run, space, found[space]) for space in SPACES}
    numbers = {"label": label}
    for space, table in tables.items():
        rows = table.select(["rank", "image_id", "distance", "path", "label"]).to_pylist()
        numbers[space] = rows
        if label is not None:
            same = [row["label"] == label for row in rows]
            numbers[f"{space}_label_agreement"] = float(np.mean(same or [0]))
        if of_all:
            numbers[f"{space}_label_agreement_of_the_store"] = agreement(
                run.table("images", ["label"])["label"], run.select("neighbors", space), count
            )
    return Drawing(
        {"exhibit": "neighbors", "image": sha256, "count": count, "side": side, **of_run(run)},
        numbers,
        lambda: _sheet(run, query(), tables, count, side),
        lambda: pa.concat_tables(tables.values()),
    )


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
