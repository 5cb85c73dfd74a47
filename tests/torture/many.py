"""Readers beside a publisher that also prunes, and two writers at once."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from featurestore.files.arrays import vectors
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.upkeep.prune import prune
from featurestore.upkeep.verify import verify
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import FIELDS, FINGERPRINT
from tests.torture.outcome import Outcome
from tests.torture.stores import FORKS, contents, write

ROWS, SHARDS, WIDTH = 40, 2, 4
PRUNED_EVERY = 5


def readers(work: Path, reads: int, publishes: int) -> Outcome:
    """One process publishes runs and prunes old ones, while this one reads the current run."""
    _publish(work, 0)
    done = FORKS.Value("q", 0)
    publisher = FORKS.Process(target=_publish_all, args=(work, reads, publishes, done))
    publisher.start()
    failures, seen = [], set()
    for number in range(reads):
        done.value = number
        failures += _read(Store(work), seen)
    publisher.join()
    failures += [] if publisher.exitcode == 0 else [f"the publisher ended with {publisher.exitcode}"]
    failures += [str(finding) for finding in verify(work)]
    return Outcome(
        "reads beside publishes and prunes",
        reads,
        tuple(failures),
        f"{publishes} runs were published meanwhile, {len(seen)} of them read.",
    )


def writers(work: Path, pairs: int) -> Outcome:
    """Two at once: of the same run, and as often of two runs."""
    whole = work / "whole"
    write(whole)
    expected = contents(whole)
    failures = []
    for pair in range(pairs):
        same, two = work / f"same{pair}", work / f"two{pair}"
        codes = _at_once((write, (same, FINGERPRINT)), (write, (same, FINGERPRINT)))
        if codes != [0, 0] or contents(same) != expected:
            failures.append(f"pair {pair} of one run: ended with {codes}, or has other bytes")
        codes = _at_once((_publish, (two, 1)), (_publish, (two, 2)))
        if codes != [0, 0] or Store(two).runs() != [_name(1), _name(2)] or verify(two):
            failures.append(f"pair {pair} of two runs: ended with {codes}, or is not sound")
        failures += _read(Store(two), set())
    return Outcome("two writers at once", 2 * pairs, tuple(failures), "Half of one run, half of two runs.")


def _at_once(*works):
    children = [FORKS.Process(target=target, args=arguments) for target, arguments in works]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def _publish_all(path, reads, publishes, done):
    """A publish each time that the reader has done its share of the reads."""
    os.fsync = lambda descriptor: None
    for number in range(1, publishes + 1):
        while done.value < (number - 1) * reads // publishes:
            os.sched_yield()
        _publish(path, number)
        if number % PRUNED_EVERY == 0:
            prune(path)


def _publish(path, number):
    """A run of two tables, all of whose values say which run they are of."""
    writer = RunWriter(path, _name(number))
    for shard in range(SHARDS):
        ids = range(shard * ROWS, (shard + 1) * ROWS)
        images = [{"image_id": row, "path": f"{number}/{row}"} for row in ids]
        features = vectors(np.full((ROWS, WIDTH), number, np.float32))
        problems = [{"image_id": row, "path": f"{number}/{row}", "reason": str(number)} for row in ids]
        writer.write_shard("images", shard, pa.Table.from_pylist(images, TABLES["images"]))
        writer.write_shard("features", shard, pa.table({"image_id": pa.array(ids), "feature": features}))
        writer.write_shard("problems", shard, pa.Table.from_pylist(problems, TABLES["problems"]))
    writer.commit(FIELDS)


def _read(store, seen):
    """Failures of one look at the current run."""
    try:
        run = store.open()
        number = int(run.fingerprint.removeprefix("run"))
        seen.add(number)
        reasons = run.table("problems", ["reason"])["reason"].to_pylist()
        said = {*reasons, run.image(SHARDS * ROWS - 1)["path"].split("/")[0]}
        if said != {str(number)} or (run.features() != number).any():
            return [f"run {number} has values of {said}"]
    except Exception as error:
        return [repr(error)]
    return []


def _name(number):
    return f"run{number:04d}"
