"""Results kept beside a store: the same bytes come back, damage is as if absent, the limit holds."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from compute.methods.base import Step
from dashboard.jobs.queue import size_of
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import ResultCache
from dashboard.text import reason

pytestmark = pytest.mark.slow

KEY, OTHER = "ab" * 32, "cd" * 32
MEGABYTE = 2**20


def result(seed=0, side=16, **numbers):
    random = np.random.default_rng(seed)
    pictures = {"result": random.random((side, side, 3), np.float32), "mask": np.eye(side, dtype=np.float32)}
    step = Step(3, 7, "heatmap", random.standard_normal((side, side), np.float32), 0.125, numbers, pictures)
    return Result.of(step, 1.5, {"torch": "2", "device": "cpu"})


@pytest.fixture
def cache(tmp_path):
    return ResultCache(tmp_path / "store" / "results", MEGABYTE)


def file_of(cache):
    (path,) = cache._files.folder.glob("*.npz")
    return path


def test_what_is_put_comes_back_whole(cache):
    put = result(score={"a": 1 / 3}, row=[1, 2.5, None], nan=float("nan"))
    cache.put(KEY, "Saliency: a.png", put, page="lab", query={"image": "3"}, facts={"method": "saliency"})
    got = cache.get(KEY)
    assert got.digest == put.digest and got.environment == put.environment and got.seconds == 1.5
    assert (got.index, got.total, got.kind, got.score) == (3, 7, "heatmap", 0.125)
    assert json.dumps(got.numbers) == json.dumps(put.numbers)
    assert got.data.tobytes() == put.data.tobytes() and got.data.dtype == np.float32
    assert {name: each.tobytes() for name, each in got.pictures.items()} == {
        name: each.tobytes() for name, each in put.pictures.items()
    }
    (entry,) = cache.entries()
    assert (entry.title, entry.page, entry.query) == ("Saliency: a.png", "lab", {"image": "3"})
    assert entry.bytes == file_of(cache).stat().st_size == cache.total_bytes()
    assert cache.thumbnail(entry).startswith(b"\x89PNG")


def test_frames_come_back_and_are_no_part_of_what_the_result_is(cache):
    alone, filmed = result(), dataclasses.replace(result(), frames=(b"one", b"", b"three"))
    cache.put(KEY, "DeepDream", filmed)
    assert cache.get(KEY).frames == (b"one", b"", b"three")
    assert filmed.digest == alone.digest and alone.frames == ()
    assert size_of(filmed) == size_of(alone) + 8


def test_the_digest_is_of_kind_and_arrays():
    step = result()
    changed = [
        Step(3, 7, "gradient", step.data, pictures=step.pictures),
        Step(3, 7, "heatmap", step.data + np.float32(1e-7), pictures=step.pictures),
        Step(3, 7, "heatmap", step.data.reshape(8, 32), pictures=step.pictures),
        Step(3, 7, "heatmap", step.data, pictures={"result": step.pictures["result"]}),
        Step(3, 7, "heatmap", step.data.astype(np.float64), pictures=step.pictures),
    ]
    same = Step(
        9, 9, "heatmap", np.asfortranarray(step.data), 2.0, {"x": 1}, dict(reversed(step.pictures.items()))
    )
    assert Result.of(same).digest == result().digest
    assert len({Result.of(each).digest for each in changed} | {result().digest}) == 6


def test_what_is_not_there_is_none(cache):
    assert cache.get(KEY) is None and cache.find_digest("ab") is None and cache.entries() == []
    cache.put(KEY, "", result())
    assert cache.get(OTHER) is None and cache.find_digest("") is None
    cache.remove(OTHER)
    cache.remove(KEY)
    assert cache.get(KEY) is None and cache.total_bytes() == 0


@pytest.mark.parametrize("key", ["../x", "", "AB" * 32, "a" * 65])
def test_a_key_that_could_be_a_path_is_refused(cache, key):
    with pytest.raises(ValueError, match="no result's key"):
        cache.put(key, "", result())
    assert cache.get(key) is None


def test_every_flipped_byte_is_noticed_or_harmless(cache):
    put = result(side=4, answer=42)
    cache.put(KEY, "", put)
    path = file_of(cache)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        got = cache.get(KEY)
        assert got is None or (got.digest == put.digest and got.numbers == {"answer": 42})


@pytest.mark.parametrize("content", [b"", b"no zip", "half"])
def test_a_damaged_file_is_as_if_absent_and_is_replaced(cache, content):
    cache.put(KEY, "", result())
    path = file_of(cache)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else content)
    assert cache.get(KEY) is None and cache.entries() == [] and cache.find_digest(result().digest) is None
    cache.put(KEY, "", result())
    assert cache.get(KEY).digest == result().digest


@pytest.mark.parametrize(
    "about",
    [
        b"", b"7", b"{}", b"[" * 100_000, b"\xff",
        b'{"title": 1, "made": 1, "page": "", "query": {}, "facts": {}, "environment": {}}',
        b'{"title": "", "made": 1e300, "page": "", "query": {}, "facts": {}, "environment": {}}',
        b'{"title": "", "made": 1, "page": "", "query": [], "facts": {}, "environment": {}}',
        b'{"title": "", "made": 1, "page": "", "query": {"a": {}}, "facts": {}, "environment": {}}',
    ],
)  # fmt: skip
def test_an_odd_file_is_not_listed_and_takes_no_other_with_it(cache, about):
    cache.put(KEY, "a", result())
    folder = file_of(cache).parent
    np.savez(folder / f"{OTHER}-{'0' * 64}.npz", about=np.frombuffer(about, np.uint8))
    (folder / f"{OTHER}-1.npz").mkdir()
    (folder / f"{OTHER}-2.npz").symlink_to(f"{OTHER}-2.npz")
    os.mkfifo(folder / f"{OTHER}-3.npz")
    assert [entry.title for entry in cache.entries()] == ["a"]


def test_a_result_that_was_computed_again_is_listed_as_it_is_now(cache):
    """Its file has the same name and as many bytes; another server may have written it."""
    other = ResultCache(cache._files.folder, MEGABYTE)
    for writer, title in ((cache, "first"), (cache, "again"), (other, "there")):
        writer.put(KEY, title, result())
        os.utime(file_of(cache), (len(title) + ord(title[0]),) * 2)
        assert [entry.title for entry in cache.entries()] == [title]


def test_no_more_is_remembered_of_results_than_there_are(cache):
    for number in range(5):
        cache.clear()
        cache.put(f"{number:02x}" * 32, "", result(number))
        assert len(cache.entries()) == len(cache._known) == 1


def test_a_file_that_holds_code_is_not_run(cache):
    cache.put(KEY, "", result())
    path = file_of(cache)
    np.savez(path, about=np.array([os.getcwd], dtype=object), data=np.zeros(3))
    assert cache.get(KEY) is None


@pytest.mark.parametrize("member", ["about", "data", "picture x"])
def test_a_file_that_unpacks_into_more_than_it_is_is_not_read(cache, member, monkeypatch):
    cache.put(KEY, "", result())
    path = file_of(cache)
    with np.load(path) as whole:
        arrays = {name: whole[name] for name in whole.files}
    np.savez_compressed(path, **arrays | {member: np.zeros(2**24, np.uint8)})
    assert path.stat().st_size < 2**17
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *_: pytest.fail("it was read"))
    assert cache.get(KEY) is None and cache.entries() == []


def test_a_file_under_anothers_name_is_not_taken_for_it(cache):
    cache.put(KEY, "", result())
    path = file_of(cache)
    path.rename(path.with_name(f"{KEY}-{result(seed=1).digest}.npz"))
    assert cache.get(KEY) is None


def test_those_used_longest_ago_go_when_the_limit_is_reached(tmp_path):
    cache = ResultCache(tmp_path, MEGABYTE)
    keys = [f"{index:02x}" * 32 for index in range(30)]
    for index, key in enumerate(keys):
        cache.put(key, "", result(seed=index, side=64))
        os.utime(file_named(cache, key), (index, index))
        if index == 2:
            cache.get(keys[0])
            os.utime(file_named(cache, keys[0]), (1000, 1000))
        assert cache.total_bytes() <= MEGABYTE
    assert cache.get(keys[0]) is not None and cache.get(keys[1]) is None
    assert cache.get(keys[-1]) is not None


def file_named(cache, key):
    (path,) = cache._files.folder.glob(f"{key}-*")
    return path


def test_a_result_larger_than_the_limit_is_refused_and_drops_nothing(tmp_path):
    cache = ResultCache(tmp_path, MEGABYTE // 4)
    cache.put(KEY, "", result())
    with pytest.raises(ValueError, match="--results-mb"):
        cache.put(OTHER, "", result(side=256))
    assert cache.get(KEY) is not None and cache.get(OTHER) is None


def test_two_results_of_one_request_are_both_found(cache):
    first, second = result(seed=1), result(seed=2)
    cache.put(KEY, "", first)
    os.utime(file_named(cache, KEY), (1, 1))
    cache.put(KEY, "", second)
    assert cache.get(KEY).digest == second.digest
    assert cache.find_digest(first.digest[:32]).digest == first.digest
    assert cache.get(KEY).digest == second.digest


def test_a_folder_that_cannot_be_written_is_an_error_that_leaves_nothing(tmp_path):
    (tmp_path / "results").write_text("in the way")
    cache = ResultCache(tmp_path / "results", MEGABYTE)
    with pytest.raises(OSError):
        cache.put(KEY, "", result())
    assert cache.get(KEY) is None and cache.entries() == []


def test_a_full_disk_leaves_no_half_file(cache, monkeypatch):
    cache._files.folder.mkdir(parents=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError) as raised:
        cache.put(KEY, "", result())
    assert reason(raised.value) == "No space left on device"
    assert list(cache._files.folder.iterdir()) == []


def test_threads_do_not_mix_results(tmp_path):
    cache = ResultCache(tmp_path, MEGABYTE // 2)
    keys = [f"{index:02x}" * 32 for index in range(8)]
    digests = {key: result(seed=index, side=64).digest for index, key in enumerate(keys)}
    wrong = []

    def work(offset):
        for turn in range(12):
            index = (turn + offset) % 8
            cache.put(keys[index], "", result(seed=index, side=64))
            for key in keys:
                got = cache.get(key)
                if got is not None and got.digest != digests[key]:
                    wrong.append(key)
            cache.entries()

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and 0 < cache.total_bytes() <= MEGABYTE // 2
    assert not list(tmp_path.glob(".tmp-*"))


WRITER = """
import sys
from pathlib import Path
from dashboard.jobs.result_store import ResultCache
from tests.dashboard.jobs.test_result_store import result
cache = ResultCache(Path(sys.argv[1]), 2**20)
for turn in range(20):
    cache.put(f"{turn % 5:02x}" * 32, "", result(seed=turn % 5, side=64))
    for key in range(5):
        got = cache.get(f"{key:02x}" * 32)
        assert got is None or got.digest == result(seed=key, side=64).digest
"""


def test_two_processes_share_the_folder(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error.decode()
    cache = ResultCache(tmp_path, MEGABYTE)
    assert len(cache.entries()) == 5 and zipfile.is_zipfile(file_named(cache, "00" * 32))
