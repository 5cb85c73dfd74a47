"""A store of as many images as wanted, made up without a network: for timing what reads it.

    python -m tests.support.stores.large PATH --images 1000000 --like stores/demo

Everything of the network (layers, channels, patches, filters) is that of the store `--like`; images,
features, maps, neighbours and grids are drawn from a seed, in the sizes and row groups of a real store.
Neighbours are any images, features are class centres with noise, so the pages show nonsense, as fast or slow
as sense. The images' files are few (PATH-images), each of them many images of the store.
"""

import argparse
import hashlib
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from compute.pipeline.stages.embeddings import normalised
from compute.pipeline.stages.grid import grids_table
from featurestore.files.arrays import vectors
from featurestore.manifest import Manifest
from featurestore.reader import Run, Store
from featurestore.writing.run_writer import RunWriter
from tests.support.pictures import encoded, flat

SHARD = 50_000
NEIGHBORS = 20
SIDE = 16
FILES = 4096
MAPS = ("pca", "tsne")
NETWORK = ("layers", "channels", "top_patches", "filters")
DRAWN = ("fingerprint", "files", "schema_version")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.stores.large", description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="another one: another network, the same images")
    parser.add_argument("--like", default="stores/demo", help="store of the network (default: %(default)s)")
    options = parser.parse_args(arguments)
    write_store(options.path, options.images, Store(options.like).open(), options.seed)
    return 0


def write_store(path: Path, number: int, like: Run, seed: int = 0) -> Run:
    writer = RunWriter(path, f"large-{number}-{seed}")
    classes, width = like.class_names, like.manifest.model["feature_dim"]
    write_features(writer, number, width, len(classes), seed)
    folder, pictures = path.with_name(f"{path.name}-images"), drawn_pictures()
    write_files(folder, pictures)
    for shard, ids in enumerate(shards(number)):
        writer.write_shard("images", shard, image_rows(ids, classes, pictures, seed))
    spaces = [(space, ids) for space in ("feature", "pixel") for ids in shards(number)]
    for shard, (space, ids) in enumerate(spaces):
        writer.write_shard("neighbors", shard, neighbor_rows(space, ids, number, seed))
    _write_maps(writer, number, width, seed)
    for table in NETWORK:
        writer.write_shard(table, 0, like.table(table))
    kept = {
        each.name: getattr(like.manifest, each.name) for each in fields(Manifest) if each.name not in DRAWN
    }
    images = {"count": number, "problems": 0, "spec": str(folder), "root": str(folder)}
    writer.commit(kept | {"images": {**kept["images"], **images}})
    return Store(path).open()


def write_features(writer: RunWriter, number: int, width: int, classes: int, seed: int = 0) -> None:
    """Table `features`: (number, width), class centres with noise around them."""
    centres = np.random.default_rng(seed).random((classes, width), np.float32)
    for shard, ids in enumerate(shards(number)):
        noise = np.random.default_rng([ids[0] + 1, seed]).standard_normal((len(ids), width), np.float32)
        rows = np.maximum(centres[ids % classes] + noise / 4, 0)
        writer.write_shard("features", shard, pa.table({"image_id": ids, "feature": vectors(rows)}))


def shards(number: int) -> list[np.ndarray]:
    """Image ids of each shard."""
    return [np.arange(start, min(start + SHARD, number)) for start in range(0, number, SHARD)]


def write_files(folder: Path, pictures: list[bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in zip(map(file_name, range(len(pictures))), pictures, strict=True):
        (folder / name).write_bytes(content)


def file_name(image_id: int) -> str:
    return f"{image_id % FILES:04d}.png"


def image_rows(ids: np.ndarray, classes: tuple[str, ...], pictures: list[bytes], seed: int) -> pa.Table:
    """Table `images`: labels in turn, one prediction in ten wrong."""
    names, number, random = pa.array(classes), len(ids), np.random.default_rng([ids[0], seed])
    correct = random.random(number) > 0.1
    label, probability = ids % len(classes), random.uniform(0.2, 1, number).astype(np.float32)
    predicted = (label + ~correct) % len(classes)
    thumbnails = pa.array([{"bytes": pictures[each % FILES], "path": None} for each in ids])
    digests = pa.array([hashlib.sha256(picture).hexdigest() for picture in pictures])
    top = pa.StructArray.from_arrays([names.take(predicted), pa.array(probability)], ["class", "probability"])
    return pa.table(
        {
            "image_id": ids,
            "path": [file_name(each) for each in ids],
            "sha256": digests.take(ids % FILES),
            "label": names.take(label),
            "split": ["test"] * number,
            "width": np.full(number, SIDE, np.int32),
            "height": np.full(number, SIDE, np.int32),
            "thumbnail": thumbnails,
            "predicted": names.take(predicted),
            "probability": probability,
            "top5": pa.ListArray.from_arrays(np.arange(number + 1, dtype=np.int32), top),
            "loss": -np.log(np.where(correct, probability, 1.01 - probability)).astype(np.float32),
            "correct": correct,
        }
    )


def neighbor_rows(space: str, ids: np.ndarray, number: int, seed: int) -> pa.Table:
    """Table `neighbors`: any images at ascending distances."""
    ranks = min(NEIGHBORS, number - 1)
    random = np.random.default_rng([ids[0], seed])
    away = random.integers(1, number, (len(ids), ranks))
    distances = np.sort(random.random((len(ids), ranks), np.float32), 1)
    return pa.table(
        {
            "space": pa.array([space]).take(np.zeros(away.size, np.int64)),
            "image_id": np.repeat(ids, ranks),
            "rank": np.tile(np.arange(ranks, dtype=np.int32), len(ids)),
            "neighbor_id": ((ids[:, None] + away) % number).reshape(-1),
            "distance": distances.reshape(-1),
        }
    )


def _write_maps(writer: RunWriter, number: int, width: int, seed: int) -> None:
    ids, random = np.arange(number), np.random.default_rng([2, seed])
    centres = random.normal(size=(40, 2)) * 5
    for shard, method in enumerate(MAPS):
        places = (centres[random.integers(40, size=number)] + random.normal(size=(number, 2))).astype(
            np.float32
        )
        writer.write_shard(
            "embeddings",
            shard,
            pa.table(
                {
                    "method": pa.array([method]).take(np.zeros(number, np.int64)),
                    "image_id": ids,
                    "x": places[:, 0],
                    "y": places[:, 1],
                }
            ),
        )
        unit = normalised(random.random((number, min(width, 8)), np.float32))
        writer.write_shard(
            "grids",
            shard,
            grids_table(method, places, ids, unit, 0).sort_by(
                [(key, "ascending") for key in ("method", "kind", "row", "col")]
            ),
        )
    writer.write_shard(
        "maps",
        0,
        pa.table(
            {
                "method": list(MAPS),
                "trustworthiness": pa.array([0.9] * len(MAPS), pa.float32()),
                "knn_preservation": pa.array([0.3] * len(MAPS), pa.float32()),
                "seed": [0] * len(MAPS),
                "parameters": ['{"quality": {"k": 15, "sample": 2000}}'] * len(MAPS),
            }
        ),
    )


def drawn_pictures() -> list[bytes]:
    """PNGs of SIDE x SIDE pixels, each of a colour of its own."""
    colors = np.random.default_rng(3).integers(0, 256, (FILES, 3), np.uint8)
    return [encoded(flat((SIDE, SIDE), tuple(color.tolist()))) for color in colors]


if __name__ == "__main__":
    sys.exit(main())
