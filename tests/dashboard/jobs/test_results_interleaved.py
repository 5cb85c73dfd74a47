"""Kept results in random order, by two servers of one store: limits hold, only those used longest ago go.

Also where a server is killed while it keeps one, and where files are cut off.
"""

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from compute.methods.base import Step
from dashboard.jobs import result_store
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import ResultCache
from tests.support.machines import CALLS, killed_at, trying, without_waiting_for_the_disk

pytestmark = pytest.mark.slow

LIMIT, MOST = 64 * 1024, 4
SIDES = {"0": 8, "1": 40, "2": 90}
"""Of square results: one of the largest takes half of the limit."""
TOO_LARGE = 160
KEYS, VALUES = some.sampled_from(["a" * 64, "b" * 64, "c" * 64]), some.sampled_from(sorted(SIDES))
SERVERS = some.sampled_from((0, 1))


def result(side: int) -> Result:
    return Result.of(Step(1, 1, "heatmap", np.ones((side, side), np.float32)))


RESULTS = {value: result(side) for value, side in SIDES.items()}


class ResultMachine(RuleBasedStateMachine):
    """The model: titles and sizes of the kept files, the one used longest ago first; which are cut off.

    Each file's time is set to that of a clock that counts the uses.
    """

    def __init__(self):
        super().__init__()
        self.patches = [without_waiting_for_the_disk(), mock.patch.object(result_store, "MOST_RESULTS", MOST)]
        for patch in self.patches:
            patch.start()
        self.folder = Path(tempfile.mkdtemp()) / "results"
        self.servers = [ResultCache(self.folder, LIMIT) for _ in range(2)]
        self.kept: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.cut: set[str] = set()
        self.clock, self.titles = 0, 0
        self.is_tidy = True

    def teardown(self):
        shutil.rmtree(self.folder.parent)
        for patch in self.patches:
            patch.stop()

    @initialize()
    def begin(self):
        assert self.servers[0].entries() == []

    @rule(server=SERVERS, key=KEYS, value=VALUES)
    def put(self, server, key, value):
        title = self.new_title()
        name = name_of(key, value)
        self.servers[server].put(key, title, RESULTS[value])
        self.wrote(name, title)
        for gone in self.beyond_the_limits():
            self.lost(gone)
        self.is_tidy = True
        assert self.servers[1 - server].get(key).digest == RESULTS[value].digest
        self.used(name)

    @rule(server=SERVERS, key=KEYS)
    def put_what_is_too_large(self, server, key):
        with pytest.raises(ValueError, match="--results-mb"):
            self.servers[server].put(key, self.new_title(), result(TOO_LARGE))

    @rule(server=SERVERS, key=KEYS)
    def get(self, server, key):
        sound = [name for name in self.kept if name.startswith(key) and name not in self.cut]
        found = self.servers[server].get(key)
        assert (found and found.digest) == (digest_of(sound[-1]) if sound else None)
        if sound:
            self.used(sound[-1])

    @rule(server=SERVERS, value=VALUES)
    def find_by_digest(self, server, value):
        digest = RESULTS[value].digest
        is_there = any(digest_of(name) == digest for name in set(self.kept) - self.cut)
        found = self.servers[server].find_digest(digest[:20])
        assert (found and found.digest) == (digest if is_there else None)

    @rule(server=SERVERS, key=KEYS)
    def remove(self, server, key):
        self.servers[server].remove(key)
        for name in [each for each in self.kept if each.startswith(key)]:
            self.lost(name)

    @rule(server=SERVERS)
    def start_again(self, server):
        self.servers[server] = ResultCache(self.folder, LIMIT)

    @precondition(lambda self: self.kept)
    @rule(data=some.data())
    def cut_off(self, data):
        name = data.draw(some.sampled_from(list(self.kept)))
        before = (self.folder / name).stat()
        self.sizes[name] = before.st_size // 2
        os.truncate(self.folder / name, self.sizes[name])
        os.utime(self.folder / name, ns=(before.st_mtime_ns, before.st_mtime_ns))
        self.cut.add(name)

    @rule(key=KEYS, value=VALUES, call=some.sampled_from(CALLS), number=some.integers(1, 3))
    def kill(self, key, value, call, number):
        """What it was about to write is there whole or not at all; what went was about to go."""
        title, name = self.new_title(), name_of(key, value)
        before = self.inode(name)
        server = ResultCache(self.folder, LIMIT)
        killed = killed_at(call, number, lambda: server.put(key, title, RESULTS[value]))
        is_written = self.inode(name) not in (None, before)
        if is_written:
            self.wrote(name, title)
        may_go = self.beyond_the_limits() if is_written else []
        gone = [each for each in self.kept if self.inode(each) is None]
        assert set(gone) <= set(may_go) and (killed or (is_written and len(gone) == len(may_go)))
        for each in gone:
            self.lost(each)
        self.is_tidy = not killed

    @invariant()
    def what_is_kept_is_there(self):
        there = {path.name for path in self.folder.glob("*.npz")}
        assert there == set(self.kept)
        left_over = list(self.folder.glob(".tmp-*"))
        assert not (self.is_tidy and left_over)

    @invariant()
    def the_limits_hold(self):
        """A server that was killed before it had made room leaves that to the next one."""
        assert self.servers[0].total_bytes() == sum(self.sizes.values())
        assert not self.is_tidy or (sum(self.sizes.values()) <= LIMIT and len(self.sizes) <= MOST)

    @invariant()
    def what_is_listed_is_as_it_was_put(self):
        expected = [(name, self.kept[name]) for name in reversed(self.kept) if name not in self.cut]
        for server in self.servers:
            entries = server.entries()
            listed = [(f"{entry.key}-{entry.digest}.npz", entry.title) for entry in entries]
            assert listed == expected and len(server._known) == len(self.kept)

    def new_title(self) -> str:
        self.titles += 1
        return f"{self.titles:05d}"

    def wrote(self, name: str, title: str) -> None:
        self.kept[name], self.sizes[name] = title, (self.folder / name).stat().st_size
        self.cut.discard(name)
        self.used(name)

    def used(self, name: str) -> None:
        self.clock += 1
        self.kept[name] = self.kept.pop(name)
        os.utime(self.folder / name, (self.clock, self.clock))

    def lost(self, name: str) -> None:
        del self.kept[name], self.sizes[name]
        self.cut.discard(name)

    def beyond_the_limits(self) -> list[str]:
        """What has no room any more beside all that was used later."""
        total, gone = 0, []
        for number, name in enumerate(reversed(self.kept)):
            total += self.sizes[name]
            if total > LIMIT or number >= MOST:
                gone.append(name)
        return gone

    def inode(self, name: str) -> int | None:
        """What tells the file of this name from one that replaces it; None where there is none."""
        path = self.folder / name
        return path.stat().st_ino if path.exists() else None


def name_of(key: str, value: str) -> str:
    return f"{key}-{RESULTS[value].digest}.npz"


def digest_of(name: str) -> str:
    return name.partition("-")[2].removesuffix(".npz")


TestResults = ResultMachine.TestCase
TestResults.settings = trying(12, 25)
