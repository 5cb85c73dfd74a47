"""A run with every table, small, seeded and consistent: 60 images in shards of 20, two of them unreadable."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from featurestore.files.arrays import vectors
from featurestore.manifest import Manifest
from featurestore.schemas import HISTOGRAM_BINS, TABLES
from featurestore.writing.run_writer import RunWriter

FINGERPRINT = "full-run"
IMAGES, SHARD, WIDTH = 60, 20, 8
UNREADABLE = (3, 31)
CLASSES = ("ant", "bee", "cat")
LAYERS = {"stem": 4, "block.conv": 6}
MAP = 5
"""Side of every feature map and of every occlusion map."""

FIELDS = {
    "model": {"name": "tiny", "weights_hash": "0" * 64},
    "images": {"count": IMAGES},
    "parameters": {"seed": 0},
    "versions": {"numpy": np.__version__},
    "device": "cpu",
    "dtype": "float32",
    "threads": 1,
    "class_names": CLASSES,
    "notes": {"accuracy": 0.5},
}


def write_full_store(path: Path, fingerprint: str = FINGERPRINT) -> Manifest:
    """Write what is missing of the run, and commit it."""
    writer = RunWriter(path, fingerprint)
    for table, shard, rows in full_run():
        if not writer.has_shard(table, shard):
            writer.write_shard(table, shard, rows())
    return writer.commit(FIELDS)


def full_run() -> Iterator[tuple[str, int, Callable[[], pa.Table]]]:
    """(table, shard, its rows) for everything in the run."""
    for shard in range(IMAGES // SHARD):
        ids = range(shard * SHARD, (shard + 1) * SHARD)
        for table, build in (("images", _images), ("features", _features), ("occlusion", _occlusion)):
            yield table, shard, lambda build=build, ids=ids: build(ids)
    for table, build in WHOLE.items():
        yield table, 0, lambda table=table, build=build: _table(table, build())


def rows_of(table: str) -> pa.Table:
    """All rows of a table, its shards in order."""
    return pa.concat_tables(rows() for name, _, rows in full_run() if name == table)


def _table(name, rows):
    return pa.Table.from_pylist(list(rows), TABLES[name])


def _random(*key):
    return np.random.default_rng(key)


def _images(ids):
    return _table("images", (_image(i) for i in ids))


def _image(image_id):
    path = f"{CLASSES[image_id % 3]}/{image_id:03d}.png"
    if image_id in UNREADABLE:
        return {"image_id": image_id, "path": path}
    probability = 0.4 + image_id / 200
    return {
        "image_id": image_id,
        "path": path,
        "sha256": f"{image_id:064x}",
        "label": CLASSES[image_id % 3],
        "split": "test",
        "width": 64 + image_id,
        "height": 48,
        "predicted": CLASSES[image_id % 2],
        "thumbnail": {"bytes": _random(0, image_id).bytes(50), "path": None},
        "probability": probability,
        "top5": [{"class": CLASSES[image_id % 2], "probability": probability}],
        "loss": image_id / 10,
        "correct": image_id % 3 == image_id % 2,
    }


def _features(ids):
    matrix = _random(1, ids[0]).random((len(ids), WIDTH), np.float32)
    missing = np.isin(ids, UNREADABLE)
    return pa.table({"image_id": pa.array(ids, pa.int64()), "feature": vectors(matrix, missing)})


def _occlusion(ids):
    return _table("occlusion", (_occlusion_maps(i) for i in ids if i not in UNREADABLE))


def _occlusion_maps(image_id):
    random = _random(2, image_id)
    cells = MAP * MAP
    return {
        "image_id": image_id,
        "target": CLASSES[image_id % 2],
        "patch": 8,
        "stride": 4,
        "rows": MAP,
        "cols": MAP,
        "probability": random.random(cells, np.float32),
        "logit": random.random(cells, np.float32),
        "argmax": random.integers(0, len(CLASSES), cells),
        "unoccluded": 0.5,
        "unoccluded_logit": 1.5,
    }


def _columns():
    for column in ("camera", "exposure"):
        for image_id in range(0, IMAGES, 2):
            number = image_id / 4 if column == "exposure" else None
            text = f"camera {image_id % 3}" if number is None else str(number)
            yield {"column": column, "image_id": image_id, "text": text, "number": number}


def _layers():
    for position, (layer, channels) in enumerate(LAYERS.items()):
        square = dict.fromkeys(("rf_height", "rf_width", "rf_size"), 2 * position + 3)
        stride = dict.fromkeys(("stride_y", "stride_x", "rf_stride"), position + 1)
        offset = dict.fromkeys(("offset_y", "offset_x", "rf_offset"), -1)
        yield {
            "position": position,
            "layer": layer,
            "kind": "Conv2d",
            "tap": "relu",
            "in_channels": 3,
            "channels": channels,
            "height": MAP,
            "width": MAP,
            **square,
            **stride,
            **offset,
        }


def _channels():
    for layer, channels in sorted(LAYERS.items()):
        for channel in range(channels):
            yield {
                "layer": layer,
                "channel": channel,
                "mean": 0.5,
                "max": 2.0,
                "active_share": 0.9,
                "dead": False,
                "top_class": CLASSES[channel % 3],
                "selectivity": 0.1,
                "histogram_low": 0.0,
                "histogram_high": 2.0,
                "histogram": [channel] * HISTOGRAM_BINS,
            }


def _top_patches():
    for layer, channels in sorted(LAYERS.items()):
        for channel in range(channels):
            for rank in range(9):
                yield {
                    "layer": layer,
                    "channel": channel,
                    "rank": rank,
                    "image_id": 40 + rank - channel,
                    "value": 2.0 - rank / 10,
                    "y": rank % MAP,
                    "x": channel % MAP,
                    "left": -1.5,
                    "top": 0.0,
                    "right": 6.5,
                    "bottom": 8.0,
                }


def _showcase():
    for channel in range(LAYERS["block.conv"]):
        dead = channel == 2
        yield {
            "layer": "block.conv",
            "channel": channel,
            "image": {"bytes": b"\x89PNG\r\n\x1a\n" + _random(5, channel).bytes(50), "path": None},
            "value": 0.0 if dead else 3.0 + channel,
            "mean": 0.0 if dead else 1.0,
            "dead": dead,
            "predicted": CLASSES[channel % 3],
            "seed": 0,
            "parameters": json.dumps({"iterations": 256}),
        }


def _embeddings():
    for method in ("pca", "umap"):
        for image_id, (x, y) in enumerate(_random(3, len(method)).random((IMAGES, 2), np.float32)):
            if image_id not in UNREADABLE:
                yield {"method": method, "image_id": image_id, "x": x, "y": y}


def _maps():
    for method in ("pca", "umap"):
        yield {
            "method": method,
            "trustworthiness": 0.9,
            "knn_preservation": 0.4,
            "seed": 0,
            "parameters": json.dumps({"neighbors": 15}),
        }


def _neighbors():
    for space in ("feature", "pixel"):
        for image_id in set(range(IMAGES)).difference(UNREADABLE):
            for rank in range(3):
                yield {
                    "space": space,
                    "image_id": image_id,
                    "rank": rank,
                    "neighbor_id": (image_id + rank + 1) % IMAGES,
                    "distance": rank / 10,
                }


def _graphs():
    yield {"space": "feature", "method": "approximate", "recall": 0.99, "sample": IMAGES, "at": 3}
    yield {"space": "pixel", "method": "exact", "recall": None, "sample": None, "at": None}


def _grids():
    for kind in ("nearest", "unique"):
        for cell in range(64):
            yield {
                "method": "umap",
                "kind": kind,
                "row": cell // 8,
                "col": cell % 8,
                "image_id": cell if cell < IMAGES else None,
                "right_distance": 0.25,
                "down_distance": None,
            }


def _filters():
    for channel in range(LAYERS["stem"]):
        weight = _random(4, channel).standard_normal(3 * 7 * 7).astype(np.float32)
        yield {
            "channel": channel,
            "in_channels": 3,
            "height": 7,
            "width": 7,
            "weight": weight,
            "std": [0.2, 0.25, 0.3],
        }


def _problems():
    for image_id in UNREADABLE:
        yield {"image_id": image_id, "path": _image(image_id)["path"], "reason": "truncated file"}


WHOLE = {
    "columns": _columns,
    "layers": _layers,
    "channels": _channels,
    "top_patches": _top_patches,
    "embeddings": _embeddings,
    "maps": _maps,
    "neighbors": _neighbors,
    "graphs": _graphs,
    "grids": _grids,
    "showcase": _showcase,
    "filters": _filters,
    "problems": _problems,
}
