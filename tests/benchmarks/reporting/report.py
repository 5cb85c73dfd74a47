"""What a benchmark leaves: one JSON file of one shared form in `results/`.

The tables of docs/benchmarks.md are made from these files.

    {"title", "columns", "rows", "machine", "date", "notes"} and, if a benchmark likes, "details" (raw times)
"""

import datetime
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Report:
    """rows: one list a line of the table; floats are shown with three significant digits, text as it is.

    machine: see `machine`. date: ISO, UTC. notes: sentences that stand below the table. details: anything
    more, ready for JSON, which no table shows.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    machine: Mapping[str, object]
    date: str
    notes: Sequence[str] = ()
    details: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self):
        if bad := [row for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"{len(bad[0])} cells in a row of {len(self.columns)} columns: {bad[0]}")


def write(name: str, *report: Any, **more: Any) -> Path:
    """Write `results/<name>.json` of what `made` takes."""
    return keep(name, made(*report, **more))


def made(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str | float]],
    notes: Sequence[str] = (),
    details: Mapping[str, object] | None = None,
    device: str | None = None,
    load: float | None = None,
) -> Report:
    """Return a report with this machine and today's date.

    device: an accelerator's name, where one was used. load: the mean load while it ran (1 minute, from
    `load`); the present one if left out.
    """
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Report(title, columns, rows, machine(device, load), date, notes, details or {})


def keep(name: str, report: Report) -> Path:
    """Write a report to `results/<name>.json`; name: with its folder, such as "dashboard/start"."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return path


def read(name: str) -> Report:
    return Report(**json.loads((RESULTS / f"{name}.json").read_text()))


def names() -> list[str]:
    """Return the names of all results, with their folders, sorted."""
    return sorted(str(path.relative_to(RESULTS).with_suffix("")) for path in RESULTS.rglob("*.json"))


def machine(device: str | None = None, load_then: float | None = None) -> dict[str, object]:
    """Processor, cores, threads, versions, and the load of the whole machine."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device or "cpu",
        "load": round(load() if load_then is None else load_then, 1),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def load() -> float:
    """How many processes ran or waited, over the last minute."""
    return os.getloadavg()[0]


def seconds(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def waiting_for(device: torch.device, clock: Callable[[], float] = perf_counter) -> Callable[[], float]:
    """Return a clock that is read once the device has done all that it was given: CUDA computes while the
    host goes on."""
    if device.type != "cuda":
        return clock

    def read() -> float:
        torch.cuda.synchronize(device)
        return clock()

    return read


def alternately(
    runs: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = perf_counter
) -> dict[str, list[float]]:
    """Seconds of each run, `rounds` times, one run after the other, so that a busy moment hits all alike.

    clock: wall time; `time.process_time` where others share the machine.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, work in runs.items():
            taken[name].append(seconds(work, clock))
    return taken


def spread(times: Sequence[float]) -> str:
    """Median, least and most, in seconds: "0.21 (0.20-0.25)"."""
    return f"{statistics.median(times):.3g} ({min(times):.3g}-{max(times):.3g})"


def markdown(report: Report) -> str:
    """The table, the machine and the notes, as they stand in docs/benchmarks.md."""
    lines = [report.columns, ["---"] * len(report.columns), *report.rows]
    table = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
    return f"{table}\n\n({' '.join([*report.notes, _measured_on(report)])})"


def _cell(value: str | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _measured_on(report: Report) -> str:
    said = report.machine
    device = "" if said["device"] == "cpu" else f"{said['device']}, "
    return (
        f"{device}{said['processor']}, {said['cores']} cores, {said['threads']} threads, "
        f"load {said['load']} with the benchmark's own, torch {said['torch']}, {report.date}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
