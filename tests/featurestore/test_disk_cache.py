"""Files kept up to a limit: the least recently used go first, each is whole or not there."""

import os
import threading

import pytest

from featurestore.files.disk_cache import CachedFile, DiskCache


def always(_: bytes) -> bool:
    return True


def test_the_least_recently_used_go_first(tmp_path):
    cache = DiskCache(tmp_path, 250)
    for number in range(3):
        cache.put(str(number), bytes(100))
        os.utime(tmp_path / str(number), (number, number))
    assert [each.name for each in cache.files()] == ["2", "1"] and cache.total_bytes() == 200
    assert cache.get("1", always) == bytes(100)
    cache.put("3", bytes(100))
    assert cache.read("2") is None and cache.read("1") is not None and cache.read("3") is not None


def test_the_newest_stays_also_where_its_time_is_not_the_latest(tmp_path):
    cache = DiskCache(tmp_path, 150)
    cache.put("old", bytes(100))
    os.utime(tmp_path / "old", (2**33, 2**33))
    cache.put("new", bytes(100))
    assert [each.name for each in cache.files()] == ["new"]


def test_what_is_no_file_of_a_cache_is_none_of_its_files(tmp_path):
    cache = DiskCache(tmp_path, 150)
    cache.put("a", b"a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(bytes(151))
    assert [cache.read(name) for name in ("a", "pipe", "endless", "folder", "large")] == [b"a"] + [None] * 4
    assert cache.get("pipe", always) is None and (tmp_path / "pipe").exists()
    assert DiskCache(tmp_path, 0).read("a") == b"a"


def test_what_alone_is_larger_than_the_limit_is_not_kept_and_drops_nothing(tmp_path):
    cache = DiskCache(tmp_path, 150)
    cache.put("a", bytes(100))
    cache.put("b", bytes(151))
    assert cache.read("a") == bytes(100) and cache.read("b") is None
    DiskCache(tmp_path / "none", 0).put("c", b"c")
    assert not (tmp_path / "none").exists()


def test_to_read_is_no_use_and_to_get_is_one(tmp_path):
    cache = DiskCache(tmp_path, 1000)
    cache.put("a", b"a")
    os.utime(tmp_path / "a", (5, 5))
    cache.read("a")
    assert cache.files() == [CachedFile("a", 1, 5.0)]
    cache.get("a", always)
    assert cache.files()[0].used > 5


def test_what_is_not_right_is_removed(tmp_path):
    cache = DiskCache(tmp_path, 1000)
    cache.put("a", b"a")
    assert cache.get("a", lambda content: content == b"b") is None and cache.files() == []
    assert cache.get("a", always) is None


def test_a_folder_in_the_way_is_an_error_and_no_folder_is_empty(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        DiskCache(tmp_path / "file", 1000).put("a", b"a")
    assert DiskCache(tmp_path / "file", 1000).files() == DiskCache(tmp_path / "none", 1000).files() == []


def test_files_are_limited_in_number_and_counted_once_in_so_many_writes(tmp_path, monkeypatch):
    cache, counted = DiskCache(tmp_path, 10**6, slack=0.2, most_files=50), []
    files = DiskCache.files
    monkeypatch.setattr(DiskCache, "files", lambda self: counted.append(1) or files(self))
    for number in range(500):
        cache.put(f"{number:03}", b"x")
        os.utime(tmp_path / f"{number:03}", (number, number))
    names = [each.name for each in files(cache)]
    assert 40 <= len(names) <= 50 and names == [f"{number:03}" for number in range(499, 499 - len(names), -1)]
    assert len(counted) <= 51


def test_half_files_of_killed_writers_are_removed_and_never_listed(tmp_path):
    cache = DiskCache(tmp_path, 1000)
    (tmp_path / ".tmp-left-over").write_bytes(bytes(500))
    assert cache.files() == []
    cache.put("a", b"a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "options", [{}, {"subfolders": True, "private": True, "durable": False, "slack": 0.1}]
)
def test_threads_that_write_at_once_leave_whole_files_within_the_limit(tmp_path, options):
    cache, wrong = DiskCache(tmp_path / "kept", 2000, **options), []

    def write(offset: int) -> None:
        try:
            for turn in range(30):
                name = f"{(turn + offset) % 8:02}"
                cache.put(name, name.encode() * 150)
                if cache.get(name, always) not in (None, name.encode() * 150):
                    wrong.append(name)
        except OSError as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.put("last", b"last")
    assert wrong == [] and 0 < cache.total_bytes() <= 2000
    assert not list((tmp_path / "kept").glob(".tmp-*"))
