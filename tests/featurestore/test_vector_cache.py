"""The mapped features against the Parquet they are made from."""

import os
import shutil
import threading

import numpy as np
import pytest

from featurestore.errors import NotComputed
from featurestore.files import vector_cache
from featurestore.files.vector_cache import cache_path, faults, features
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from tests.support.stores.full import write_full_store
from tests.support.stores.small import write_store


@pytest.fixture
def run(tmp_path):
    write_full_store(tmp_path / "store")
    return Store(tmp_path / "store").open()


def same(left, right):
    return left.dtype == right.dtype == np.float32 and left.tobytes() == right.tobytes()


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_no_cache(run, make):
    path = cache_path(run)
    path.parent.mkdir(parents=True)
    make(path)
    assert np.array_equal(features(run), run.features(), equal_nan=True)


def test_holds_the_parquets_bytes_and_is_read_only(run):
    mapped = features(run)
    assert same(mapped, run.features()) and mapped.shape == (60, 8) and np.isnan(mapped[3]).all()
    assert np.array_equal(np.concatenate(list(run.feature_blocks())), run.features(), equal_nan=True)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0
    assert verify(run.folder.parents[1]) == []


def test_second_opening_reads_no_parquet(run, monkeypatch):
    features(run)
    monkeypatch.setattr(type(run), "feature_blocks", None)
    monkeypatch.setattr(type(run), "features", None)
    assert features(run).shape == (60, 8)


@pytest.mark.parametrize("offset", [0, 1000, -1, -20, -60])
def test_a_flipped_bit_is_found_and_mended(run, offset):
    features(run)
    flip(cache_path(run), offset)
    assert len(faults(run)) == 1 and "delete it" in faults(run)[0]
    found = verify(run.folder.parents[1])
    assert [each.where for each in found] == [f"cache/{run.fingerprint}/features.f32"]
    assert same(features(run), run.features()) and faults(run) == []


@pytest.mark.parametrize("length", [0, 5, 200, 1950])
def test_a_cut_off_file_is_made_anew(run, length):
    features(run)
    os.truncate(cache_path(run), length)
    assert same(features(run), run.features()) and faults(run) == []


def test_of_a_great_file_a_sample_is_checked_and_verify_sees_all(run, monkeypatch):
    features(run)
    monkeypatch.setattr(vector_cache, "SAMPLE", 0)
    flip(cache_path(run), 700)
    assert not same(features(run), run.features())
    assert "rows 20 to 39 differ from the Parquet" in faults(run)[0]


def test_many_blocks(run, monkeypatch):
    monkeypatch.setattr(vector_cache, "BLOCK_BYTES", 100)
    assert same(features(run), run.features()) and faults(run) == []
    monkeypatch.setattr(vector_cache, "SAMPLE", 20)
    for offset in (50, 1919):
        flip(cache_path(run), offset)
        assert same(features(run), run.features())


def test_other_parquet_files_make_it_stale(run, tmp_path):
    mapped = features(run).copy()
    other = tmp_path / "other"
    shutil.copytree(run.folder.parents[1], other)
    flip_source = Store(other).open()
    for name, entry in flip_source.manifest.files.items():
        if name == "features-00000.parquet":
            object.__setattr__(entry, "sha256", "0" * 64)
    assert "other Parquet files" in faults(flip_source)[0]
    assert same(features(flip_source), mapped) and faults(flip_source) == []


def test_where_it_cannot_be_written_the_parquet_is_read(run):
    (run.folder.parents[1] / "cache").write_text("a file where the folder would be")
    assert same(features(run), run.features())


def test_full_disk(run, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vector_cache, "publish", full)
    assert same(features(run), run.features()) and not cache_path(run).exists()


def test_left_overs_of_killed_builders_go(run):
    cache_path(run).parent.mkdir(parents=True)
    left_over = cache_path(run).parent / ".tmp-features.f32-1"
    left_over.write_bytes(b"half")
    features(run)
    assert [path.name for path in cache_path(run).parent.iterdir()] == ["features.f32"]


def test_many_builders_at_once_make_it_once(run, monkeypatch):
    made, write = [], vector_cache._write
    monkeypatch.setattr(vector_cache, "_write", lambda file, run: (made.append(1), write(file, run)))
    results = []
    threads = [threading.Thread(target=lambda: results.append(features(run))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and made == [1] and all(same(each, run.features()) for each in results)


def test_a_run_without_features(tmp_path):
    with pytest.raises(NotComputed, match="features"):
        features(write_store(tmp_path).open())
    assert not (tmp_path / "cache").exists()
