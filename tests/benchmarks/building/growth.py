"""How a store's cost grows with its number of images: each size is built in a process of its own.

    python -m tests.benchmarks.building.growth --images FOLDER --model MODEL [--checkpoint …] [--size …] …
    [--counts 5000 10000 20000 50000] [--stages activations neighbors embeddings grid] [--threads N]
    [--clock cpu] [--write]

FOLDER has at least as many images as the largest count; the model is chosen as in `python -m compute store`.
Peak memory is the resident set of the whole process; kNN is of features and of pixels, with nothing else in
the stage.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from compute.images.sources import class_names, open_source, sample
from compute.models import zoo
from compute.pipeline.build import build
from compute.pipeline.choices import NEEDS
from compute.pipeline.job import Job, image_digests, parameters
from compute.runtime.progress import Progress, StageProgress
from tests.benchmarks.reporting import report

COUNTS = (5000, 10000, 20000, 50000)
STAGES = ("activations", "neighbors", "embeddings")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
COLUMNS = ("images", "activations images/s", "peak MB after activations", "kNN s", "maps s", "peak MB in all")
GOALS = (
    "goals: images a second of the sharded stage within 10 % of each other, its peak memory flat; kNN grows "
    "with the square of the images, the maps a little more than in proportion."
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    zoo.add_model_arguments(parser)
    parser.add_argument("--images", required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--stages", nargs="+", choices=NEEDS, default=STAGES)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others share the machine")
    parser.add_argument("--write", action="store_true", help="keep the result in results/growth.json")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def one_size(chosen: argparse.Namespace) -> dict[str, float]:
    """In this process: seconds by stage, and MB that the process held at most after each."""
    torch.set_num_threads(chosen.threads)
    peaks: dict[str, float] = {}
    source = open_source(chosen.images)
    items = sample(source.items, chosen.one, 0)
    model = zoo.load(zoo.ModelSpec.from_args(chosen), class_names=class_names(source.items))
    progress = Watched(peaks, CLOCKS[chosen.clock])
    with progress.stage("reading", len(items)) as stage:
        digests = image_digests(source, items, stage)
    wanted = parameters(model, tuple(chosen.stages))
    job = Job(model, {"model": model.name}, source, tuple(items), digests, wanted)
    with tempfile.TemporaryDirectory() as folder:
        build(job, folder, progress)
    return {"seconds": progress.seconds, "peak_mb": peaks}


class Watched(Progress):
    """Notes the process's peak memory whenever a stage ends."""

    def __init__(self, peaks: dict[str, float], clock: Callable[[], float]):
        super().__init__(io.StringIO(), clock)
        self.peaks = peaks

    @contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[StageProgress]:
        with super().stage(name, total, unit) as entered:
            yield entered
        self.peaks[name] = peak_mb()


def peak_mb() -> float:
    """Resident set at its largest, of this process (Linux gives KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(count: int, found: dict) -> list:
    seconds, peaks = found["seconds"], found["peak_mb"]
    return [
        count,
        count / seconds["activations"],
        peaks["activations"],
        seconds.get("neighbors", "–"),
        seconds.get("embeddings", "–"),
        max(peaks.values()),
    ]


def main() -> None:
    chosen = arguments()
    if chosen.one:
        print(json.dumps(one_size(chosen)))
        return
    rows, details = [], {}
    for count in chosen.counts:
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.building.growth",
            *sys.argv[1:],
            "--one",
            str(count),
        ]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(made.stdout.splitlines()[-1])
        rows.append(row(count, found))
        details[str(count)] = found | {"load": report.load()}
        print(f"{count}: {json.dumps(details[str(count)])}", flush=True)
    if chosen.write:
        notes = [f"{chosen.clock} time; {GOALS}"]
        report.write("growth", "Growth with the number of images", COLUMNS, rows, notes, details)


if __name__ == "__main__":
    main()
