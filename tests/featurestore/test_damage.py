"""Damage of every kind is noticed by the reader, and found by verify."""

import os
import random
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from featurestore.errors import Damaged
from featurestore.files.shard import describe
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.upkeep.verify import verify
from featurestore.writing import run_writer as writing
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import FIELDS, FINGERPRINT, full_run, rows_of, write_full_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "ROWS_PER_GROUP", 7)
        write_full_store(path)
    return path


@pytest.fixture
def store(whole, tmp_path):
    """A copy to damage."""
    return shutil.copytree(whole, tmp_path / "store")


def folder_of(store):
    return store / "runs" / FINGERPRINT


def read_all(store):
    run = Store(store).open()
    return {name: run.table(name) for name in run.tables()}


def damage(path, change):
    data = bytearray(path.read_bytes())
    changed = change(data)
    path.write_bytes(data if changed is None else changed)


def test_a_whole_store_has_no_faults(whole):
    assert verify(whole) == [] and set(read_all(whole)) == set(TABLES)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_damage(store, make):
    path = next(folder_of(store).glob("images-*"))
    path.unlink()
    make(path)
    with pytest.raises(Damaged, match=f"{path.name}, the footer: it is no file"):
        read_all(store)
    assert [(fault.where, fault.what) for fault in verify(store)] == [
        (f"runs/{FINGERPRINT}/{path.name}", "it is no file")
    ]


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_is_caught_wherever_it_is(store, seed):
    """Any bit of any file, weighted by size: pages, page headers, footers, the manifest."""
    dice = random.Random(seed)
    files = [*sorted(folder_of(store).iterdir())]
    victim = dice.choices(files, [file.stat().st_size for file in files])[0]
    bit = dice.randrange(8 * victim.stat().st_size)

    def flip(data):
        data[bit // 8] ^= 1 << bit % 8

    damage(victim, flip)
    with pytest.raises(Damaged, match=victim.name):
        read_all(store)
    assert any(victim.name in finding.where for finding in verify(store))


@pytest.mark.parametrize("seed", range(10))
def test_a_point_lookup_names_file_and_row_group(store, seed):
    """A flip in the pages of row group 2 of a shard (images 34..39): the others are still served."""
    run = Store(store).open()
    entry = run.manifest.files["images-00001.parquet"]
    shard = run._shard("images-00001.parquet")._file.metadata.row_group(2)
    starts = [
        shard.column(i).dictionary_page_offset or shard.column(i).data_page_offset
        for i in range(shard.num_columns)
    ]
    stop = entry.bytes - entry.footer_bytes
    place = random.Random(seed).randrange(min(starts), stop)

    def flip(data):
        data[place] ^= 0x10

    damage(folder_of(store) / "images-00001.parquet", flip)
    fresh = Store(store).open()
    with pytest.raises(Damaged, match=r"images-00001\.parquet, row group 2"):
        fresh.rows("images", [36])
    assert fresh.rows("images", [21, 33, 45])["image_id"].to_pylist() == [21, 33, 45]


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 500, -1, -9])
def test_a_truncated_file(store, cut):
    victim = folder_of(store) / "occlusion-00000.parquet"
    damage(victim, lambda data: data[:cut])
    with pytest.raises(Damaged, match=r"occlusion-00000\.parquet, the footer: it has \d+ bytes, not \d+"):
        Store(store).open().occlusion(0)
    assert any(victim.name in finding.where for finding in verify(store))


def test_a_zeroed_block(store):
    victim = folder_of(store) / "occlusion-00000.parquet"

    def zero(data):
        data[2000:3000] = bytes(1000)

    damage(victim, zero)
    with pytest.raises(Damaged, match=victim.name):
        Store(store).open().table("occlusion")


def test_a_missing_file(store):
    (folder_of(store) / "filters-00000.parquet").unlink()
    with pytest.raises(Damaged, match=r"filters-00000\.parquet"):
        Store(store).open().filters()
    assert [f.what for f in verify(store)] == ["file is missing"]


def test_damage_of_one_table_leaves_the_others(store):
    damage(folder_of(store) / "filters-00000.parquet", lambda data: data[:100])
    run = Store(store).open()
    assert run.image(5)["image_id"] == 5 and len(run.channels("stem")) == 4


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("manifest.json", path)])
def test_a_manifest_that_is_no_file(store, make):
    manifest = folder_of(store) / "manifest.json"
    manifest.unlink()
    make(manifest)
    if not manifest.is_symlink():
        assert [f.where for f in verify(store)] == [f"runs/{FINGERPRINT}/manifest.json"]
    with pytest.raises(ValueError, match=r"no file|not in"):
        Store(store).open(FINGERPRINT)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_current_that_is_no_file(store, make):
    (store / "CURRENT").unlink()
    make(store / "CURRENT")
    with pytest.raises(ValueError, match="no file"):
        Store(store).open()
    assert [f.where for f in verify(store)] == ["CURRENT"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'{"schema_version": 1}',
        b'{"schema_version": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema_version": 1, "files": 3, "checksum": ""}',
    ],
)
def test_a_manifest_that_is_none(store, data):
    (folder_of(store) / "manifest.json").write_bytes(data)
    with pytest.raises(ValueError, match=r"manifest\.json .*make store"):
        Store(store).open()
    assert [f.where for f in verify(store)] == [f"runs/{FINGERPRINT}/manifest.json"]


@pytest.mark.parametrize(
    "text", [b"", b"\n", FINGERPRINT.encode(), f"{FINGERPRINT}\v".encode(), b"full-rul\n"]
)
def test_a_damaged_current(store, text):
    (store / "CURRENT").write_bytes(text)
    with pytest.raises(ValueError, match=r"CURRENT is wrong"):
        Store(store).current()
    assert Store(store).open(FINGERPRINT).image_count == 60
    assert [finding.where for finding in verify(store)] == ["CURRENT"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"seed": 1e-05', b'"seed": 1E-05'),
        lambda text: text[:-1],
        lambda text: text.replace(b"tiny", b"tinz"),
        lambda text: text[:-2],
    ],
)
def test_a_manifest_is_held_to_its_very_text(tmp_path, change):
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("problems", 0, rows_of("problems"))
    writer.commit(FIELDS | {"parameters": {"seed": 1e-5}})
    manifest = writer.folder / "manifest.json"
    text = manifest.read_bytes()
    manifest.write_bytes(change(text))
    with pytest.raises(Damaged, match=r"manifest\.json"):
        Store(tmp_path).open()


def test_a_manifest_of_another_run(store):
    shutil.copytree(folder_of(store), store / "runs" / "copy")
    with pytest.raises(Damaged, match="is of run 'full-run', not of 'copy'"):
        Store(store).open("copy")


@pytest.mark.parametrize("table", sorted(TABLES))
def test_verify_finds_damage_of_any_one_table(store, table):
    victim = folder_of(store) / f"{table}-00000.parquet"
    damage(victim, lambda data: data[:-1] + b"2")
    assert victim.name in {finding.where.split("/")[-1] for finding in verify(store)}


def test_verify_goes_on_after_a_fault(store):
    damage(folder_of(store) / "filters-00000.parquet", lambda data: data[:100])
    damage(folder_of(store) / "features-00001.parquet", lambda data: data + b"x")
    (folder_of(store) / "notes.txt").write_text("hello")
    (store / "stray").write_text("hello")
    (store / "CURRENT").write_text("gone\n")
    places = {finding.where for finding in verify(store)}
    run = f"runs/{FINGERPRINT}"
    assert places == {
        "stray",
        "CURRENT",
        f"{run}/notes.txt",
        f"{run}/filters-00000.parquet",
        f"{run}/features-00001.parquet",
    }


def test_a_file_that_is_not_committed_yet_is_no_fault(store):
    """A command adds pictures of channels to a run that is whole, and was killed before it was through."""
    name = "showcase-00007.parquet"
    shutil.copy(folder_of(store) / "showcase-00000.parquet", folder_of(store) / name)
    assert verify(store) == []
    assert name not in Store(store).open().manifest.files
    shutil.copy(folder_of(store) / "showcase-00000.parquet", folder_of(store) / "images-00007.parquet")
    assert [fault.what for fault in verify(store)] == ["unknown file: not in the manifest"]


def test_a_file_swapped_for_another_valid_one(store):
    shutil.copy(folder_of(store) / "features-00000.parquet", folder_of(store) / "features-00001.parquet")
    assert any("SHA-256" in finding.what for finding in verify(store))
    with pytest.raises(Damaged):
        Store(store).open().features()


def change_column(table, column, change):
    index = table.schema.get_field_index(column)
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(change(table[column].to_pylist()), field.type))


def first(value):
    return lambda values: [value, *values[1:]]


@pytest.mark.parametrize(
    ("table", "column", "change", "message"),
    [
        ("images", "image_id", lambda v: [i + 1 for i in v], "image_id is not 0, 1, 2"),
        ("images", "predicted", first("dog"), "predicted dog is not in the class names"),
        ("features", "image_id", lambda v: [*v[:-1], 99], "image_id is not 0, 1, 2, ... 59"),
        ("features", "feature", first([float("inf")] * 8), "not finite"),
        ("features", "feature", first(None), "image 0 has no feature and is not in problems"),
        ("layers", "layer", first("root"), "layer stem is not in layers"),
        (
            "channels",
            "layer",
            lambda v: ["a" if x == "block.conv" else x for x in v],
            "layer a is not in layers",
        ),
        ("channels", "top_class", first("dog"), "top_class dog is not in the class names"),
        ("channels", "channel", lambda v: [*v[:-1], 9], "layer 'stem': channel 9 is not in 0 to 3"),
        ("top_patches", "image_id", first(60), r"image_id 60 is not in images \(0 to 59\)"),
        ("top_patches", "rank", lambda v: [*v[:-1], 10], "row 89 has a rank out of turn"),
        ("top_patches", "y", first(5), "layer 'block.conv': y 5 is not in 0 to 4"),
        ("top_patches", "x", first(-1), "layer 'block.conv': x -1 is not in 0 to 4"),
        ("occlusion", "image_id", lambda v: [*v[:-1], 77], "image_id 77 is not in images"),
        ("occlusion", "target", first("dog"), "target dog is not in the class names"),
        ("occlusion", "rows", first(6), "row 0 probability is not rows x cols"),
        ("occlusion", "argmax", first([3] * 25), "argmax 3 is not in 0 to 2"),
        ("embeddings", "image_id", lambda v: [-1, *v[1:]], "image_id -1 is not in images"),
        ("maps", "method", lambda v: ["pca", "tsne"], "method tsne is not in embeddings"),
        ("neighbors", "neighbor_id", first(-5), "neighbor_id -5 is not in images"),
        ("neighbors", "neighbor_id", first(0), "row 0 is its own neighbour"),
        ("neighbors", "rank", lambda v: [*v[:-1], 4], "row 347 has a rank out of turn"),
        ("grids", "image_id", first(61), "image_id 61 is not in images"),
        ("grids", "method", lambda v: ["tsne"] * len(v), "method tsne is not in embeddings"),
        ("showcase", "layer", lambda v: ["tail"] * len(v), "layer tail is not in layers"),
        ("showcase", "channel", lambda v: [*v[:-1], 6], "layer 'block.conv': channel 6 is not in 0 to 5"),
        ("showcase", "predicted", first("dog"), "predicted dog is not in the class names"),
        (
            "showcase",
            "image",
            first({"bytes": b"GIF89a", "path": None}),
            "row 0 has no picture that is a PNG",
        ),
        ("showcase", "image", first(None), "row 0 has no picture"),
        ("filters", "weight", first([1.0]), "row 0 weight is not in_channels x height x width"),
        ("filters", "std", first([1.0]), "row 0 std is not one number a channel"),
        ("problems", "image_id", lambda v: [*v[:-1], 1000], "image_id 1000 is not in images"),
    ],
)
def test_verify_checks_every_reference(tmp_path, table, column, change, message):
    """A run whose files are all sound and whose tables contradict each other."""
    writer = RunWriter(tmp_path, "wrong")
    for name, shard, rows in full_run():
        if name != table:
            writer.write_shard(name, shard, rows())
    writer.write_shard(table, 0, change_column(rows_of(table), column, change))
    writer.commit(FIELDS)
    findings = [finding for finding in verify(tmp_path) if finding.where.startswith("runs/wrong: ")]
    assert pc.match_substring_regex(pa.array([f.what for f in findings]), message).to_pylist().count(True)


@pytest.mark.parametrize("second", [(0, 1), (3, 4)])
def test_verify_finds_rows_out_of_order_across_files(tmp_path, second):
    """In a run that this program would not have committed: each of its files is sound by itself."""
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("problems", 0, problems(2, 3))
    whole = writer.commit(FIELDS)
    writer.write_shard("problems", 1, problems(*second))
    entry = describe(writer.folder / "problems-00001.parquet", ("image_id",))
    forged = replace(whole, files={**whole.files, "problems-00001.parquet": entry})
    (writer.folder / "manifest.json").write_bytes(forged.to_bytes())
    assert [(f.where, f.what) for f in verify(tmp_path)] == [
        (
            "runs/a/manifest.json",
            f"problems-00001.parquet must follow problems-00000.parquet: ({second[0]},) comes after (3,)",
        )
    ]


@pytest.mark.parametrize(
    ("ids", "message"), [((1, 0), "row 1 is out of order"), ((1, 1), "row 1 is there twice")]
)
def test_verify_finds_rows_out_of_order_in_a_file(tmp_path, ids, message, monkeypatch):
    monkeypatch.setattr(writing, "check_sorted", lambda *_: None)
    writer = RunWriter(tmp_path, "a")
    writer.write_shard("problems", 0, problems(*ids))
    writer.commit(FIELDS)
    (fault,) = verify(tmp_path)
    assert fault.where == "runs/a/problems-00000.parquet" and message in fault.what


def problems(*ids):
    rows = [{"image_id": each, "path": str(each), "reason": "r"} for each in ids]
    return pa.Table.from_pylist(rows, TABLES["problems"])


def test_verify_of_one_run(store):
    assert verify(store, FINGERPRINT) == []
    with pytest.raises(ValueError, match="'gone' is not in"):
        verify(store, "gone")
