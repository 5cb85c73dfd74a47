"""Stores built from each source of images: the folder's bytes, wherever the same images lie."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute.reports.drawing.coloring import color_columns, coloring
from compute.reports.drawing.further_columns import images_where, with_column
from compute.reports.drawing.run_images import read_original
from compute.reports.maps.map import map_report
from compute.reports.mistakes import classes_report, confusion_report, mistakes_report, outvoted_report
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from tests.support.stores.listed import IMAGES, column_store, make_images, make_store, paths, write_list


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with a network and with images, one of them broken."""
    folder = tmp_path_factory.mktemp("sources")
    make_images(folder)
    return folder


def built(here: Path, images, name: str, *more: str) -> Path:
    store = make_store(here, images, name, *more)
    assert verify(store) == []
    return store


@pytest.fixture(scope="module")
def of_folder(here) -> Path:
    return built(here, here / "images", "folder")


def tables(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.glob("runs/*/*.parquet")}


def same_store(store: Path, other: Path) -> None:
    """All tables, byte by byte; of the manifest all but what names the source, and times."""
    assert tables(store) == tables(other) and len(tables(store)) > 10
    here, there = Store(store).open().manifest, Store(other).open().manifest
    assert here.fingerprint == there.fingerprint and here.files == there.files
    assert here.model == there.model and here.images["hash"] == there.images["hash"]


def test_a_list_of_the_folder(here, of_folder):
    same_store(built(here, write_list(here, "plain.csv"), "list"), of_folder)


def test_a_tar_archive_of_the_folder(here, of_folder):
    with tarfile.open(here / "images.tar", "w") as archive:
        archive.add(here / "images", ".", filter=lambda member: None if "csv" in member.name else member)
    same_store(built(here, here / "images.tar", "tar"), of_folder)


@pytest.mark.slow
def test_shards_of_the_folder_by_two_processes(here, of_folder):
    for shard in range(2):
        with tarfile.open(here / f"shard-{shard}.tar", "w") as archive:
            for path in paths(here)[shard::2]:
                archive.add(here / "images" / path, path)
    store = built(here, here / "shard-{0..1}.tar", "shards", "--engine", "processes", "--workers", "2")
    same_store(store, of_folder)


def test_a_parquet_file_of_the_folder(here, of_folder):
    pictures = [{"bytes": (here / "images" / path).read_bytes(), "path": path} for path in paths(here)]
    pq.write_table(pa.table({"image": pictures}), here / "images.parquet", row_group_size=7)
    same_store(built(here, here / "images.parquet", "parquet"), of_folder)


def test_numbers_of_classes_in_a_web_dataset(here):
    with tarfile.open(here / "web.tar", "w") as archive:
        for number, path in enumerate(paths(here)):
            member = tarfile.TarInfo(f"{number:04}.cls")
            member.size = 1
            archive.addfile(member, io.BytesIO(str(int(path.startswith("wasp"))).encode()))
            archive.add(here / "images" / path, f"{number:04}.png")
    (here / "classes.txt").write_text("moth\nwasp\n")
    run = Store(built(here, here / "web.tar", "web", "--classes", str(here / "classes.txt"))).open()
    assert run.table("images")["label"].to_pylist() == [path.split("/")[0] for path in paths(here)]
    assert read_original(run, 3) == (here / "images" / paths(here)[3]).read_bytes()


@pytest.fixture(scope="module")
def with_columns() -> Path:
    return column_store()


def test_further_columns_are_a_table_beside_the_folders_own(here, of_folder, with_columns):
    run, other = Store(with_columns).open(), Store(of_folder).open()
    assert run.manifest.columns == {
        "camera": {"kind": "text", "values": 2},
        "shutter": {"kind": "number", "values": IMAGES},
    }
    assert other.manifest.columns == {} and run.fingerprint != other.fingerprint
    ours, theirs = tables(with_columns), tables(of_folder)
    assert ours.keys() - theirs.keys() == {"columns-00000.parquet"}
    assert {name: ours[name] for name in theirs} == theirs
    assert run.select("columns", "camera", 1).to_pylist() == [
        {"column": "camera", "image_id": 1, "text": "B_<i>", "number": None}
    ]
    # Another value of one image is another run.
    again = write_list(here, "columns.csv", camera=lambda place: "A", shutter=lambda place: place / 2)
    fingerprint = Store(built(here, again, "again", "--stages", "activations")).open().fingerprint
    another = write_list(here, "columns.csv", camera=lambda place: "A", shutter=lambda place: place)
    assert Store(built(here, another, "another", "--stages", "activations")).open().fingerprint != fingerprint


def test_maps_are_colored_by_columns(with_columns):
    run = Store(with_columns).open()
    assert color_columns(run)[-2:] == ("columns.camera", "columns.shutter")
    camera, shutter = (coloring(run, f"columns.{name}") for name in ("camera", "shutter"))
    assert camera.categories == ("A", "B_<i>") and camera.title == "camera"
    assert camera.values[:3].tolist() == [0, 1, 0] and np.isnan(camera.values[-1])
    assert shutter.categories is None and shutter.values.tolist() == [n / 2 for n in range(IMAGES)]
    with pytest.raises(ValueError, match=r"columns.lens.*, columns.camera, columns.shutter"):
        coloring(run, "columns.lens")
    report = map_report(run, "pca", "columns.camera")
    assert report.tabulate()["columns.camera"].to_pylist()[:2] == ["A", "B_<i>"] and report.draw().size
    assert with_column(run.table("images", ["image_id"]), run, "camera")["columns.camera"][-1].as_py() is None


@pytest.mark.parametrize(
    "where, ids",
    [
        ("camera=A", range(0, IMAGES, 2)),
        ("camera=", [IMAGES - 1]),
        ("camera=none", []),
        ("shutter=1.5", [3]),
        ("shutter=1..2", [2, 3, 4]),
        ("shutter=..0.5", [0, 1]),
        ("shutter=19..", [38, 39]),
        ("shutter=2..1", []),
    ],
)
def test_images_are_chosen_by_a_condition(with_columns, where, ids):
    assert images_where(Store(with_columns).open(), where).tolist() == list(ids)


@pytest.mark.parametrize("where", ["camera", "lens=A", "shutter=fast", "shutter=nan..1", "=A", ""])
def test_conditions_that_can_not_be_understood(with_columns, where):
    with pytest.raises(ValueError, match=r"camera, shutter|no range of numbers"):
        images_where(Store(with_columns).open(), where)


def test_mistakes_are_counted_of_the_images_that_fulfil_a_condition(with_columns):
    run = Store(with_columns).open()
    images = run.table("images").to_pylist()
    chosen = [row for row in images if row["image_id"] % 2 == 0 and row["predicted"] is not None]
    right = sum(row["correct"] for row in chosen)
    numbers = confusion_report(run, where="camera=A").numbers
    assert (numbers["images"], numbers["right"]) == (len(chosen), right)
    wrong = mistakes_report(run, where="camera=A").tabulate()["image_id"].to_pylist()
    assert sorted(wrong) == [row["image_id"] for row in chosen if not row["correct"]]
    classes = classes_report(run, where="camera=A").tabulate().to_pylist()
    assert sum(row["images"] for row in classes) == len(chosen)
    assert set(outvoted_report(run, where="camera=A").tabulate()["image_id"].to_pylist()) <= {
        row["image_id"] for row in chosen
    }
    assert "where" not in confusion_report(run).recipe
