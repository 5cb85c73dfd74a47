"""What each stage of a build takes: wall time, CPU time and memory, sampled once a second from outside.

    python -m tests.benchmarks.building.stages [--write] [--samples FILE] -- --images DIR --store S …

What follows "--" are options of `python -m compute store`. A stage begins where its line says so, or where
the one before it ends. Resident memory counts what is mapped from files, which the system may drop, and what
is mapped twice counts twice; "own memory" is without that (RssAnon). Samples (JSON lines: seconds, CPU
seconds, resident MB, own MB, the last line) are kept in FILE, and read from there where no options follow.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.reporting import report

Sample = tuple[float, float, float, float, str]
"""Seconds and CPU seconds since the start, resident and own memory in MB, the last line on standard error."""

COLUMNS = ("stage", "wall, min", "CPU, min", "cores", "own memory, GB", "resident, GB", "it says")
STAGE = re.compile(r"(\w+) +(\d+/\d+ \w+)")


def samples(process: subprocess.Popen, log: Path, pause: float = 1.0) -> Iterator[Sample]:
    """One a second while the process runs; of it and all that it started (Linux)."""
    started = time.monotonic()
    while process.poll() is None:
        cpu, resident, own = map(sum, zip(*map(_used, _tree(process.pid)), strict=True))
        lines = log.read_text(errors="replace").splitlines()
        yield time.monotonic() - started, cpu, resident, own, lines[-1] if lines else ""
        time.sleep(pause)


def _tree(pid: int) -> list[int]:
    children = [Path(f"/proc/{pid}/task/{pid}/children")]
    found = [int(each) for path in children if path.exists() for each in path.read_text().split()]
    return [pid, *(below for child in found for below in _tree(child))]


def _used(pid: int) -> tuple[float, float, float]:
    """CPU seconds, resident and own MB of one process; nothing of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        resident, own = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))
    except (OSError, KeyError):
        return 0.0, 0.0, 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), resident, own


def rows(taken: Iterable[Sample]) -> list[list]:
    """A line of the table for each stage, and one for the whole."""
    staged, found, before = list(_staged(list(taken))), [], (0.0, 0.0)
    for name, group in groupby(staged, lambda each: each[0]):
        of_stage = [sample for _, sample in group]
        seconds, cpu, *_ = of_stage[-1]
        said = [match[2] for *_, line in of_stage if (match := STAGE.match(line)) and match[1] == name]
        found.append(_row(name, seconds - before[0], cpu - before[1], of_stage, said[-1] if said else ""))
        before = seconds, cpu
    return [*found, _row("all", *before, [sample for _, sample in staged], "")]


def _row(name: str, seconds: float, cpu: float, of_stage: list[Sample], said: str) -> list:
    own, resident = (max(sample[place] for sample in of_stage) / 1000 for place in (3, 2))
    return [name, seconds / 60, cpu / 60, cpu / seconds, own, resident, said]


def _staged(taken: list[Sample]) -> Iterator[tuple[str, Sample]]:
    """Each sample with its stage: what comes after a stage's last line belongs to the next one."""
    names = [match[1] if (match := STAGE.match(line)) and " taken" not in line else "" for *_, line in taken]
    following = "commit"
    staged = []
    for name, sample in zip(reversed(names), reversed(taken), strict=True):
        following = name or following
        staged.append((following, sample))
    return reversed(staged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--write", action="store_true", help="keep the result in results/building/stages.json"
    )
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--title", default="A build by stage")
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS")
    chosen = parser.parse_args()
    before = report.load()
    if chosen.options:
        with TemporaryDirectory() as folder, open(Path(folder) / "log", "w+") as log:
            command = [sys.executable, "-m", "compute", "store", *chosen.options]
            with subprocess.Popen(command, stderr=log) as process:
                taken = list(samples(process, Path(log.name)))
        if process.returncode:
            raise SystemExit(f"the build ended with {process.returncode}")
        if chosen.samples:
            chosen.samples.write_text("".join(json.dumps(sample) + "\n" for sample in taken))
    else:
        taken = [tuple(json.loads(line)) for line in chosen.samples.read_text().splitlines()]
    found = rows(taken)
    print(*found, sep="\n")
    if chosen.write:
        note = f"python -m compute store {' '.join(chosen.options)}".rstrip()
        print(report.write("building/stages", chosen.title, COLUMNS, found, [note], load=before))


if __name__ == "__main__":
    main()
