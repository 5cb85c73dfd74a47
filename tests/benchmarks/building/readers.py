"""How many images a second are read for the network: read from a file, hashed, decoded, cut, and a thumbnail.

    python -m tests.benchmarks.building.readers [--images 400] [--rounds 5] [--write]

The files are photographs of 500 x 375 as JPEG, cut for a network of 224 x 224. Ways: threads of one process,
as a store is made, and processes that hand their pictures over, each on one core and on two. They take turns.
Before that, each step is timed alone on one core, beside what other decoders take for the same pixels.
"""

import argparse
import hashlib
import io
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
from PIL import Image

from compute.images.decoding import decode
from compute.images.loading import Picture, ahead, read_picture, thumbnail
from compute.images.sources import ImageSource
from compute.images.sources.opening import open_source
from tests.benchmarks.one_pass import PREPROCESSING, Photos
from tests.benchmarks.reporting import report

COLUMNS = ("way", "cores", "images/s", "times one core's")
GOAL = 0.9
CHUNK = 8
"""Pictures that a process hands over at once."""


@dataclass(frozen=True)
class Way:
    """A name, and how it goes through the rows of a source with so many workers."""

    name: str
    pictures: Callable[[ImageSource, int], Iterator[Picture]]


def by_threads(source: ImageSource, workers: int) -> Iterator[Picture]:
    read = partial(read_picture, source, preprocessing=PREPROCESSING)
    return ahead(read, source.items, workers, 64 + workers)


def by_processes(source: ImageSource, workers: int) -> Iterator[Picture]:
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        list(pool.map(_begin, range(4 * workers)))  # all have started before time is taken
        yield Picture()
        read = partial(read_picture, source, preprocessing=PREPROCESSING)
        yield from pool.map(read, source.items, chunksize=CHUNK)


def _begin(_: int = 0) -> None:
    torch.set_num_threads(1)


WAYS = (Way("threads", by_threads), Way("processes", by_processes))


def taken(way: Way, source: ImageSource, cores: int) -> float:
    """Seconds, without the start of processes."""
    with only(cores):
        pictures = way.pictures(source, cores)
        if way is WAYS[1]:
            next(pictures)
        started = perf_counter()
        count = sum(picture.crop is not None for picture in pictures)
        if count != len(source.items):
            raise ValueError(f"{count} of {len(source.items)} images were read")
        return perf_counter() - started


@contextmanager
def only(cores: int) -> Iterator[None]:
    """Run on so many cores, child processes as well."""
    before = os.sched_getaffinity(0)
    if cores > len(before):
        raise ValueError(f"{cores} cores are not there: this process may use {len(before)}")
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def steps(files: list[Path]) -> list[list]:
    """Milliseconds an image of each step, alone on one core, and of other ways of decoding."""
    data = [path.read_bytes() for path in files]
    images = [decode(each) for each in data]
    ways = {
        "read the file": (Path.read_bytes, files),
        "hash (SHA-256)": (lambda each: hashlib.sha256(each).digest(), data),
        "decode (Pillow)": (decode, data),
        "crop": (PREPROCESSING.tensor, images),
        "thumbnail": (thumbnail, images),
        "decode (OpenCV), instead": (_by_opencv, data),
        "decode at half the scale, for the thumbnail alone": (_at_half, data),
    }
    with only(1):
        return [[name, _milliseconds(function, values)] for name, (function, values) in ways.items()]


def _milliseconds(function: Callable, values: list) -> float:
    started = perf_counter()
    for each in values:
        function(each)
    return 1000 * (perf_counter() - started) / len(values)


def _by_opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _at_half(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (image.width // 2, image.height // 2))
    image.load()
    return image


def same_pixels(files: list[Path]) -> float:
    """Share of the files of which OpenCV's pixels are Pillow's."""
    equal = [np.array_equal(np.asarray(decode(f.read_bytes())), _by_opencv(f.read_bytes())) for f in files]
    return float(np.mean(equal))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the result in results/readers.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        photos = Photos(chosen.images)
        for item in photos.items:
            (Path(folder) / item.path).write_bytes(photos.read(item.path))
        files = sorted(Path(folder).iterdir())
        source = open_source(folder)
        measured = {(way.name, cores): [] for way in WAYS for cores in (1, 2)}
        for _ in range(chosen.rounds):
            for way in WAYS:
                for cores in (1, 2):
                    measured[way.name, cores].append(taken(way, source, cores))
        alone, equal = steps(files), same_pixels(files[:50])
    medians = {way: statistics.median(times) for way, times in measured.items()}
    rows = [
        [name, cores, chosen.images / wall, medians[name, 1] / wall]
        for (name, cores), wall in medians.items()
    ]
    for row in (*rows, *alone):
        print(*row, sep="  ")
    spoken = "; ".join(f"{name} {value:.2f}" for name, value in alone)
    notes = [
        f"Medians of {chosen.rounds} alternating rounds over {chosen.images} JPEGs of 500 x 375; goal on two "
        f"cores: {2 * GOAL:.1f} times one core's. Milliseconds a step on one core: {spoken}. OpenCV's pixels "
        f"are Pillow's in {equal:.0%} of the files."
    ]
    if chosen.write:
        print(report.write("readers", "Images read a second", COLUMNS, rows, notes))


if __name__ == "__main__":
    main()
