"""The sweep over torchvision's and timm's classification networks.

    python -m tests.benchmarks.zoo [NAME ...] [--again] [--limit SECONDS]

Random weights, one image; each number is compared with plain PyTorch's (`checks`). Every network has a
process of its own, so that one that crashes or takes too long ends nothing. Results are kept in
results/zoo.json, network by network: those that are there are not run again, unless they are named or --again
is given.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from importlib import import_module
from multiprocessing.connection import Connection

import torch

from tests.benchmarks.reporting import report
from tests.benchmarks.zoo.checks import CHECKS, REFUSED, SKIPPED, WRONG, Check, Outcome, compared
from tests.benchmarks.zoo.networks import ENTRIES, Entry, module_of

COLUMNS = ("family", "network", "pixels", "run as", "right", "not, and why", "worst relative error")
SPOKEN = {"receptive_field": "receptive field"}
LIMIT = 900
"""Seconds for one network."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.zoo", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as timm:levit_128s; all of them")
    parser.add_argument("--again", action="store_true", help="also those that have results")
    parser.add_argument("--checks", nargs="*", choices=CHECKS, help="these alone, and keep nothing")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one network")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - {each.key for each in ENTRIES}):
        parser.error(f"unknown network {unknown[0]!r}; those of the sweep are in {ENTRIES_FILE}")
    # Threads of OpenMP don't outlive a fork; timm takes seconds to import.
    torch.set_num_threads(1)
    import_module("timm")
    wrong = 0
    for entry in chosen(args.names, args.again or args.checks is not None):
        outcome = apart(entry, tuple(args.checks or CHECKS), args.limit)
        print(said(outcome), flush=True)
        wrong += bool(outcome.wrong)
        if args.checks is None:
            keep(outcome)
    return int(wrong > 0)


ENTRIES_FILE = "tests/benchmarks/zoo/networks.py"


def chosen(names: list[str], again: bool) -> list[Entry]:
    """Those that are named, else those without a result."""
    known = results()
    return [each for each in ENTRIES if each.key in names or (not names and (again or each.key not in known))]


def apart(entry: Entry, checks: tuple[str, ...], limit: float) -> Outcome:
    """What comes of a network in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_compare, args=(entry, checks, theirs))
    process.start()
    theirs.close()
    try:
        if ours.poll(limit):
            return ours.recv()
        process.kill()
        return _unfinished(entry, f"it took longer than {limit:g} s")
    except EOFError:
        return _unfinished(entry, "its process crashed")
    finally:
        process.join()


def _compare(entry: Entry, checks: tuple[str, ...], to: Connection) -> None:
    module, images = module_of(entry)
    to.send(compared(module, entry.key, entry.family, images, checks))


def _unfinished(entry: Entry, words: str) -> Outcome:
    return Outcome(entry.key, entry.family, entry.size, checks={"load": Check(WRONG, words=words)})


def said(outcome: Outcome) -> str:
    """What came out, in lines for a person."""
    head = (
        f"{outcome.name} ({outcome.family}, {outcome.size} px): {outcome.way}, {outcome.layers} layers, "
        f"{outcome.seconds:.0f} s" + (f"; {outcome.because}" if outcome.because else "")
    )
    lines = [
        f"    {each.status:8} {name:16} {'' if each.error is None else f'{each.error:.1e}':8} {each.words}"
        for name, each in outcome.checks.items()
    ]
    return "\n".join([head, *(f"    note     {each}" for each in outcome.notes), *lines])


def results() -> dict[str, Outcome]:
    """Those that are kept, by the network's name."""
    if "zoo" not in report.names():
        return {}
    return {name: Outcome.from_dict(each) for name, each in report.read("zoo").details.items()}


def keep(outcome: Outcome) -> None:
    """Write the results with this one among them, in the order of families."""
    known = results() | {outcome.name: outcome}
    order = sorted(ENTRIES, key=lambda each: (each.package != "torchvision", each.family))
    outcomes = [known[each.key] for each in order if each.key in known]
    rows = [row(each) for each in outcomes]
    details = {each.name: each.to_dict() for each in outcomes}
    report.write("zoo", "Networks against plain PyTorch", COLUMNS, rows, notes(outcomes), details)


def notes(outcomes: list[Outcome]) -> list[str]:
    """How many networks of how many families, and how many wrong numbers."""
    families: dict[str, Counter[str]] = {}
    for each in outcomes:
        families.setdefault(each.name.partition(":")[0], Counter())[each.family] += 1
    counted = [
        f"{counts.total()} networks of {len(counts)} families of {package}"
        for package, counts in families.items()
    ]
    wrong = sum(len(each.wrong) for each in outcomes)
    return [f"{' and '.join(counted)}, random weights; {wrong or 'no'} wrong number{'s' * (wrong != 1)}."]


def row(outcome: Outcome) -> list[str | float]:
    """A network's line of the table."""
    others = [
        f"{SPOKEN.get(name, name)} {status}: {each.words}"
        for status in (WRONG, REFUSED, SKIPPED)
        for name, each in outcome.checks.items()
        if each.status == status
    ]
    way = outcome.way + (f" ({outcome.because})" if outcome.because else "")
    return [
        outcome.family, outcome.name, str(outcome.size), way, _right(outcome), "; ".join(others) or "-",
        f"{outcome.worst:.0e}",
    ]  # fmt: skip


def _right(outcome: Outcome) -> str:
    """Which checks came out right, by those that did not."""
    others = [SPOKEN.get(name, name) for name in CHECKS if name not in outcome.right]
    if len(others) == len(CHECKS):
        return "none"
    return f"all but {', '.join(others)}" if others else "all"


if __name__ == "__main__":
    sys.exit(main())
