"""Opening the features of a store of 500,000 images: through the mapped cache against reading the Parquet.

    python -m tests.benchmarks.vectors.features [--images 500000] [--width 512] [--folder FOLDER]

Each is a fresh `Run`, so nothing is cached but the operating system's pages. The cache's bytes are held
against the Parquet's before time is taken.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from compute.analysis.search import ExactSearch
from featurestore.files import vector_cache
from featurestore.files.arrays import matrix
from featurestore.reader import Run, Store
from featurestore.writing.run_writer import RunWriter
from tests.benchmarks.reporting import report
from tests.support.stores.large import write_features

ROUNDS, PARQUET_ROUNDS = 9, 3
CLASSES = 10
TARGET = 0.05


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.vectors.features", description=__doc__)
    parser.add_argument("--images", type=int, default=500_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument(
        "--folder", help="where the store is written for a while (default: a temporary folder)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(measured(Path(folder), options.images, options.width))
    return 0


def measured(path: Path, number: int, width: int) -> Path:
    store = written(path, number, width)
    making = report.seconds(lambda: vector_cache.features(store.open()))
    if found := vector_cache.faults(store.open()):
        raise ValueError(found[0])
    taken = {
        "mapped cache": times(lambda: vector_cache.features(store.open()), ROUNDS),
        "Parquet, as the store reads it (every checksum)": times(
            lambda: store.open().features(), PARQUET_ROUNDS
        ),
        "Parquet, bare pyarrow": times(lambda: bare(store.open()), PARQUET_ROUNDS),
    }
    fastest = statistics.median(taken["mapped cache"])
    rows = [[name, report.spread(each), statistics.median(each) / fastest] for name, each in taken.items()]
    vectors = vector_cache.features(store.open())
    first = report.seconds(lambda: ExactSearch(vectors).search(vectors[0], 20))
    notes = [
        f"Target {TARGET} s. The cache is made once, in {making:.1f} s; the first search behind it, which "
        f"reads all of it and takes the norms, needs {first:.2g} s."
    ]
    title = f"Opening the features of {number:,} images x {width}"
    return report.write("vectors/features", title, ["way", "seconds", "times the cache"], rows, notes)


def written(path: Path, number: int, width: int) -> Store:
    writer = RunWriter(path, "features-alone")
    write_features(writer, number, width, CLASSES)
    empty = {"model": {}, "images": {}, "parameters": {}, "versions": {}}
    writer.commit({**empty, "device": "cpu", "dtype": "float32", "threads": 1, "class_names": ()})
    return Store(path)


def bare(run: Run) -> object:
    """No checksum of ours, no check of Arrow's, all cores: the least that reading takes."""
    files = [run.folder / name for name in run.manifest.table_files("features")]
    return [matrix(pq.read_table(file, columns=["feature"])["feature"]) for file in files]


def times(work, rounds: int) -> list[float]:
    work()
    return [report.seconds(work) for _ in range(rounds)]


if __name__ == "__main__":
    sys.exit(main())
