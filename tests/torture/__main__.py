"""python -m tests.torture: all parts at full count; prints what is found, keeps it for docs/benchmarks.md."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.dashboard.jobs.test_queue_interleaved import QueueMachine
from tests.dashboard.jobs.test_results_interleaved import ResultMachine
from tests.featurestore.test_writer_interleaved import WriterMachine
from tests.torture import damage, full_disk, interleavings, kills, many, order, real
from tests.torture.outcome import Outcome

PARTS: tuple[Callable[[Path], Outcome], ...] = (
    order.run,
    kills.at_each_call,
    lambda work: kills.at_random_moments(work, 500),
    lambda work: full_disk.run(work, 50),
    lambda work: damage.flips(work, 2_000),
    damage.cuts,
    damage.zeros,
    lambda work: many.readers(work, 10_000, 100),
    lambda work: many.writers(work, 100),
    lambda work: real.kills(work, 12),
    real.repairs,
    lambda _: interleavings.run("the queue of jobs", QueueMachine, 2_000),
    lambda _: interleavings.run("the kept results", ResultMachine, 500),
    lambda _: interleavings.run("writers, readers and prune", WriterMachine, 500),
)


def main() -> int:
    outcomes = []
    for part in PARTS:
        with tempfile.TemporaryDirectory(prefix="torture-") as work:
            outcomes.append(part(Path(work)))
        print(outcomes[-1], flush=True)
    _keep(outcomes)
    failed = sum(len(each.failures) for each in outcomes)
    print(f"{failed} failures in {sum(each.tried for each in outcomes):,} tries")
    return 1 if failed else 0


def _keep(outcomes):
    from tests.benchmarks.reporting import report

    rows = [
        [each.what, f"{each.tried:,}", str(len(each.failures)), each.skipped or each.detail]
        for each in outcomes
    ]
    report.write("torture", "Stores under torture", ["what", "times", "failures", "more"], rows)


if __name__ == "__main__":
    sys.exit(main())
