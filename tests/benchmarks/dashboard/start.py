"""How much CPU time a program takes to start, beside `import torch` alone.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.dashboard.start [--rounds N] [--write]

User and system time of whole processes, so that other work on the machine counts little; runs alternate.
"""

import argparse
import resource
import statistics
import subprocess
import sys

from tests.benchmarks.reporting import report
from tests.support import ROOT

COLUMNS = ("what starts", "s of CPU", "/ import torch")
PICTURE = str(ROOT / "docs" / "gallery" / "occlusion.png")
TORCH = "import torch"
STARTS: dict[str, tuple[str, ...]] = {
    TORCH: ("-c", TORCH),
    "compute saliency --help": ("-m", "compute", "saliency", "--help"),
    "compute salency, spelt wrong": ("-m", "compute", "salency"),
    "compute saliency, a model spelt wrong": (
        "-m",
        "compute",
        "saliency",
        "--model",
        "demos",
        "--image",
        PICTURE,
    ),
    "compute saliency, its imports alone": ("-c", "import compute.cli.methods"),
    "compute saliency, of the demo": ("-m", "compute", "saliency", "--model", "demo", "--image", PICTURE),
    "the dashboard's server": ("-c", "import dashboard.server.app"),
    "featurestore --help": ("-m", "featurestore", "--help"),
}
EXPECTED = {"compute salency, spelt wrong": 2, "compute saliency, a model spelt wrong": 2}
"""Exit codes, where they are not 0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--write", action="store_true", help="keep the result in results/dashboard/start.json"
    )
    chosen = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(chosen.rounds):
        for name, arguments in STARTS.items():
            taken[name].append(cpu_seconds(arguments, EXPECTED.get(name, 0)))
    usual = {name: statistics.median(each) for name, each in taken.items()}
    rows = [[name, report.spread(each), usual[name] / usual[TORCH]] for name, each in taken.items()]
    for row in rows:
        print(*row, sep="  ")
    note = f"Medians (least-most) of {chosen.rounds} alternating rounds, user and system time, one thread."
    if chosen.write:
        report.write("dashboard/start", "Starting", COLUMNS, rows, [note], {"seconds": taken})


def cpu_seconds(arguments: tuple[str, ...], expected: int) -> float:
    """Of a Python process, started and ended; RuntimeError for another exit code than expected."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != expected:
        raise RuntimeError(f"{' '.join(arguments)} ended with {run.returncode}: {run.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
