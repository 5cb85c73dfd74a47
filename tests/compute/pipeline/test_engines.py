"""Shards in this process, in worker processes and in parts: the same bytes, whoever dies on the way."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from compute.images.sources.folders.folder_source import FolderSource
from compute.pipeline.engines import choice
from compute.pipeline.engines.dispatch import TRIES, Advanced, Dispatcher, Done, Lost, Ready
from compute.pipeline.engines.engine import Local
from compute.pipeline.engines.processes import Processes
from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import Part
from compute.pipeline.work_order import WorkOrder
from tests.support import ROOT
from tests.support.stores import sharded_job
from tests.support.stores.sharded_job import make_store, shards

PROCESSES = ("--engine", "processes", "--workers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    sharded_job.make_job(folder)
    return folder


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory):
    """The files that the local engine writes."""
    store = tmp_path_factory.mktemp("local")
    assert make_store(folder, store) == 0
    found = shards(store)
    assert sum(name.startswith("images") for name in found) == 3
    assert sum(name.startswith("occlusion") for name in found) == 11
    return found


@pytest.fixture
def opened(folder, tmp_path):
    """The run in a store of its own, nothing of it computed."""
    return OpenRun(sharded_job.job(folder), tmp_path / "store")


@pytest.mark.slow
class TestProcesses:
    def test_one_worker_with_one_reader_gives_the_same_bytes(self, folder, expected, tmp_path):
        assert make_store(folder, tmp_path, *PROCESSES, "1", "--readers", "1") == 0
        assert shards(tmp_path) == expected
        assert not multiprocessing.active_children()
        assert not list(tmp_path.glob("runs/*/partials"))

    def test_killed_workers_are_replaced_and_their_shards_made_again(
        self, folder, expected, tmp_path, caplog
    ):
        def kill():
            while not shards(tmp_path, "images"):
                time.sleep(0.005)
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        assert make_store(folder, tmp_path, *PROCESSES, "2") == 0
        killer.join()
        said = r"worker \d died, killed by signal 9; its shard of (activations|neighbors|occlusion): \d"
        assert re.search(said, caplog.text)
        assert shards(tmp_path) == expected

    def test_ctrl_c_ends_all_processes_and_any_engine_goes_on(self, folder, expected, tmp_path):
        options = sharded_job.command(folder, tmp_path, *PROCESSES, "1")
        with subprocess.Popen(**options, start_new_session=True, stderr=-1, text=True) as process:
            while not shards(tmp_path, "images"):
                time.sleep(0.005)
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=60)[1]
        assert process.returncode == 130
        assert "the same command goes on where it was" in said
        assert "Traceback" not in said
        wait_until_gone(process.pid)
        assert not (tmp_path / "CURRENT").exists()
        assert not list(tmp_path.glob("runs/*/.*"))
        assert make_store(folder, tmp_path) == 0
        assert shards(tmp_path) == expected

    def test_what_goes_wrong_in_a_worker_is_said_in_its_words(self, opened, monkeypatch):
        other = replace(WorkOrder.of(opened), fingerprint="0" * 20)
        monkeypatch.setattr(WorkOrder, "of", lambda run: other)
        with Processes(1) as engine, pytest.raises(ValueError, match=r"here the job is run .*, not 0000"):
            engine.compute(opened, "activations", [0], lambda images: None)


def wait_until_gone(group):
    """All processes of the group have ended."""
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise TimeoutError(f"processes of group {group} are still there")


@pytest.mark.slow
class TestParts:
    def test_two_processes_and_a_last_one_give_the_same_bytes(self, folder, expected, tmp_path, capfd):
        commands = [sharded_job.command(folder, tmp_path, "--shards", f"{number}/2") for number in (1, 2)]
        parts = [subprocess.Popen(**each) for each in commands]
        assert [part.wait(300) for part in parts] == [0, 0]
        assert not (tmp_path / "CURRENT").exists()
        computed = {name: expected[name] for name in expected if re.match("images|features|occ", name)}
        assert shards(tmp_path) == computed
        capfd.readouterr()
        assert make_store(folder, tmp_path) == 0
        assert capfd.readouterr().err.count("1300 were there") == 2
        assert shards(tmp_path) == expected

    def test_every_shard_is_in_one_part_or_across_two(self, opened):
        parts = [Part(number, 3) for number in (1, 2, 3)]
        assert [part.shards(opened, "activations") for part in parts] == [[0], [1], [2]]
        occluded = [part.shards(opened, "occlusion") for part in parts]
        assert occluded == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
        assert Part(9, 9).shards(opened, "activations") == []
        opened.occlusion_shards = [range(600), range(600, 1024), range(1024, 1300)]
        assert [part.shards(opened, "occlusion") for part in parts] == [[], [1], [2]]

    @pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2", "1/2/3", ""])
    def test_other_parts_are_refused(self, text):
        with pytest.raises(ValueError, match="must be such as 3/16"):
            Part.parse(text)


class TestOrders:
    def test_an_order_opens_the_same_run(self, opened):
        run = WorkOrder.of(opened).open()
        assert run.job.fingerprint == opened.job.fingerprint
        assert run.writer.folder == opened.writer.folder

    def test_what_lists_the_images_is_read_before_threads_read_them(self, opened, monkeypatch):
        prepared = []
        monkeypatch.setattr(FolderSource, "prepare", lambda source: prepared.append(source))
        run = WorkOrder.of(opened).open()
        assert prepared == [run.job.source]

    def test_an_image_that_is_not_there_or_another_is_no_problem_of_the_images(self, opened):
        digests = ("0" * 64, *opened.job.digests[1:])
        run = OpenRun(replace(opened.job, digests=digests), opened.writer.store_path)
        with pytest.raises(ValueError, match=r"moth/0000.png in .* is not what .* its bytes are others"):
            Local().compute(run, "activations", [0], lambda images: None)
        source = opened.job.source
        source.folder = source.folder / "not mounted"
        with pytest.raises(ValueError, match=r"moth/0000.png in .* is not what it was .* no such file"):
            Local().compute(opened, "activations", [0], lambda images: None)


class Script:
    """Workers that say what they were told to: for each shard (None: the start) what happens, one try after
    the other; Done, or Ready, where nothing is left."""

    def __init__(self, **happens):
        self.happens = {None if key == "start" else int(key[1:]): list(each) for key, each in happens.items()}
        self.given, self.waiting = [], []

    def start(self, worker):
        self._then(worker, None, Ready)

    def give(self, worker, stage, shard):
        self.given.append((worker, shard))
        self._then(worker, shard, Done)

    def reports(self):
        while self.waiting:
            yield self.waiting.pop(0)

    def _then(self, worker, shard, otherwise):
        happening = self.happens.get(shard)
        self.waiting += [say(worker) for say in (happening.pop(0) if happening else [otherwise])]


def lost(worker):
    return Lost(worker, "for a test")


def advanced(worker):
    return Advanced(worker, 7)


class TestDispatcher:
    def compute(self, workers, shards, most=2):
        done = []
        Dispatcher(workers).compute("activations", shards, most, done.append)
        return sum(done)

    def test_all_shards_are_given_once_to_few_workers(self):
        workers = Script()
        self.compute(workers, [3, 4, 5, 9])
        assert sorted(shard for _, shard in workers.given) == [3, 4, 5, 9]
        assert {worker for worker, _ in workers.given} == {0, 1}

    def test_no_more_workers_than_shards(self):
        workers = Script()
        self.compute(workers, [8], most=5)
        assert workers.given == [(0, 8)]

    def test_a_lost_workers_shard_is_next_and_its_images_are_not_counted(self):
        workers = Script(s1=[[advanced, lost], [advanced, Done]])
        assert self.compute(workers, [1, 2], most=1) == 7
        assert [shard for _, shard in workers.given] == [1, 1, 2]

    def test_a_shard_that_kills_every_worker_ends_the_job(self):
        workers = Script(s1=[[lost]] * TRIES)
        with pytest.raises(ValueError, match="3 workers died at shard 1 of activations, the last for a test"):
            self.compute(workers, [1, 2])

    def test_workers_that_never_start_end_the_job(self):
        with pytest.raises(ValueError, match="3 workers died starting"):
            self.compute(Script(start=[[lost]] * TRIES), [1], most=1)

    def test_workers_that_die_now_and_then_do_not(self):
        workers = Script(**{f"s{shard}": [[lost]] * (TRIES - 1) for shard in range(5)})
        self.compute(workers, range(5))
        assert len(workers.given) == 5 * TRIES


class TestChoice:
    @pytest.mark.parametrize(
        "options, message",
        [
            ({"name": "spark"}, "unknown engine 'spark'; choose from local, processes, ray"),
            ({"name": "processes", "workers": 0}, "workers is 0"),
            ({"name": "local", "workers": 2}, "--workers is for --engine processes and ray"),
            ({"name": "processes", "address": "auto"}, "--address is for --engine ray"),
            ({"name": "ray"}, "--engine ray needs --address"),
        ],
    )
    def test_options_that_do_not_go_together(self, options, message):
        with pytest.raises(ValueError, match=message):
            choice.open_engine(**options)

    def test_ray_that_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        monkeypatch.delitem(sys.modules, "compute.pipeline.engines.ray_tasks", raising=False)
        with pytest.raises(ValueError, match=r"pip install -r requirements-ray\.txt"):
            choice.open_engine("ray", address="auto")

    @pytest.mark.parametrize(
        "options, message",
        [
            (["--shards", "1/2"], "--shards needs --threads"),
            (["--shards", "2", "--threads", "1"], "must be such as 3/16"),
            (["--threads", "0"], "threads is 0"),
            (["--readers", "0"], "readers is 0; it must be at least 1"),
        ],
    )
    def test_bad_options_leave_no_store(self, tmp_path, capsys, options, message):
        from compute.__main__ import main

        arguments = "store --model digits --images digits --limit 3 --store".split()
        assert main([*arguments, str(tmp_path / "store"), *options]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "store").exists()


def test_a_work_order_holds_the_number_of_readers(opened, tmp_path):
    opened = OpenRun(replace(opened.job, readers=3), tmp_path / "other")
    assert WorkOrder.of(opened).readers == 3 and opened.job.fingerprint == opened.writer.fingerprint


def test_the_number_of_threads_is_in_the_fingerprint(opened):
    job = opened.job
    other = replace(job, parameters=replace(job.parameters, threads=2))
    assert other.fingerprint != job.fingerprint


PARENT = """
import multiprocessing, time
from compute.pipeline.engines.child import begin

if __name__ == "__main__":
    call = b"(cworker\\nwork\\n(tt."  # a pickle of (worker.work, ())
    process = multiprocessing.get_context("spawn").Process(target=begin, args=(None, call), daemon=True)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""
BUSY = """
import pathlib
def work(connection):
    pathlib.Path("busy").touch()
    while True:
        sum(range(10**5))
"""
WORKERS = {"at work": BUSY, "while it imports": f"{BUSY}\nwork(None)"}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("busy", WORKERS)
def test_a_busy_worker_ends_within_a_second_of_its_parents_death(tmp_path, number, busy):
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "worker.py").write_text(WORKERS[busy])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "parent.py"]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path)
    worker = Path("/proc") / parent.stdout.readline().decode().strip() / "stat"
    wait_until((tmp_path / "busy").exists, 60)
    parent.send_signal(number)
    parent.wait()
    wait_until(lambda: not is_running(worker), 1)


def is_running(stat):
    """Whether a process is there, and no zombie, by its /proc/…/stat."""
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(is_so, seconds):
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.02)
