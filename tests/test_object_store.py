"""Stores in object storage, against moto's server on loopback."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from object_storage import CREDENTIALS, copy_run, fields_of, object_storage
from served_store import served_store
from small_store import FINGERPRINT, write_store

from compute.__main__ import main
from featurestore import __main__ as command
from featurestore import vector_cache
from featurestore.errors import Damaged, Unavailable
from featurestore.layout import CURRENT, MANIFEST, RUNS, parse_shard_file
from featurestore.objects import bucket, kept
from featurestore.objects.bucket import Bucket
from featurestore.objects.changes import Changes
from featurestore.objects.connection import Connection
from featurestore.objects.path import ObjectPath
from featurestore.objects.writer import ObjectRunWriter
from featurestore.places import beside
from featurestore.prune import prune
from featurestore.reader import Store
from featurestore.shard import Shard
from featurestore.verify import verify
from featurestore.writers import open_writer

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def storage():
    with object_storage() as server:
        yield server


@pytest.fixture(autouse=True)
def environment(storage, monkeypatch, tmp_path):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", storage.endpoint)
    monkeypatch.setenv(kept.FOLDER, str(tmp_path / "here"))
    monkeypatch.setattr(storage, "before", lambda method, path: None)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run in a folder."""
    return write_store(tmp_path_factory.mktemp("stores") / "small").open()


@pytest.fixture
def there(storage, small):
    """The same run in object storage: the store's place."""
    place = storage.place()
    copy_run(small, place)
    return place


def objects(place):
    return {each.key.removeprefix(f"{place.key}/"): place.bucket.read(each.key)
            for each in place.bucket.objects(place.key)}


def damage(place, name, change):
    """Somebody else's change of an object."""
    changed = place / RUNS / FINGERPRINT / name
    Changes(place.bucket).put(changed.key, change(changed.read_bytes()))


def flipped(at):
    return lambda content: content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def test_what_is_read_is_what_a_folder_says(small, there):
    run = Store(str(there)).open()
    assert run.manifest == small.manifest and run.tables() == small.tables()
    for name in run.tables():
        assert run.table(name).equals(small.table(name))
    assert run.rows("images", [35, 0, 7]).equals(small.rows("images", [35, 0, 7]))
    assert run.grid("pca", "unique").equals(small.grid("pca", "unique"))
    assert run.thumbnail(3) == small.thumbnail(3) and run.image(3) == small.image(3)
    with pytest.raises(ValueError, match="unknown kind 'x' of pca"):
        run.grid("pca", "x")
    files = [small.folder / MANIFEST, *(small.folder / name for name in small.manifest.files)]
    assert objects(there) == {CURRENT: f"{FINGERPRINT}\n".encode()} | {
        f"{RUNS}/{FINGERPRINT}/{path.name}": path.read_bytes() for path in files}


def test_a_pipeline_writes_the_same_bytes_there(storage, tmp_path, capsys):
    place, folder = storage.place("several/digits"), tmp_path / "digits"
    made = ["store", "--model", "digits", "--images", "digits", "--limit", "12", "--stages", "activations",
            "--device", "cpu", "--threads", "1", "--store"]
    assert main([*made, str(folder)]) == 0 and main([*made, str(place)]) == 0
    here, there = Store(folder).open(), Store(place).open()
    assert there.manifest.files == here.manifest.files
    assert {parse_shard_file(name.rpartition("/")[2]) is None for name in objects(place)} == {True, False}
    assert not any("partials" in name for name in objects(place))
    assert not list((beside(place) / "writing").rglob("*.parquet"))
    capsys.readouterr()
    assert main([*made, str(place)]) == 0 and "nothing to compute" in capsys.readouterr().out
    name = "images-00000.parquet"
    damaged = place / RUNS / there.fingerprint / name
    Changes(place.bucket).put(damaged.key, flipped(500)(damaged.read_bytes()))
    assert any("checksum" in each.what for each in verify(place))
    assert main([*made, str(place)]) == 0
    assert f"repaired 1 files of run {there.fingerprint}: {name}" in capsys.readouterr().err
    assert verify(place) == [] and Store(place).open().manifest == there.manifest
