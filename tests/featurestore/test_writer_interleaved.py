"""A store's writers, readers and `prune` in random order, with kills: what is published is whole.

After each step `verify` finds just the damage that was done, the runs are those that were committed and not
removed, and every file has the bytes that it would have had without interruption.
"""

import gc
import json
import os
import shutil
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from featurestore.errors import Damaged
from featurestore.layout import CURRENT, LINKS, MANIFEST, shard_file
from featurestore.manifest import read_manifest
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.upkeep.prune import prune
from featurestore.upkeep.verify import verify
from featurestore.writing.run_writer import RunWriter
from tests.support.machines import CALLS, killed_at, trying, without_waiting_for_the_disk
from tests.support.stores.full import FIELDS

pytestmark = pytest.mark.slow

IMAGES, NEIGHBORS, OF_EACH = 6, 2, 3
ALWAYS, A_DAY = -1, 24 * 3600
"""Seconds after which `prune` takes what is unfinished: all that is there now, or nothing."""


def images(first: int) -> pa.Table:
    rows = [{"image_id": each, "path": str(each)} for each in range(first, first + OF_EACH)]
    return pa.Table.from_pylist(rows, TABLES["images"])


def neighbors() -> pa.Table:
    rows = [
        {
            "space": "pixel",
            "image_id": each,
            "rank": rank,
            "neighbor_id": (each + rank + 1) % IMAGES,
            "distance": rank,
        }
        for each in range(IMAGES)
        for rank in range(NEIGHBORS)
    ]
    return pa.Table.from_pylist(rows, TABLES["neighbors"])


def problems() -> pa.Table:
    return pa.Table.from_pylist([{"image_id": 1, "path": "1", "reason": "r"}], TABLES["problems"])


SHARDS = {
    shard_file(table, shard): (table, shard, rows)
    for table, shard, rows in (
        ("images", 0, images(0)),
        ("images", 1, images(OF_EACH)),
        ("neighbors", 0, neighbors()),
        ("problems", 0, problems()),
    )
}
ROWS = {
    table: pa.concat_tables(rows for name, _, rows in SHARDS.values() if name == table).to_pylist()
    for table, _, _ in SHARDS.values()
}
NEEDED = {name for name in SHARDS if name.startswith("images")}
"""Of a run that is committed; the others may be added later."""
CUT = 10
"""Bytes that damage leaves of a file: less than its first page, since most of a small one is its footer."""
RUNS, NAMES = some.sampled_from(("a", "b")), some.sampled_from(sorted(SHARDS))


def write_all(path: Path, fingerprint: str) -> None:
    """What is missing of the run, and its commit."""
    writer = RunWriter(path, fingerprint)
    for table, shard, rows in SHARDS.values():
        if not writer.has_shard(table, shard):
            writer.write_shard(table, shard, rows)
    writer.commit(FIELDS)


def bytes_of_a_whole_run() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder, without_waiting_for_the_disk():
        write_all(Path(folder), "a")
        return {name: (Path(folder) / "runs" / "a" / name).read_bytes() for name in SHARDS}


WHOLE = bytes_of_a_whole_run()


class WriterMachine(RuleBasedStateMachine):
    """The model: of each run with a folder, its files, which are damaged, and what was committed of it.

    A manifest's time is set to that of a clock that counts the commits.
    """

    def __init__(self):
        super().__init__()
        self.patch = without_waiting_for_the_disk()
        self.patch.start()
        self.path = Path(tempfile.mkdtemp()) / "store"
        self.files: dict[str, set[str]] = {}
        self.damaged: dict[str, set[str]] = {}
        self.committed: dict[str, set[str]] = {}
        self.current: str | None = None
        self.clock = 0
        self.committed_at: dict[str, int] = {}
        self.left_over: set[str] = set()
        self.linked: set[str] = set()
        self.writers: list[RunWriter] = []
        self.readers: list[tuple[str, object]] = []

    def teardown(self):
        self.writers.clear()
        self.readers.clear()
        self.patch.stop()
        shutil.rmtree(self.path.parent)

    @initialize(run=RUNS, is_whole=some.booleans())
    def first(self, run, is_whole):
        self.begin(run)
        if is_whole:
            write_all(self.path, run)
            self.files[run] = set(SHARDS)
            self.published(run, self.files[run])
            self.current = run

    @rule(run=RUNS)
    def begin(self, run):
        if len(self.writers) == 3:
            self.writers.pop(0)
        self.writers.append(RunWriter(self.path, run))
        self.add(run)
        self.left_over.discard(run)

    @precondition(lambda self: self.writers)
    @rule(data=some.data(), name=NAMES)
    def write(self, data, name):
        writer = self.drawn(data)
        run, (table, shard, rows) = writer.fingerprint, SHARDS[name]
        is_damaged = name in self.damaged[run] and name in self.committed.get(run, ())
        has = writer.has_shard(table, shard)
        assert has == (name in self.files[run] and not is_damaged)
        if not has:
            writer.write_shard(table, shard, rows)
            self.files[run].add(name)
            self.damaged[run].discard(name)

    @precondition(lambda self: self.writers)
    @rule(data=some.data())
    def write_what_is_needed(self, data):
        writer = self.drawn(data)
        for name in sorted(NEEDED - self.files[writer.fingerprint]):
            writer.write_shard(*SHARDS[name])
            self.files[writer.fingerprint].add(name)

    @precondition(lambda self: self.writers)
    @rule(data=some.data())
    def commit(self, data):
        writer = self.drawn(data)
        run = writer.fingerprint
        if self.damaged[run]:
            with pytest.raises(Damaged, match="write it again"):
                writer.commit(FIELDS)
            self.lose(run, min(self.damaged[run]))
        elif self.committed.get(run, set()) - self.files[run]:
            with pytest.raises(ValueError, match="committed with other bytes"):
                writer.commit(FIELDS)
        elif self.files[run] >= NEEDED:
            writer.commit(FIELDS)
            self.published(run, self.files[run])
            self.current = run

    @precondition(lambda self: self.writers)
    @rule(data=some.data())
    def mend(self, data):
        """As the command that made the run does when it is given again."""
        writer = self.drawn(data)
        run = writer.fingerprint
        missing = self.committed.get(run, set()) - self.files[run]
        assert set(writer.drop_damaged()) == self.damaged[run] | missing
        for name in self.damaged[run] - self.committed.get(run, set()):
            self.lose(run, name)
        for name in self.damaged[run] | missing:
            writer.write_shard(*SHARDS[name])
        self.files[run] |= missing
        self.damaged[run].clear()

    @precondition(lambda self: self.writers)
    @rule(data=some.data(), releases=some.booleans())
    def leave(self, data, releases):
        """It may say so; otherwise it is let go of where it stands."""
        writer = self.drawn(data)
        self.writers.remove(writer)
        if releases:
            writer.release()

    @rule(run=RUNS, call=some.sampled_from(CALLS), number=some.integers(1, 14))
    def kill(self, run, call, number):
        """A writer that does all that is missing is killed; what it leaves is looked at."""
        before = self.current
        killed_at(call, number, lambda: write_all(self.path, run))
        folder = self.path / "runs" / run
        if not folder.is_dir():
            return
        self.add(run)
        there = {name for name in SHARDS if (folder / name).exists()}
        assert self.files[run] - there <= self.damaged[run]
        self.files[run] = there
        self.damaged[run] = {name for name in there if (folder / name).read_bytes() != WHOLE[name]}
        self.left_over.discard(run)
        if list(folder.glob(".tmp-*")):
            self.left_over.add(run)
        if (folder / MANIFEST).exists():
            names = set(read_manifest(folder).files)
            assert names >= self.committed.get(run, set())
            if (folder / MANIFEST).stat().st_mtime_ns != self.committed_at.get(run):
                self.published(run, names)
        if (self.path / CURRENT).exists():
            self.current = (self.path / CURRENT).read_text().strip()
        assert self.current in (before, run)

    @precondition(lambda self: any(self.files.values()))
    @rule(data=some.data())
    def damage(self, data):
        run = data.draw(some.sampled_from(sorted(run for run, files in self.files.items() if files)))
        name = data.draw(some.sampled_from(sorted(self.files[run])))
        if name not in self.damaged[run]:
            os.truncate(self.path / "runs" / run / name, CUT)
            self.damaged[run].add(name)

    @precondition(lambda self: self.committed)
    @rule(data=some.data())
    def read(self, data):
        if len(self.readers) == 2:
            self.readers.pop(0)
        run = data.draw(some.sampled_from(sorted(self.committed)))
        self.readers.append((run, Store(self.path).open(run)))

    @precondition(lambda self: self.readers)
    @rule()
    def close(self):
        self.readers.pop()

    @rule(run=RUNS)
    def link(self, run):
        folder = self.path / LINKS
        folder.mkdir(exist_ok=True)
        (folder / f"{run}.json").write_text(json.dumps({"query": {"run": run}}))
        self.linked.add(run)

    @rule(run=RUNS)
    def unlink(self, run):
        (self.path / LINKS / f"{run}.json").unlink(missing_ok=True)
        self.linked.discard(run)

    @rule(run=RUNS)
    def leave_over(self, run):
        folder = self.path / "runs" / run
        if folder.is_dir():
            (folder / ".tmp-left").write_bytes(b"half")
            self.left_over.add(run)

    @rule(keep=some.integers(0, 2), links=some.booleans(), older_than=some.sampled_from((ALWAYS, A_DAY)))
    def prune(self, keep, links, older_than):
        options = {"keep": keep, "links": links, "older_than": older_than}
        if self.current is None and self.committed:
            with pytest.raises(ValueError, match="no finished run yet"):
                prune(self.path, **options)
            return
        gc.collect()  # the errors above may hold writers
        in_use = {writer.fingerprint for writer in self.writers} | {run for run, _ in self.readers}
        newest = sorted(self.committed, key=self.committed_at.get, reverse=True)[:keep]
        stay = {*in_use, *newest, self.current, *(self.linked & set(self.committed) if links else ())}
        old = set(self.committed) if older_than == A_DAY else set(self.files)
        gone = old - stay
        said = prune(self.path, dry_run=True, **options)
        assert said == prune(self.path, **options)
        runs = {each.where for each in said.removed if each.where.count("/") == 1}
        assert runs == {f"runs/{run}" for run in gone} and set(said.kept) == set(self.files) - gone
        for run in gone:
            for each in (self.files, self.damaged, self.committed, self.committed_at):
                each.pop(run, None)
        self.left_over -= gone
        self.left_over &= in_use if older_than == ALWAYS else self.left_over

    @invariant()
    def the_runs_are_those_that_were_committed(self):
        if self.files:
            assert Store(self.path).runs() == sorted(self.committed)
            assert Store(self.path).unfinished() == sorted(set(self.files) - set(self.committed))
            if self.current is not None:
                assert Store(self.path).current() == self.current

    @invariant()
    def every_file_is_whole_but_for_the_damage(self):
        for run, names in self.files.items():
            folder = self.path / "runs" / run
            there = {path.name for path in folder.iterdir()}
            assert there & set(SHARDS) == names and (MANIFEST in there) == (run in self.committed)
            assert any(name.startswith(".tmp-") for name in there) == (run in self.left_over)
            for name in names - self.damaged[run]:
                assert (folder / name).read_bytes() == WHOLE[name]

    @invariant()
    def verify_finds_the_damage_and_nothing_else(self):
        if not self.files:
            return
        expected = set() if self.current is not None else {CURRENT}
        for run, names in self.committed.items():
            others = self.files[run] - names
            wrong = names & (self.damaged[run] | (names - self.files[run]))
            expected |= {f"runs/{run}/{name}" for name in wrong | others}
        found = {fault.where for fault in verify(self.path)}
        assert {where for where in found if "/.tmp-" not in where} == expected

    @invariant()
    def what_is_open_can_be_read_on(self):
        for run, opened in self.readers:
            missing = self.committed[run] - self.files[run]
            damaged = {SHARDS[name][0] for name in self.damaged[run] | missing}
            for table in opened.tables():
                with suppress(Damaged) if table in damaged else nullcontext():
                    assert opened.table(table).to_pylist() == ROWS[table]

    def drawn(self, data) -> RunWriter:
        return self.writers[data.draw(some.integers(0, len(self.writers) - 1))]

    def add(self, run: str) -> None:
        self.files.setdefault(run, set())
        self.damaged.setdefault(run, set())

    def lose(self, run: str, name: str) -> None:
        self.files[run].discard(name)
        self.damaged[run].discard(name)

    def published(self, run: str, names: set[str]) -> None:
        self.clock += 1
        self.committed[run], self.committed_at[run] = set(names), self.clock * 10**9
        os.utime(self.path / "runs" / run / MANIFEST, (self.clock, self.clock))


TestWriter = WriterMachine.TestCase
TestWriter.settings = trying(15, 30)
