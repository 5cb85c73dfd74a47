"""Writing: order of system calls, a writer killed around its commit, and rows that do not fit.

Kills at all other moments, and two writers at once, are part of the torture.
"""

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore.files import atomic, locks
from featurestore.files.atomic import publish
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.upkeep.verify import verify
from featurestore.writing import run_writer as writing
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import CLASSES, FIELDS, FINGERPRINT, full_run, rows_of, write_full_store

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["pyarrow.compute", "pyarrow.parquet", "pytest"])


def contents(path: Path) -> dict[str, bytes]:
    """Relative name -> bytes of every file below."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of a store that was written without interruption."""
    path = tmp_path_factory.mktemp("whole")
    write_full_store(path)
    return contents(path)


def problems(path, *ids):
    rows = [{"image_id": i, "path": str(i), "reason": "r"} for i in ids]
    return RunWriter(path, "a").write_shard("problems", 0, pa.Table.from_pylist(rows, TABLES["problems"]))


def die_at(call: str, count: int, path: Path) -> None:
    """Write the store and be killed right before the count-th such system call."""
    original, seen = getattr(os, call), [0]

    def counted(*arguments):
        seen[0] += 1
        if seen[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(os, call, counted)
    write_full_store(path)


def run_child(target, *arguments) -> int:
    child = FORKS.Process(target=target, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def assert_invisible_or_whole(path, whole):
    """What a reader may see after a crash: no run at all, or one with every byte in place."""
    for fingerprint in Store(path).runs() if (path / "runs").is_dir() else ():
        name = f"runs/{fingerprint}/"
        found = contents(path)
        assert {k: v for k, v in found.items() if k.startswith(name) and "/.tmp-" not in k} == {
            k: v for k, v in whole.items() if k.startswith(name)
        }


def test_same_rows_give_the_same_bytes(tmp_path, whole):
    write_full_store(tmp_path)
    assert contents(tmp_path) == whole
    write_full_store(tmp_path)
    assert contents(tmp_path) == whole


def test_shards_may_come_in_any_order(tmp_path, whole):
    writer = RunWriter(tmp_path, FINGERPRINT)
    for table, shard, rows in reversed(list(full_run())):
        writer.write_shard(table, shard, rows())
    writer.commit(FIELDS)
    assert contents(tmp_path) == whole


def test_killed_around_the_commit_then_resumed(tmp_path, whole):
    """The last renames publish the manifest and CURRENT: killed before each of them, and between."""
    renames = sum(1 for _ in full_run()) + 2
    for count in (renames - 1, renames):
        path = tmp_path / str(count)
        assert run_child(die_at, "rename", count, path) == -signal.SIGKILL
        assert Store(path).runs() == ([FINGERPRINT] if count == renames else [])
        assert_invisible_or_whole(path, whole)
        write_full_store(path)
        assert contents(path) == whole


@pytest.mark.slow
def test_a_reader_beside_publishing_writers_sees_whole_runs(tmp_path):
    write_full_store(tmp_path, "run0")
    stop, store, seen = threading.Event(), Store(tmp_path), set()

    def publish():
        for number in range(1, 6):
            write_full_store(tmp_path, f"run{number}")
        stop.set()

    thread = threading.Thread(target=publish)
    thread.start()
    while not stop.is_set():
        run = store.open()
        seen.add(run.fingerprint)
        assert set(run.tables()) == set(TABLES) and run.image(59)["path"] == "cat/059.png"
    thread.join()
    assert len(seen) > 1 and verify(tmp_path) == []


def test_order_of_system_calls(tmp_path, monkeypatch):
    """write, fsync(file), rename, fsync(folder) for each file, the manifest last, then CURRENT."""
    calls = []

    def name(target):
        path = Path(os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else target)
        return "temporary" if path.name.startswith(".tmp-") else path.name

    def record(call, show):
        original = getattr(os, call)

        def recorded(*arguments):
            if call == "fsync" and name(arguments[0]) == "temporary":
                assert os.fstat(arguments[0]).st_size > 0, "fsync before anything was written"
            calls.append((call, *map(name, arguments[:show])))
            return original(*arguments)

        monkeypatch.setattr(os, call, recorded)

    writer = RunWriter(tmp_path, "a")
    record("fsync", 1)
    record("rename", 2)
    writer.write_shard("images", 0, rows_of("images"))
    writer.write_shard("problems", 0, rows_of("problems"))
    writer.commit(FIELDS)

    def published(file, folder):
        return [("fsync", "temporary"), ("rename", "temporary", file), ("fsync", folder)]

    assert calls == [
        *published("images-00000.parquet", "a"),
        *published("problems-00000.parquet", "a"),
        *published("manifest.json", "a"),
        *published("CURRENT", tmp_path.name),
    ]


def test_left_over_files_go_and_those_that_are_being_written_stay(tmp_path):
    folder = RunWriter(tmp_path, "a").folder
    left_over = folder / ".tmp-images-00000.parquet-0"
    left_over.write_bytes(b"half")

    def write(file):
        RunWriter(tmp_path, "a")
        assert [path.name for path in folder.iterdir()] == [Path(file.name).name]
        file.write(b"whole")

    publish(folder / "published", write)
    assert (folder / "published").read_bytes() == b"whole" and not left_over.exists()


def test_a_file_that_was_taken_for_a_left_over_before_it_was_locked_is_begun_anew(tmp_path, monkeypatch):
    share, taken = locks.share, []

    def late(descriptor):
        if not taken:
            taken.append(atomic.remove_left_overs(tmp_path))
        share(descriptor)

    monkeypatch.setattr(locks, "share", late)
    publish(tmp_path / "published", lambda file: file.write(b"whole"))
    assert taken and (tmp_path / "published").read_bytes() == b"whole"


def test_a_left_over_that_was_begun_anew_under_its_name_stays(tmp_path, monkeypatch):
    """Two who clear up at once: the one takes it, its writer begins anew, and the other one comes late."""
    path, claim = tmp_path / ".tmp-published-0", locks.claim
    path.write_bytes(b"left")

    def late(descriptor):
        path.unlink()
        path.write_bytes(b"begun anew")
        return claim(descriptor)

    monkeypatch.setattr(locks, "claim", late)
    atomic.remove_left_overs(tmp_path)
    assert path.read_bytes() == b"begun anew"


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    problems(tmp_path, 1)
    before = contents(tmp_path)

    def full_disk(rows, group, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_parquet", full_disk)
    with pytest.raises(OSError, match="No space left"):
        problems(tmp_path, 1, 2)
    assert contents(tmp_path) == before


def test_parquet_is_as_the_contract_says(tmp_path):
    rows = pa.table({"image_id": pa.array(range(2500)), "path": ["p"] * 2500, "reason": ["r"] * 2500})
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("problems", 0, rows)
    metadata = pq.read_metadata(writer.folder / "problems-00000.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1000, 1000, 500]
    for column in range(metadata.num_columns):
        chunk = metadata.row_group(0).column(column)
        assert chunk.compression == "ZSTD" and "BYTE_STREAM_SPLIT" not in chunk.encodings


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((2, 1), "row 1 is out of order; rows must ascend strictly by image_id"),
        ((1, 2, 2), "row 2 is there twice"),
        ((None,), "'image_id' .* is a key and must have no nulls"),
    ],
)
def test_rows_in_a_wrong_order_are_refused(tmp_path, ids, message):
    with pytest.raises(ValueError, match=message):
        RunWriter(tmp_path, "a").write_shard(
            "problems",
            0,
            pa.table(
                {"image_id": pa.array(ids, pa.int64()), "path": ["p"] * len(ids), "reason": ["r"] * len(ids)}
            ),
        )
    assert list((tmp_path / "runs" / "a").iterdir()) == []


def test_order_is_by_all_keys_together(tmp_path):
    keys = {"method": ["pca", "pca", "umap"], "image_id": [1, 2, 0]}
    points = {"x": pa.array([0.0] * 3, pa.float32()), "y": pa.array([0.0] * 3, pa.float32())}
    RunWriter(tmp_path, "a").write_shard("embeddings", 0, pa.table(keys | points))
    with pytest.raises(ValueError, match="row 1 is out of order"):
        keys["image_id"] = [2, 1, 0]
        RunWriter(tmp_path, "a").write_shard("embeddings", 0, pa.table(keys | points))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("path"), r"lacks columns \['path'\]"),
        (
            lambda t: t.append_column("mood", t["path"]),
            r"unknown columns \['mood'\]; its columns are image_id",
        ),
        (lambda t: t.set_column(0, "image_id", pa.array(["a", "b"])), "'image_id' .* is string, not int64"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        RunWriter(tmp_path, "a").write_shard("problems", 0, change(rows_of("problems")))


def test_unknown_tables_and_shards_are_refused(tmp_path):
    writer = RunWriter(tmp_path, "a")
    with pytest.raises(ValueError, match="unknown table 'pictures'; tables are images"):
        writer.write_shard("pictures", 0, rows_of("problems"))
    with pytest.raises(ValueError, match="shard -1"):
        writer.has_shard("problems", -1)


def test_features_must_be_vectors(tmp_path):
    ragged = pa.table({"image_id": [0, 1], "feature": [[1.0], [1.0, 2.0]]})
    with pytest.raises(ValueError, match=r"'feature' .* must be a FixedSizeList"):
        RunWriter(tmp_path, "a").write_shard("features", 0, ragged)


def commit_shards(path, *tables, name="problems"):
    writer = RunWriter(path, "a")
    for shard, table in enumerate(tables):
        writer.write_shard(name, shard, table)
    writer.commit(FIELDS)


def test_shards_must_follow_each_other(tmp_path):
    rows = rows_of("problems")
    with pytest.raises(ValueError, match=r"problems-00001.* must follow problems-00000.*: \(3,\)"):
        commit_shards(tmp_path, rows.slice(1), rows.slice(0, 1))
    assert Store(tmp_path).runs() == []


def test_shards_must_have_one_width(tmp_path):
    def features(image_id, width):
        column = pa.array([[0.5] * width], pa.list_(pa.float32(), width))
        return pa.table({"image_id": [image_id], "feature": column})

    with pytest.raises(ValueError, match="different columns"):
        commit_shards(tmp_path, features(0, 4), features(1, 5), name="features")


def test_a_committed_run_may_gain_tables_but_not_change(tmp_path):
    commit_shards(tmp_path, rows_of("problems"))
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("images", 0, rows_of("images"))
    writer.commit(FIELDS)
    assert Store(tmp_path).open().tables() == ("images", "problems")
    writer.write_shard("problems", 0, rows_of("problems").slice(1))
    with pytest.raises(ValueError, match=r"committed with other bytes in problems-00000\.parquet; delete"):
        writer.commit(FIELDS)


def test_a_writer_keeps_the_tables_that_another_one_commits_meanwhile(tmp_path, monkeypatch):
    first, second = RunWriter(tmp_path, "a"), RunWriter(tmp_path, "a")
    first.write_shard("problems", 0, rows_of("problems"))
    draft = first.draft

    def slow(fields):
        drafted = draft(fields)
        if not second.has_shard("images", 0):
            second.write_shard("images", 0, rows_of("images"))
            second.commit(FIELDS)
        return drafted

    monkeypatch.setattr(first, "draft", slow)
    assert first.commit(FIELDS).tables == ("images", "problems")
    assert Store(tmp_path).open().tables() == ("images", "problems") and verify(tmp_path) == []


def test_writers_that_commit_at_once_lose_no_table(tmp_path):
    tables = ("images", "features", "layers", "problems", "filters", "channels")
    writers = {name: RunWriter(tmp_path, "a") for name in tables}
    gate = threading.Barrier(len(tables))

    def write(name):
        writers[name].write_shard(name, 0, rows_of(name))
        gate.wait()
        writers[name].commit(FIELDS)

    threads = [threading.Thread(target=write, args=(name,)) for name in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Store(tmp_path).open().tables()) == set(tables)


def test_a_damaged_shard_of_a_committed_run_counts_as_missing(tmp_path, whole):
    write_full_store(tmp_path)
    victim = tmp_path / "runs" / FINGERPRINT / "features-00001.parquet"
    data = bytearray(victim.read_bytes())
    data[200] ^= 1
    victim.write_bytes(data)
    writer = RunWriter(tmp_path, FINGERPRINT)
    assert [writer.has_shard("features", shard) for shard in range(4)] == [True, False, True, False]
    write_full_store(tmp_path)
    assert contents(tmp_path) == whole


def test_commit_does_not_bless_a_damaged_shard(tmp_path):
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("images", 0, rows_of("images"))
    path = writer.folder / "images-00000.parquet"
    chunk = pq.read_metadata(path).row_group(0).column(1)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"images-00000\.parquet"):
        writer.commit(FIELDS)
    assert Store(tmp_path).runs() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("device"), "device"),
        (lambda f: f.update(mood="good"), "mood"),
        (lambda f: f.update(threads="two"), "'threads' is 'two'"),
        (lambda f: f.update(class_names=[1, 2]), "'class_names' must hold strings"),
    ],
)
def test_manifest_fields_that_do_not_fit(tmp_path, change, message):
    fields = dict(FIELDS, class_names=list(CLASSES))
    change(fields)
    with pytest.raises(ValueError, match=message):
        RunWriter(tmp_path, "a").commit(fields)


@pytest.mark.parametrize("damage", [b"{broken", b'{"schema_version": 99}'])
def test_a_run_whose_manifest_cannot_be_read_is_finished_anew(tmp_path, whole, damage):
    write_full_store(tmp_path)
    manifest = tmp_path / "runs" / FINGERPRINT / "manifest.json"
    manifest.write_bytes(damage)
    writer = RunWriter(tmp_path, FINGERPRINT)
    assert writer.damaged() == writer.drop_damaged() == ["manifest.json"] and not manifest.exists()
    assert writer.has_shard("images", 0)
    write_full_store(tmp_path)
    assert contents(tmp_path) == whole
    assert writer.drop_damaged() == []


def test_damaged_files_are_named_and_the_committed_ones_stay_until_written_again(tmp_path, whole):
    write_full_store(tmp_path)
    writer = RunWriter(tmp_path, FINGERPRINT)
    (writer.folder / "maps-00000.parquet").unlink()
    for name in ("channels-00000.parquet", "layers-00001.parquet"):
        (writer.folder / name).write_bytes(b"PAR1")
    names = ["channels-00000.parquet", "maps-00000.parquet", "layers-00001.parquet"]
    assert writer.damaged() == writer.drop_damaged() == names
    assert (writer.folder / names[0]).exists() and not (writer.folder / names[2]).exists()
    assert not writer.has_shard("channels", 0) and not writer.has_shard("layers", 1)
    write_full_store(tmp_path)
    assert contents(tmp_path) == whole
