"""A CUDA device against the CPU: are the values the same, and how fast is it?

    python -m tests.gpu_check [PART ...] [--device cuda] [--short] [--write]

Builds the demo stores on the device and compares them with the CPU's, does so again for the same bytes, runs
every live method, searches for neighbours, and measures. Every check is printed with what it found and what
it allows. Ends with 1 where one of them fails or a part breaks off, and with 2 where there is no such device:
it never takes another one. The tables between markers belong into docs/benchmarks.md; --write keeps them in
tests/benchmarks/results/gpu/, from where `make docs` writes them there.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from compute.models import zoo
from compute.runtime.environment import environment
from compute.runtime.precision import insist_on_float32
from tests.benchmarks.reporting.report import Report, keep, made, markdown
from tests.gpu_check import methods, neighbors, options, speed, stores
from tests.gpu_check.check import NOT_MEASURED, Check
from tests.gpu_check.size import FULL, SHORT, Size

Part = Callable[[torch.device, Size, Path, str], Iterator[Check | Report]]
PARTS: dict[str, Part] = {
    "stores": stores.found,
    "methods": methods.found,
    "neighbors": neighbors.found,
    "pass": speed.the_pass,
    "live": speed.live_steps,
    "occlusion": speed.occlusion_maps,
    "options": options.found,
}
COLUMNS = ("check", "found", "at most", "unit", "more")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, …, or cpu (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="few images, one network, one round")
    parser.add_argument(
        "--write", action="store_true", help="keep the tables in tests/benchmarks/results/gpu/"
    )
    chosen = parser.parse_args(arguments)
    parts = chosen.parts or list(PARTS)
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    if chosen.write and chosen.short:
        parser.error("--write keeps tables for docs/benchmarks.md, and --short measures nothing for them")
    if chosen.device == "auto":
        parser.error("--device auto might take another one; name it: cuda, cuda:1, …, or cpu")
    try:
        device = zoo.resolve_device(chosen.device)
        name = environment(device)["device"]
    except (ValueError, RuntimeError, AssertionError) as error:
        parser.error(f"{error}; to try the check itself on the CPU, say --device cpu")
    insist_on_float32(device)
    print(f"{name}, against the CPU", flush=True)
    checks, reports = looked_at(parts, device, SHORT if chosen.short else FULL, name)
    reports = {"checks": table(checks, name), **reports}
    for part, report in reports.items():
        print(f"\n<!-- benchmark gpu/{part} -->\n\n{markdown(report)}\n\n<!-- end gpu/{part} -->")
        if chosen.write:
            keep(f"gpu/{part}", report)
    failed = [each.name for each in checks if not each.holds]
    print(
        f"\n{len(checks)} checks on {name}, {len(failed)} failed{': ' if failed else ''}{'; '.join(failed)}"
    )
    return int(bool(failed))


def looked_at(
    parts: list[str], device: torch.device, size: Size, name: str
) -> tuple[list[Check], dict[str, Report]]:
    """All checks, those of parts that broke off among them, and the tables."""
    checks, reports = [], {}
    for part in parts:
        print(f"== {part}", flush=True)
        for each in whole(part, device, size, name):
            if isinstance(each, Check):
                checks.append(each)
                print(each.line, flush=True)
            else:
                reports[part] = each
    return checks, reports


def whole(part: str, device: torch.device, size: Size, name: str) -> Iterator[Check | Report]:
    """What a part finds, and a check that fails where it breaks off or compares nothing."""
    compared, said = 0, ""
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        try:
            for each in PARTS[part](device, size, Path(folder), name):
                compared += isinstance(each, Check)
                yield each
        except Exception as error:
            traceback.print_exc()
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if said or not compared:
        yield Check(f"{part}: to its end", NOT_MEASURED, 0, "", said or "it compared nothing")


def table(checks: list[Check], name: str) -> Report:
    rows = [[each.name, float(each.found), float(each.at_most), each.unit, each.said] for each in checks]
    failed = sum(not each.holds for each in checks)
    return made(
        "The device against the CPU", COLUMNS, rows, [f"{failed} of {len(checks)} failed."], device=name
    )


if __name__ == "__main__":
    sys.exit(main())
