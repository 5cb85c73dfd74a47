"""python -m tests.fuzz.images: damaged image files read as a store reads them, with little memory.

Every file must become a picture or a row of `problems`, and no process may die or hang.
"""

import argparse
import sys
import time

import torch

from compute.images.loading import read_picture
from compute.images.preprocessing import Preprocessing
from compute.images.sources import Item
from tests.fuzz import pool
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import image_seeds

PREPROCESSING = Preprocessing((32, 32), 32, (0.5,) * 3, (0.5,) * 3)
MEGABYTES, SECONDS = 1024, 30


class Mutations:
    """An image source whose paths are numbers: each is another damaged file."""

    spec = root = "mutations"
    items = ()

    def __init__(self):
        self._seeds = image_seeds()

    def read(self, path: str) -> bytes:
        return mutated(self._seeds, int(path))


def make_case() -> pool.Case:
    torch.set_num_threads(1)
    source = Mutations()

    def case(number: int) -> str:
        picture = read_picture(source, Item(str(number)), PREPROCESSING)
        if picture.reason is not None:
            return "no memory" if "memory" in picture.reason else "problem"
        inside = picture.crop.shape == (3, 32, 32) and picture.crop.min() >= 0 and picture.crop.max() <= 1
        return "picture" if inside and picture.thumbnail and picture.width * picture.height else "wrong"

    return case


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.images", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file, to see one again")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    outcome = pool.run(make_case, options.first, options.count, options.workers, MEGABYTES, SECONDS)
    rows = ", ".join(f"{number:,} {kind}" for kind, number in outcome.rows.most_common())
    print(
        f"{options.count:,} damaged images: {rows}; {len(outcome.deaths)} deaths, {len(outcome.hangs)} "
        f"hangs, {options.count - outcome.answered} without an answer ({time.monotonic() - started:.0f} s)"
    )
    for number, how in [*outcome.deaths, *((number, "hung") for number in outcome.hangs)]:
        print(f"lost: --first {number} --count 1 ({how})")
    return 0 if outcome.answered == options.count and not outcome.rows["wrong"] else 1


if __name__ == "__main__":
    sys.exit(main())
