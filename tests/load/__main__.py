"""`python -m tests.load`: many visitors at once, each with live jobs of its own, on a server of its own.

    python -m tests.load --browsers 10 --minutes 3              ten browsers
    python -m tests.load --browsers 2 --clients 30 --minutes 5  and visitors without a browser

Every result that was shown is computed again on the command line and compared pixel by pixel; every answer,
console and log is searched for errors; the server's memory is noted. Ends with 1 where something is wrong.
With --write, the figures go to docs/benchmarks.md (`make docs` puts them there).
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.reporting import report
from tests.load.load import Load, Outcome, put_on
from tests.support.stores.served import write_served_store

MOST_GROWTH = 0.1
"""Of the server's memory, from the end of the first third of the time to the last tenth."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--browsers", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument(
        "--clients", type=int, default=0, help="visitors without a browser (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=3, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="tests/benchmarks/results/load.json")
    parser.add_argument("--store", type=Path, help="it is copied first (default: a small one is made)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="featurescope-load-") as folder:
        store = Path(folder) / "stores" / "digits"
        if options.store is None:
            write_served_store(store)
        else:
            shutil.copytree(options.store, store, ignore=shutil.ignore_patterns("results"))
        load = Load(options.browsers, options.clients, 60 * options.minutes)
        outcome = asyncio.run(put_on(store, load, Path(folder) / "server.log"))
    figures = said(outcome, load)
    print(json.dumps(figures, indent=2))
    if options.write:
        written(outcome, load, figures)
    return 0 if sound(outcome) else 1


def said(outcome: Outcome, load: Load) -> dict:
    memory = [round(each.bytes / 2**20) for each in outcome.memory]
    waits = sorted(outcome.waits)
    return {
        "browsers": load.browsers,
        "clients": load.clients,
        "seconds": load.seconds,
        "jobs shown": len(waits),
        "results compared": outcome.compared,
        "different pictures": outcome.distinct,
        "pages walked": outcome.walked,
        "seconds of a job, median": round(waits[len(waits) // 2], 1),
        "at most": round(waits[-1], 1),
        "wrong results": outcome.wrong,
        "errors": outcome.errors,
        "memory, MB": memory[:: max(1, len(memory) // 24)],
        "growth": round(outcome.growth, 3),
        "load average": [round(each, 1) for each in os.getloadavg()],
    }


def written(outcome: Outcome, load: Load, figures: dict) -> Path:
    """Of this machine, the server and its visitors on the same cores."""
    third, last = outcome.settled
    cells = {
        "minutes": load.seconds / 60,
        "clients": load.clients,
        "browsers": load.browsers,
        "pages shown": outcome.walked + outcome.compared,
        "live jobs": len(outcome.waits),
        "results compared": outcome.compared,
        "wrong": len(outcome.wrong),
        "errors": len(outcome.errors),
        "s of a job, median": figures["seconds of a job, median"],
        "at most": figures["at most"],
        "MB after a third": round(third / 2**20),
        "at the end": round(last / 2**20),
    }
    notes = [
        "Each visitor starts a live job of its own, waits for its result, walks through three of the other "
        "pages, and again. Every result is computed again on the command line and compared pixel by pixel; "
        "errors are those on a page, in the browser, in an answer or in the server's log. The server's "
        "resident memory, median of a tenth of the time."
    ]
    texts = [[str(cell) if isinstance(cell, int) else f"{cell:.3g}" for cell in cells.values()]]
    title = "Visitors at once, each with live jobs of its own"
    return report.write("load", title, list(cells), texts, notes, figures)


def sound(outcome: Outcome) -> bool:
    return not outcome.wrong and not outcome.errors and outcome.compared > 0 and outcome.growth < MOST_GROWTH


if __name__ == "__main__":
    sys.exit(main())
