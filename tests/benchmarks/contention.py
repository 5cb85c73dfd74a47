"""What a busy machine costs: the same work alone, and beside as many busy processes as there are cores.

    python -m tests.benchmarks.contention [--networks NAME ...] [--spins N ...] [--rounds 5] [--write]

    ascent     steps of gradient ascent for a class
    store      occlusion as the store computes it: 224x224, patch 56, stride 14
    live       the same map by the live method, coarse stages and the pictures between them included
    Captum     the same windows, 8 a pass

SPINS are turns that a thread of OpenMP waits awake (GOMP_SPINCOUNT): 300000 is the library's own choice. Each
number of spins has a process of its own, idle and busy by turns; within it the works alternate.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from compute.methods.attribution.occlusion import Occlusion
from compute.methods.base import Inputs
from compute.methods.synthesis.ascent import Ascent
from compute.models.model import Model
from compute.occlusion.maps import windows
from compute.occlusion.passes import choose_pass
from compute.runtime.threads import SPINS, available_cores
from tests.benchmarks.one_pass import PREPROCESSING, a_module
from tests.benchmarks.reporting import report

PATCH, STRIDE, CAPTUM_BATCH, TARGET, STEPS = 56, 14, 8, 3, 16
OWN = "300000"
"""What GNU's OpenMP takes where nothing is said (libgomp, env.c)."""

COLUMNS = (
    "network",
    "work",
    "spins",
    "alone, s",
    "alone, CPU s",
    "busy, s",
    "busy, CPU s",
    "wall, times",
    "CPU, times",
)
GOALS = (
    "goals beside busy processes: CPU time at most 1.2 times, wall time in proportion, 2.4 times; live at "
)
GOALS += "most 1.15 times store."


def works(name: str) -> dict[str, Callable[[], object]]:
    """What is done with one network, by name; every one is warm."""
    from captum.attr import Occlusion as CaptumOcclusion

    module = a_module(name)
    model = Model(module, PREPROCESSING, list(map(str, range(1000))), name, torch.device("cpu"))
    image = torch.rand(3, *PREPROCESSING.size, generator=torch.Generator().manual_seed(0))
    batch = model.normalize(image[None])
    starts = windows(PREPROCESSING.size[0], PATCH, STRIDE)
    way = choose_pass(model, PREPROCESSING.size, (starts, starts), PATCH)
    ascent, occlusion, peer = Ascent(steps=STEPS), Occlusion(PATCH, STRIDE), CaptumOcclusion(module)

    def captum() -> None:
        with torch.inference_mode():
            shape, strides = (3, PATCH, PATCH), (3, STRIDE, STRIDE)
            peer.attribute(batch, shape, strides, target=TARGET, perturbations_per_eval=CAPTUM_BATCH)

    made: dict[str, Callable[[], object]] = {
        "ascent": lambda: list(ascent.steps(model, Inputs(target=TARGET))),
        "store": lambda: list(way.steps(batch, torch.zeros_like(batch))),
        "live": lambda: list(occlusion.steps(model, Inputs(image=image, target=TARGET))),
        "Captum": captum,
    }
    for work in made.values():
        work()
    return made


def one(name: str, rounds: int) -> None:
    """In this process: for each line on standard input, print the seconds and CPU seconds of all works."""
    doing = works(name)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        taken: dict[str, list[tuple[float, float]]] = {each: [] for each in doing}
        for _ in range(rounds):
            for each, work in doing.items():
                wall, cpu = time.perf_counter(), time.process_time()
                work()
                taken[each].append((time.perf_counter() - wall, time.process_time() - cpu))
        print(json.dumps(taken), flush=True)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


def measured(name: str, spins: str, rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """By "alone" and "busy", then by work: the medians of seconds and of CPU seconds."""
    command = [sys.executable, "-m", "tests.benchmarks.contention", "--one", name, "--rounds", str(rounds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "GOMP_SPINCOUNT": spins}, **pipes) as process:

        def taken() -> dict[str, tuple[float, float]]:
            process.stdin.write("\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            return {
                work: tuple(map(statistics.median, zip(*times, strict=True))) for work, times in found.items()
            }

        process.stdout.readline()
        alone = taken()
        with busy(available_cores()):
            beside = taken()
        process.stdin.close()
    return {"alone": alone, "busy": beside}


def rows_of(name: str, spins: str, found: dict[str, dict[str, tuple[float, float]]]) -> list[list]:
    """The lines of the table."""
    return [
        [
            name,
            work,
            spins,
            *alone,
            *found["busy"][work],
            *(b / a for a, b in zip(alone, found["busy"][work], strict=True)),
        ]
        for work, alone in found["alone"].items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet18", "squeezenet1_1"])
    parser.add_argument("--spins", nargs="+", default=[SPINS, OWN])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the result in results/contention.json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        return one(chosen.one, chosen.rounds)
    before, rows, notes = report.load(), [], [GOALS]
    for name in chosen.networks:
        for spins in chosen.spins:
            found = measured(name, spins, chosen.rounds)
            rows += rows_of(name, spins, found)
            print(*(str(row) for row in rows[-len(found["alone"]) :]), sep="\n", flush=True)
            for when, taken in found.items():
                store, live, captum = (taken[work][0] for work in ("store", "live", "Captum"))
                notes.append(
                    f"{name}, {spins} spins, {when}: live / store {live / store:.2f}, Captum / store "
                    f"{captum / store:.2f}, Captum / live {captum / live:.2f}."
                )
                print(notes[-1], flush=True)
    if chosen.write:
        print(report.write("contention", "A busy machine", COLUMNS, rows, notes, load=before))


if __name__ == "__main__":
    main()
