"""Originals on the server: read from each source, and from nowhere that a store has no business to name."""

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute.runtime.vision import datasets
from dashboard.data import photographs, runs
from featurestore.reader import Store
from tests.support.stores.altered import altered
from tests.support.stores.listed import BROKEN, LABELS, make_images, make_store, paths, write_list

pytestmark = pytest.mark.slow

READABLE = 4


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    make_images(folder)
    return folder


def as_list(here):
    return write_list(here, "plain.csv")


def as_tar(here):
    with tarfile.open(here / "images.tar", "w") as archive:
        for path in paths(here):
            archive.add(here / "images" / path, path)
    return here / "images.tar"


def as_parquet(here):
    pictures = [{"bytes": (here / "images" / path).read_bytes(), "path": path} for path in paths(here)]
    pq.write_table(pa.table({"image": pictures}), here / "images.parquet", row_group_size=7)
    return here / "images.parquet"


@pytest.mark.parametrize("made", [as_list, as_tar, as_parquet])
def test_originals_are_read_where_they_lie(here, made, serve):
    store = make_store(here, made(here), made.__name__, "--stages", "activations")
    serve(store)
    run = Store(store).open()
    path = run.image(READABLE)["path"]
    assert runs.original(run, READABLE) == (here / "images" / path).read_bytes()
    with photographs.decoded(run, READABLE) as photograph:
        assert photograph.size == (12, 12)
    broken = paths(here).index(f"{LABELS[BROKEN % 2]}/{BROKEN:04}.png")
    assert runs.table(run, "problems")["image_id"].to_pylist() == [broken]


def test_other_bytes_are_not_shown(here, serve):
    store = make_store(here, as_tar(here), "changed", "--stages", "activations")
    with tarfile.open(here / "images.tar", "w") as archive:
        for path in paths(here):
            member = tarfile.TarInfo(path)
            member.size = 6
            archive.addfile(member, io.BytesIO(b"secret"))
    serve(store)
    with pytest.raises(ValueError, match="no longer the one that made the store"):
        runs.original(Store(store).open(), READABLE)


@pytest.mark.parametrize("name", ["passwords.csv", "passwords.parquet", "passwords.tar", "none.csv"])
def test_what_stands_in_a_file_that_a_manifest_names_is_not_said(here, serve, tmp_path, name):
    store = make_store(here, here / "images", "folder", "--stages", "activations")
    serve(store)
    run = Store(store).open()
    if name.endswith("parquet"):
        pq.write_table(pa.table({"hunter2": ["toor"]}), tmp_path / name)
    elif not name.startswith("none"):
        (tmp_path / name).write_text("user,hunter2\nroot,toor\n")
    asked = altered(run, images={**run.manifest.images, "spec": str(tmp_path / name)})
    with pytest.raises(ValueError, match="the server's log says why") as caught:
        runs.original(asked, READABLE)
    assert "hunter2" not in str(caught.value)


def test_nothing_is_downloaded_for_a_manifest(here, serve, monkeypatch, tmp_path):
    asked_for = []
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda self: asked_for.append(self.root), raising=True)
    store = make_store(here, here / "images", "folder", "--stages", "activations")
    serve(store)
    for spec in ("torchvision:CIFAR10", "hf:org/name", "s3://bucket/photos"):
        with pytest.raises(ValueError, match=r"log says why|not downloaded|--originals"):
            runs.source(spec)
    assert asked_for == []


def test_what_pages_show_is_kept_up_to_its_share(store, serve):
    serve(store, visitors_mb=1)
    run, made = Store(store).open(), []

    def picture(number):
        return runs.kept(run, ("picture", number), lambda: made.append(number) or bytes(20_000))

    # Of a megabyte, 2/32 are 64 KB: three of these.
    for number in (0, 1, 2, 0, 3, 0, 1):
        assert len(picture(number)) == 20_000
    assert made == [0, 1, 2, 3, 1]
    assert runs.hits(run, "0").nbytes and runs.hits(run, "0") is runs.hits(run, "0")
