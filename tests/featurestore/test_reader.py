"""Point look-ups, typed queries, pinned runs, and what a reader says when something is not there."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from compute.analysis.search import ExactSearch
from featurestore.errors import Damaged, NotComputed
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writing import run_writer as writing
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import (
    FIELDS,
    FINGERPRINT,
    IMAGES,
    LAYERS,
    MAP,
    UNREADABLE,
    rows_of,
    write_full_store,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Row groups of 7 rows: neither shards nor keys end where a row group does."""
    path = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "ROWS_PER_GROUP", 7)
        write_full_store(path)
    return Store(path)


@pytest.fixture(scope="module")
def run(store):
    return store.open()


def images_alone(path, fingerprint):
    writer = RunWriter(path, fingerprint)
    writer.write_shard("images", 0, rows_of("images"))
    return writer.commit(FIELDS)


def test_a_row_group_is_found_by_its_keys(run):
    groups = run.manifest.files["images-00001.parquet"].row_groups
    assert [(g.rows, g.first, g.last) for g in groups] == [
        (7, (20,), (26,)),
        (7, (27,), (33,)),
        (6, (34,), (39,)),
    ]


@pytest.mark.parametrize("table", ["images", "features", "occlusion"])
def test_rows_come_in_the_order_asked(run, table):
    ids = [59, 0, 20, 20, 19, 41]
    expected = {row["image_id"]: row for row in rows_of(table).to_pylist()}
    assert run.rows(table, ids).to_pylist() == [expected[i] for i in ids]
    assert run.rows(table, []).num_rows == 0


def test_every_image_is_found(run):
    expected = rows_of("images").to_pylist()
    for image_id in range(IMAGES):
        row = dict(expected[image_id])
        thumbnail = row.pop("thumbnail")
        assert run.image(image_id) == row
        if image_id not in UNREADABLE:
            assert run.thumbnail(image_id) == thumbnail["bytes"]


def test_columns_are_those_asked_for(run):
    assert run.rows("images", [3, 4], ["path"]).to_pydict() == {"path": ["ant/003.png", "bee/004.png"]}
    assert run.select("top_patches", "stem", 2, columns=["value"]).column_names == ["value"]
    assert run.table("images", ["label", "loss"]).column_names == ["label", "loss"]


def test_typed_queries_equal_a_scan(run):
    def scan(table, **key):
        return [row for row in rows_of(table).to_pylist() if key.items() <= row.items()]

    for layer, channels in LAYERS.items():
        assert run.channels(layer).to_pylist() == scan("channels", layer=layer)
        for channel in range(channels):
            patches = scan("top_patches", layer=layer, channel=channel)
            assert run.top_patches(layer, channel).to_pylist() == patches and len(patches) == 9
    for space in ("feature", "pixel"):
        for image_id in (0, 19, 20, 59):
            expected = scan("neighbors", space=space, image_id=image_id)
            assert run.neighbors(space, image_id).to_pylist() == expected and len(expected) == 3
    assert run.embedding("umap").to_pylist() == scan("embeddings", method="umap")
    assert run.grid("umap", "unique").to_pylist() == scan("grids", method="umap", kind="unique")
    assert run.filters().to_pylist() == rows_of("filters").to_pylist()


def test_a_spread_of_rows_lies_evenly_over_them(run):
    columns = ("image_id", "rank", "neighbor_id")
    whole = run.select("neighbors", "pixel", columns=columns)
    assert run.spread("neighbors", "pixel", most=len(whole), columns=columns).equals(whole)
    some = run.spread("neighbors", "pixel", most=len(whole) // 4, columns=columns)
    assert abs(len(some) - len(whole) // 4) <= 14
    assert {tuple(row.values()) for row in some.to_pylist()} <= {
        tuple(row.values()) for row in whole.to_pylist()
    }
    thirds = np.histogram(some["image_id"].to_numpy(), 3, (0, run.image_count))[0]
    assert thirds.min() > 0.4 * thirds.mean()


def test_occlusion_maps_are_matrices(run):
    row = run.occlusion(33)
    expected = next(r for r in rows_of("occlusion").to_pylist() if r["image_id"] == 33)
    assert row["probability"].shape == row["logit"].shape == row["argmax"].shape == (MAP, MAP)
    assert row["logit"].ravel().tolist() == expected["logit"] and row["target"] == expected["target"]
    assert run.occlusion(33, row["target"])["argmax"].tolist() == row["argmax"].tolist()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (lambda run: run.image(60), r"no image \[60\]; images are 0 to 59"),
        (lambda run: run.image(-1), r"no image \[-1\]"),
        (lambda run: run.rows("images", ["3"]), "whole numbers"),
        (lambda run: run.thumbnail(3), "could not be read"),
        (lambda run: run.occlusion(3), "unknown image_id 3"),
        (lambda run: run.occlusion(4, "dog"), "unknown target 'dog' of 4 .* there are ant"),
        (lambda run: run.channels("stem2"), "unknown layer 'stem2' .* there are block.conv, stem"),
        (lambda run: run.top_patches("stem", 4), "unknown channel 4 of stem .* there are 0, 1, 2, 3"),
        (lambda run: run.top_patches("stem", "4"), "channel .* must be a"),
        (lambda run: run.top_patches("stem", True), "channel .* must be a"),
        (lambda run: run.top_patches("stem", 2**64), f"unknown channel {2**64} of stem .* there are 0, 1, 2"),
        (lambda run: run.channels("\ud800"), "unknown layer .* there are block.conv, stem"),
        (lambda run: run.neighbors("feature", 10**30), "whole numbers"),
        (lambda run: run.neighbors("sound", 1), "unknown space 'sound' .* there are feature, pixel"),
        (lambda run: run.embedding("tsne"), "unknown method 'tsne' .* there are pca, umap"),
        (lambda run: run.grid("umap", "round"), "unknown kind 'round' of umap .* there are nearest, unique"),
        (lambda run: run.table("pictures"), "unknown table 'pictures'; tables are images, columns, features"),
        (lambda run: run.table("images", ["colour"]), "no column 'colour'; columns are image_id, path"),
        (lambda run: run.rows("channels", [1]), "keyed by layer, channel, not by image_id"),
    ],
)
def test_what_is_not_there_is_named_with_the_choices(run, query, message):
    with pytest.raises(ValueError, match=message):
        query(run)


def test_a_table_that_was_not_computed_says_how_to_make_it(tmp_path):
    images_alone(tmp_path, "few")
    run = Store(tmp_path).open()
    assert run.tables() == ("images",)
    with pytest.raises(NotComputed, match=r"there are: images\..*make store STORE=.* --stages occlusion"):
        run.occlusion(0)


def test_a_folder_that_is_no_store(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"is no store.*make store"):
            Store(path)


def test_a_half_written_run_is_invisible(tmp_path):
    RunWriter(tmp_path, "half").write_shard("images", 0, rows_of("images"))
    store = Store(tmp_path)
    assert store.runs() == [] and store.unfinished() == ["half"]
    with pytest.raises(ValueError, match="no finished run yet"):
        store.open()
    with pytest.raises(ValueError, match="there are: none"):
        store.open("half")


def test_a_link_to_a_run_that_is_gone(store):
    with pytest.raises(ValueError, match=f"'gone' is not in .* there are: {FINGERPRINT}"):
        store.open("gone")


@pytest.mark.parametrize("fingerprint", ["", ".", "..", "../../etc", "a/b", "a\\b", "\0", "a" * 200, ".a", 7])
def test_a_fingerprint_is_never_a_path(store, tmp_path, fingerprint):
    with pytest.raises(ValueError, match="is no run's fingerprint"):
        store.open(fingerprint)
    with pytest.raises(ValueError, match="is no run's fingerprint"):
        RunWriter(tmp_path, fingerprint)


@pytest.mark.parametrize("name", ["gone", "../../x", "", "\xff\x00"])
def test_current_names_a_missing_run(tmp_path, name):
    images_alone(tmp_path, "here")
    (tmp_path / "CURRENT").write_bytes(name.encode("latin-1"))
    with pytest.raises(ValueError, match="CURRENT is wrong"):
        Store(tmp_path).open()
    assert Store(tmp_path).open("here").fingerprint == "here"


def test_a_store_of_another_schema_version(tmp_path):
    manifest = images_alone(tmp_path, "old")
    path = tmp_path / "runs" / "old" / "manifest.json"
    path.write_bytes(manifest.to_bytes().replace(b'"schema_version": 1', b'"schema_version": 0'))
    with pytest.raises(ValueError, match="schema version 0, this program reads 1; regenerate it with `make"):
        Store(tmp_path).open()


def test_a_pinned_run_outlives_the_stores_regeneration(tmp_path):
    images_alone(tmp_path, "first")
    store = Store(tmp_path)
    pinned = store.open()
    before = pinned.image(5)
    write_full_store(tmp_path, "second")
    images_alone(tmp_path, "first-again")
    assert store.current() == "first-again" and store.runs() == ["first", "first-again", "second"]
    assert pinned.fingerprint == "first" and pinned.image(5) == before and pinned.tables() == ("images",)
    for path in (tmp_path / "runs" / "first").iterdir():
        path.unlink()
    assert pinned.image(6)["path"] == "ant/006.png"


def test_many_threads_share_a_run(run):
    expected = {row["image_id"]: row for row in rows_of("occlusion").to_pylist()}

    def look(image_id):
        patches = run.top_patches("stem", image_id % 4)["channel"].unique().to_pylist()
        whole = run.table("images", ["path"]).num_rows
        return run.rows("occlusion", [image_id]).to_pylist()[0], patches, whole

    ids = [int(i) for i in np.random.default_rng(0).choice(list(expected), 200)]
    with ThreadPoolExecutor(16) as pool:
        for image_id, result in zip(ids, pool.map(look, ids), strict=True):
            assert result == (expected[image_id], [image_id % 4], IMAGES)


def test_few_files_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr("featurestore.reader.OPEN_FILES", 2)
    write_full_store(tmp_path)
    run = Store(tmp_path).open()
    for _ in range(2):
        assert [run.image(i)["image_id"] for i in (0, 20, 40)] == [0, 20, 40]
    assert run._shard.cache_info().currsize == 2


def test_tables_of_the_schema_are_all_in_the_store(run):
    assert set(run.tables()) == set(TABLES)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_of_a_stores_features(run, metric):
    features = run.features()
    ids, distances = ExactSearch(features, metric).search(features[5], 1)
    assert ids.tolist() == [[5]] and distances[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["embeddings", "neighbors", "top_patches", "grids", "occlusion"])
def test_a_file_of_one_key_is_read_at_once_and_gives_the_same_rows(run, name):
    whole = run.table(name)
    key = whole.column_names[0]
    for value in whole[key].unique().to_pylist():
        expected = [row for row in whole.to_pylist() if row[key] == value]
        assert run.select(name, value).to_pylist() == expected
        assert len(run.select(name, value, columns=[])) == len(expected)
    file = f"{name}-00000.parquet"
    parts = list(run._groups(name).whole_or_parts((whole[key][0].as_py(),)))
    bounds = [group.first[0] == group.last[0] for group in run.manifest.files[file].row_groups]
    alone = len({row.first[0] for row in run.manifest.files[file].row_groups}) == 1 and all(bounds)
    assert ((file, None) in parts) == (alone and len(bounds) > 1)


def test_a_file_that_was_mended_is_read_by_who_had_it_open(tmp_path):
    write_full_store(tmp_path)
    file = tmp_path / "runs" / FINGERPRINT / "images-00001.parquet"
    whole, run = file.read_bytes(), Store(tmp_path).open()
    run.table("layers")
    run._shard(file.name)
    os.truncate(file, 200)
    for read in (lambda: run.image(25), lambda: run.table("images")):
        with pytest.raises(Damaged, match=file.name):
            read()
    file.unlink()
    with pytest.raises(Damaged, match=file.name):
        run.table("images")
    file.write_bytes(whole)
    assert run.image(25)["image_id"] == 25 and run.table("images") == rows_of("images")
