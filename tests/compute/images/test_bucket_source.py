"""Images in object storage, against moto's server on loopback."""

import pytest

from compute.__main__ import main
from compute.images.sources import Item, NotAllowed, Reach, Unreachable, open_source
from compute.pipeline.job import image_digests
from compute.reports.drawing.run_images import read_original
from compute.runtime.progress import Progress
from dashboard.data import runs
from featurestore.objects.changes import Changes
from featurestore.reader import Store
from tests.support.page_app import serve
from tests.support.servers.object_storage import object_storage
from tests.support.stores.listed import make_images, make_store, paths

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def storage():
    with object_storage() as server:
        yield server


@pytest.fixture(autouse=True)
def environment(storage, monkeypatch, tmp_path):
    storage.use(monkeypatch, tmp_path / "here")


@pytest.fixture
def bucket(storage, tmp_path):
    """The place of the images of `make_images`, which lie in tmp_path too."""
    make_images(tmp_path)
    place = storage.place("photos/all")
    for path in [*paths(tmp_path), ".hidden/1.png", "notes.txt"]:
        file = tmp_path / "images" / path
        Changes(place.bucket).put(f"{place.key}/{path}", file.read_bytes() if file.exists() else b"x")
    return place


def test_objects_below_a_prefix_are_a_folder(bucket, tmp_path):
    source, folder = open_source(f"{bucket}/"), open_source(str(tmp_path / "images"))
    assert source.items == folder.items and source.spec == str(bucket)
    assert all(source.read(item.path) == folder.read(item.path) for item in folder.items)
    for path in ("moth/none.png", "../all/moth/0000.png", "/moth/0000.png"):
        with pytest.raises(ValueError, match=r"no object|does not lie in"):
            source.read(path)
    below = open_source(f"{bucket}/moth").items
    assert below[0] == Item("0000.png") and len(below) == 20


def test_a_store_of_a_bucket_is_that_of_the_folder(bucket, tmp_path):
    stores = [
        make_store(tmp_path, images, name)
        for name, images in (("folder", tmp_path / "images"), ("bucket", str(bucket)))
    ]
    tables = [{file.name: file.read_bytes() for file in each.glob("runs/*/*.parquet")} for each in stores]
    assert tables[0] == tables[1] and len(tables[0]) > 10
    run = Store(stores[1]).open()
    assert run.manifest.images["spec"] == str(bucket)
    assert read_original(run, 3) == (tmp_path / "images" / run.image(3)["path"]).read_bytes()


def test_a_server_reads_from_a_bucket_where_its_operator_says_so(bucket, tmp_path, monkeypatch):
    store = make_store(tmp_path, str(bucket), "bucket", "--stages", "activations")
    run = Store(store).open()
    for allowed in ((), (f"{bucket}/mo",), ("s3://other",)):
        serve(monkeypatch, store, originals=allowed)
        with pytest.raises(NotAllowed, match="--originals"):
            runs.original(run, 3)
    for allowed in (str(bucket), f"{bucket.parent}/"):
        serve(monkeypatch, store, originals=(allowed,))
        assert runs.original(run, 3) == (tmp_path / "images" / run.image(3)["path"]).read_bytes()
    with pytest.raises(NotAllowed):
        open_source(str(bucket), Reach((str(tmp_path),)))


def test_a_server_that_does_not_answer_makes_no_image_unreadable(
    bucket, storage, monkeypatch, tmp_path, capsys
):
    source = open_source(str(bucket))
    items = source.items
    monkeypatch.setattr(
        storage, "before", lambda method, path: "403 AccessDenied" if path.endswith("0008.png") else None
    )
    with pytest.raises(Unreachable, match="denies access"), Progress().stage("reading", len(items)) as stage:
        image_digests(source, items, stage)
    command = ["store", "--model", f"{tmp_path / 'network.py'}:net", "--size", "12", "--images", str(bucket)]
    assert main([*command, "--store", str(tmp_path / "store"), "--device", "cpu"]) == 2
    assert "0008.png" in capsys.readouterr().err and not (tmp_path / "store").exists()


def test_what_is_not_there(storage, bucket):
    with pytest.raises(ValueError, match=r"no images in .*: it is empty"):
        _ = open_source(f"{bucket.parent}/none").items
    with pytest.raises(Unreachable, match="no such bucket"):
        _ = open_source("s3://no-such-bucket/photos").items
    with pytest.raises(ValueError, match="S3 takes a prefix"):
        open_source(f"{bucket}/list.csv")
    with pytest.raises(ValueError, match="no address"):
        open_source("s3://A/../b")
