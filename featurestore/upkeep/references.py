"""What the tables of a run say of each other: each image id, layer, channel, class and shape.

A check names the tables that it needs, its own first, and yields its faults in words.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.reader import Run
from featurestore.schemas import SORT_KEYS, TABLES

PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Check:
    tables: tuple[str, ...]
    faults: Callable[[Run], Iterator[str]]


def _image_ids(table: str, column: str = "image_id") -> Check:
    def faults(run: Run) -> Iterator[str]:
        ids = run.table(table, [column])[column].drop_null().to_numpy()
        wrong = ids[(ids < 0) | (ids >= run.image_count)]
        if wrong.size:
            yield f"{column} {_some(wrong)} is not in images (0 to {run.image_count - 1})"

    return Check((table, "images"), faults)


def _every_image(table: str) -> Check:
    def faults(run: Run) -> Iterator[str]:
        ids = run.table(table, ["image_id"])["image_id"].to_numpy()
        if not np.array_equal(ids, np.arange(run.image_count)):
            yield f"image_id is not 0, 1, 2, ... {run.image_count - 1}, each once"

    return Check((table, "images"), faults)


def _one_of(table: str, column: str, other: str) -> Check:
    def faults(run: Run) -> Iterator[str]:
        known = run.table(other, [column])[column].combine_chunks()
        yield from _unknown(run.table(table, [column])[column], known, column, other)

    return Check((table, other), faults)


def _class_names(table: str, column: str) -> Check:
    def faults(run: Run) -> Iterator[str]:
        known = pa.array(run.class_names, pa.string())
        yield from _unknown(run.table(table, [column])[column], known, column, "the class names")

    return Check((table,), faults)


def _class_or_label(table: str, column: str) -> Check:
    """Labels are classes too, of a network that knows others."""

    def faults(run: Run) -> Iterator[str]:
        labels = run.table("images", ["label"])["label"].drop_null().unique().to_pylist()
        known = pa.array([*run.class_names, *labels], pa.string())
        yield from _unknown(run.table(table, [column])[column], known, column, "the class names or labels")

    return Check((table, "images"), faults)


def _ranks(table: str) -> Check:
    """Ranks of one key are 0, 1, 2, ... without a gap."""

    def faults(run: Run) -> Iterator[str]:
        keys = list(SORT_KEYS[table])
        rows = run.table(table, keys)
        rank = rows["rank"].to_numpy()
        starts = np.ones(len(rank), bool)
        starts[1:] = False
        for key in keys[:-1]:
            column = rows[key].combine_chunks()
            changed = pc.not_equal(column.slice(0, max(0, len(rows) - 1)), column.slice(1))
            starts[1:] |= changed.to_numpy(zero_copy_only=False)
        wanted = np.where(starts, 0, np.concatenate([[0], rank[:-1] + 1])[: len(rank)])
        yield from _rows(rank != wanted, "has a rank out of turn: ranks are 0, 1, 2, ...")

    return Check((table,), faults)


def _channels(table: str) -> Check:
    """Channels are within their layer, map positions within its feature map."""

    def faults(run: Run) -> Iterator[str]:
        layers = run.table("layers", ["layer", "channels", "height", "width"]).to_pydict()
        extents = {layer: extent for layer, *extent in zip(*layers.values(), strict=True)}
        columns = [c for c in ("channel", "y", "x") if c in TABLES[table].names]
        rows = run.table(table, ["layer", *columns])
        for layer in rows["layer"].unique().to_pylist():
            of_layer = rows.filter(pc.equal(rows["layer"], layer))
            for column, extent in zip(columns, extents.get(layer, ()), strict=False):
                yield from _outside(of_layer[column], extent, f"layer {layer!r}: {column}")

    return Check((table, "layers"), faults)


def _all_channels(run: Run) -> Iterator[str]:
    layers = run.table("layers", ["layer", "channels"])
    rows = run.table("channels", ["layer"])["layer"].value_counts().to_pylist()
    found = {row["values"]: row["counts"] for row in rows}
    for layer, channels in zip(*layers.to_pydict().values(), strict=True):
        if found.get(layer, 0) != channels:
            yield f"layer {layer!r} has {channels} channels, {found.get(layer, 0)} are described"


def _occlusion_maps(run: Run) -> Iterator[str]:
    rows = run.table("occlusion", ["rows", "cols", "probability", "logit", "argmax"])
    size = pc.multiply(rows["rows"], rows["cols"])
    for name in ("probability", "logit", "argmax"):
        yield from _rows(pc.not_equal(pc.list_value_length(rows[name]), size), f"{name} is not rows x cols")
    yield from _outside(pc.list_flatten(rows["argmax"]), len(run.class_names), "argmax")


def _filter_shapes(run: Run) -> Iterator[str]:
    rows = run.table("filters")
    size = pc.multiply(pc.multiply(rows["in_channels"], rows["height"]), rows["width"])
    yield from _rows(
        pc.not_equal(pc.list_value_length(rows["weight"]), size), "weight is not in_channels x height x width"
    )
    yield from _rows(
        pc.not_equal(pc.list_value_length(rows["std"]), rows["in_channels"]),
        "std is not one number a channel",
    )


def _finite_features(run: Run) -> Iterator[str]:
    """A feature is null where its image could not be read, and finite everywhere else."""
    unreadable = set()
    if "problems" in run.tables():
        unreadable = set(run.table("problems", ["image_id"])["image_id"].to_pylist())
    column = run.table("features", ["feature"])["feature"]
    nulls = np.flatnonzero(pc.is_null(column).to_numpy())
    if nulls.size and "problems" in run.tables() and not unreadable.issuperset(nulls.tolist()):
        yield f"image {_some(np.setdiff1d(nulls, list(unreadable)))} has no feature and is not in problems"
    finite = pc.all(pc.is_finite(pc.list_flatten(column))).as_py()
    if finite is False:
        yield "feature has a value that is not finite"


def _pictures(run: Run) -> Iterator[str]:
    """A picture for each channel that has a row, as a PNG file."""
    pictures = pc.struct_field(run.table("showcase", ["image"])["image"].combine_chunks(), "bytes")
    yield from _rows(
        pc.invert(pc.fill_null(pc.starts_with(pictures, PNG_BEGINS), False)).to_numpy(zero_copy_only=False),
        "has no picture that is a PNG file",
    )


def _not_itself(run: Run) -> Iterator[str]:
    rows = run.table("neighbors", ["image_id", "neighbor_id"])
    yield from _rows(pc.equal(rows["image_id"], rows["neighbor_id"]), "is its own neighbour")


def _numbers_of_columns(run: Run) -> Iterator[str]:
    """A further column has numbers beside all of its texts, or beside none."""
    rows = run.table("columns", ["column", "number"])
    counted = rows.group_by("column").aggregate([("number", "count"), ([], "count_all")])
    partly = pc.and_(
        pc.greater(counted["number_count"], 0), pc.less(counted["number_count"], counted["count_all"])
    )
    if partly.to_pylist().count(True):
        yield f"column {_some(counted.filter(partly)['column'].to_pylist())} has numbers in some rows alone"


CHECKS = (
    _every_image("images"),
    _every_image("features"),
    Check(("features",), _finite_features),
    Check(("columns",), _numbers_of_columns),
    *(
        _class_names(table, column)
        for table, column in (("images", "predicted"), ("occlusion", "target"), ("showcase", "predicted"))
    ),
    _class_or_label("channels", "top_class"),
    *(
        _image_ids(table)
        for table in ("columns", "top_patches", "occlusion", "embeddings", "neighbors", "grids", "problems")
    ),
    _image_ids("neighbors", "neighbor_id"),
    Check(("neighbors",), _not_itself),
    *(_one_of(table, "layer", "layers") for table in ("channels", "top_patches", "showcase")),
    *(_one_of(table, "method", "embeddings") for table in ("maps", "grids")),
    _one_of("embeddings", "method", "maps"),
    _channels("channels"),
    _channels("top_patches"),
    _channels("showcase"),
    Check(("showcase",), _pictures),
    Check(("channels", "layers"), _all_channels),
    _ranks("top_patches"),
    _ranks("neighbors"),
    Check(("occlusion",), _occlusion_maps),
    Check(("filters",), _filter_shapes),
)


def _unknown(values: pa.ChunkedArray, known: pa.Array, column: str, other: str) -> Iterator[str]:
    unknown = values.drop_null().unique()
    unknown = unknown.filter(pc.invert(pc.is_in(unknown, value_set=known)))
    if len(unknown):
        yield f"{column} {_some(unknown.to_pylist())} is not in {other}"


def _outside(values: pa.ChunkedArray, extent: int, what: str) -> Iterator[str]:
    values = values.drop_null().to_numpy()
    wrong = values[(values < 0) | (values >= (extent or 0))]
    if wrong.size:
        yield f"{what} {_some(np.unique(wrong))} is not in 0 to {(extent or 0) - 1}"


def _rows(wrong: np.ndarray | pa.ChunkedArray, what: str) -> Iterator[str]:
    wrong = wrong if isinstance(wrong, np.ndarray) else wrong.fill_null(False).to_numpy()
    if wrong.any():
        yield f"row {_some(np.flatnonzero(wrong))} {what}"


def _some(values: Sequence | np.ndarray, limit: int = 5) -> str:
    shown = ", ".join(str(value) for value in values[:limit])
    return shown if len(values) <= limit else f"{shown}, ... ({len(values)} in all)"
