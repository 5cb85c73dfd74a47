"""Stores in object storage, against moto's server on loopback."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from compute.__main__ import main
from compute.methods.synthesis.ascent import Ascent
from compute.pipeline.stages import showcase
from dashboard.__main__ import main as serve
from dashboard.data import runs, selections
from dashboard.server.routes.of_runs import make_routes
from dashboard.settings import VARIABLE, Settings, find_stores
from dashboard.views import urls
from featurestore import __main__ as command
from featurestore.errors import Damaged, NotComputed, Unavailable
from featurestore.files import vector_cache
from featurestore.files.shard import Shard
from featurestore.layout import MANIFEST, RUNS
from featurestore.objects import bucket, changes, parts
from featurestore.objects.bucket import Bucket
from featurestore.objects.changes import Changes
from featurestore.objects.connection import Connection
from featurestore.objects.path import ObjectPath
from featurestore.objects.writer import ObjectRunWriter
from featurestore.places import beside
from featurestore.query.asking import ask
from featurestore.reader import Store
from featurestore.upkeep.prune import prune
from featurestore.upkeep.verify import verify
from featurestore.writing.opening import open_writer
from tests.support import ROOT
from tests.support.servers.object_storage import object_storage
from tests.support.stores.copied_run import copy_run, fields_of
from tests.support.stores.full import write_full_store
from tests.support.stores.served import served_store

pytestmark = pytest.mark.slow

RUN = "run1"
WRITERS = 16


@pytest.fixture(scope="module")
def storage():
    with object_storage() as server:
        yield server


@pytest.fixture(autouse=True)
def environment(storage, monkeypatch, tmp_path):
    storage.use(monkeypatch, tmp_path / "here")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run in a folder, with all tables."""
    path = tmp_path_factory.mktemp("stores") / "full"
    write_full_store(path, RUN)
    return Store(path).open()


@pytest.fixture
def there(storage, here):
    """The place of a store in object storage with that very run."""
    place = storage.place()
    copy_run(here, place)
    return place


def run_at(place, name):
    return place / RUNS / RUN / name


def change(place, content):
    """Somebody else's doing."""
    Changes(place.bucket).put(place.key, content)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def objects(place):
    found = place.bucket.objects(place.key)
    return {each.key.removeprefix(f"{place.key}/"): place.bucket.read(each.key) for each in found}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_shards(answered):
    return [each for each in answered if each.path.endswith(".parquet")]


def in_column(run, file, column, group=0):
    """An offset within a column's bytes of a row group."""
    metadata = Shard(run.folder / file, run.manifest.files[file])._file.metadata.row_group(group)
    chunks = [metadata.column(leaf) for leaf in range(metadata.num_columns)]
    (chunk,) = (chunk for chunk in chunks if chunk.path_in_schema == column)
    return chunk.data_page_offset + chunk.total_compressed_size // 2


def test_what_is_read_is_what_the_folder_says(here, there):
    run = Store(str(there)).open()
    assert run.manifest == here.manifest and run.tables() == here.tables()
    for name in run.tables():
        assert run.table(name).equals(here.table(name))
    last = here.image_count - 1
    assert run.rows("images", [last, 0, 3]).equals(here.rows("images", [last, 0, 3]))
    assert run.thumbnail(4) == here.thumbnail(4) and run.image(3) == here.image(3)
    assert np.array_equal(vector_cache.features(run), here.features(), equal_nan=True)
    assert vector_cache.cache_path(run).is_relative_to(beside(there))
    with pytest.raises(ValueError, match="unknown space 'x' in table 'neighbors'; there are feature"):
        run.neighbors("x", 0)
    assert objects(there) == files(here.folder.parents[1])


def test_the_pipeline_writes_the_same_bytes_and_mends_them(storage, tmp_path, capsys):
    place, folder = storage.place("several/digits"), tmp_path / "digits"
    options = "--model digits --images digits --limit 12 --stages activations --device cpu --threads 1"
    made = ["store", *options.split(), "--store"]
    assert main([*made, str(folder)]) == 0 and main([*made, str(place)]) == 0
    run = Store(place).open()
    assert run.manifest.files == Store(folder).open().manifest.files
    laid_out = {name for name in files(folder) if name.startswith("cache/")}
    assert len(laid_out) == 1 and objects(place).keys() == files(folder).keys() - laid_out
    assert files(beside(place) / "writing") == {}
    name = f"{RUNS}/{run.fingerprint}/images-00000.parquet"
    change(place / name, flipped(objects(place)[name], 500))
    with storage.meanwhile() as answered:
        assert main([*made, str(place)]) == 0
    assert f"repaired 1 files of run {run.fingerprint}: images-00000" in capsys.readouterr().err
    assert [
        each.path.rpartition("/")[2]
        for each in answered
        if each.method == "PUT" and each.status == 200 and ".npz" not in each.path
    ] == ["images-00000.parquet"]
    assert verify(place) == [] and Store(place).open().manifest == run.manifest
    assert main([*made, str(place)]) == 0 and "nothing to compute" in capsys.readouterr().out


@pytest.mark.parametrize("first", ["activations", "activations,showcase"])
def test_a_run_there_gains_pictures_of_channels(storage, tmp_path, monkeypatch, first):
    """Also one that is made with them at once: it is committed without them, and then with them."""
    monkeypatch.setattr(showcase, "METHOD", Ascent(iterations=1))
    place, folder = storage.place(f"shown/{first.count(',')}"), tmp_path / "digits"
    options = "--model digits --images digits --limit 12 --device cpu --threads 1"
    made = ["store", *options.split(), "--store"]
    layers = ["--stages", "activations,showcase", "--showcase-layers", "conv1"]
    assert main([*made, str(folder), *layers]) == 0
    named = layers if first != "activations" else ["--stages", first]
    for given in (named, layers):
        assert main([*made, str(place), *given]) == 0
    run = Store(place).open()
    assert run.manifest.files == Store(folder).open().manifest.files and verify(place) == []
    assert run.table("showcase").equals(Store(folder).open().table("showcase"))
    assert files(beside(place) / "writing") == {}
    change(place / RUNS / run.fingerprint / "showcase-00001.parquet", b"nothing")
    assert main([*made, str(place), "--stages", "activations"]) == 0
    assert verify(place) == [] and Store(place).open().manifest == run.manifest


@pytest.mark.parametrize("number", [1, 9, "manifest", "CURRENT"])
def test_a_writer_killed_in_mid_upload_goes_on_elsewhere(storage, here, monkeypatch, tmp_path, number):
    place, shards = storage.place(), len(here.manifest.files)
    at = {"manifest": shards + 1, "CURRENT": shards + 2}.get(number, number)
    killed = subprocess.Popen(
        [sys.executable, "-m", "tests.support.stores.copied_run", here.folder.parents[1], str(place)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    puts = []

    def kill(method, path):
        if method == "PUT":
            puts.append(path)
        if len(puts) == at:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            return "500 Killed"

    storage.before = kill
    assert killed.wait(60) == -signal.SIGKILL
    storage.before = lambda method, path: None
    place.bucket.forget()
    assert len(objects(place)) == at - 1
    if number == "CURRENT":
        assert Store(place).runs() == [RUN]
    elif number != 1:
        assert Store(place).runs() == [] and Store(place).unfinished() == [RUN]
    monkeypatch.setenv(parts.FOLDER, str(tmp_path / "elsewhere"))
    with storage.meanwhile() as answered:
        copy_run(here, place)
    assert len([each for each in of_shards(answered) if each.method == "PUT"]) == max(0, shards - at + 1)
    assert objects(place) == files(here.folder.parents[1])


def test_what_was_written_here_but_not_brought_up_is_brought_up(storage, here):
    place, name = storage.place(), "images-00000.parquet"
    writer = open_writer(place, RUN)
    (writer.folder / name).write_bytes((here.folder / name).read_bytes())
    (writer.folder / "features-00000.parquet").write_bytes(b"PAR1 half")
    assert writer.drop_damaged() == ["features-00000.parquet"]
    assert writer.has_shard("images", 0) and not writer.has_shard("features", 0)
    assert list(objects(place)) == [f"{RUNS}/{RUN}/{name}"]


def race(place, tmp_path, commit):
    """What each of 16 writers, as on machines of their own, got: a manifest or an error."""
    start = threading.Barrier(WRITERS)

    def one(number):
        writer = ObjectRunWriter(place, RUN, tmp_path / str(number))
        try:
            return commit(writer, number, start)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


def test_one_of_sixteen_commits_wins_and_all_see_its_run(storage, here, tmp_path):
    place, name = storage.place(), "images-00000.parquet"
    rows = here.table("images")

    def commit(writer, number, start):
        writer.write_shard("images", 0, rows)
        start.wait()
        return writer.commit(fields_of(here) | {"notes": {"writer": number}})

    with storage.meanwhile() as answered:
        manifests = race(place, tmp_path, commit)
    asked = [each.status for each in answered if each.method == "PUT" and each.path.endswith(MANIFEST)]
    assert sorted(asked) == [200] + [412] * (WRITERS - 1)
    assert [each for each in manifests if each != manifests[0]] == []
    assert Store(place).open().manifest == manifests[0] and list(manifests[0].files) == [name]
    assert verify(place) == [] and Store(place).current() == RUN


def test_of_sixteen_writers_of_other_bytes_one_wins_and_the_others_are_told(storage, here, tmp_path):
    place, rows = storage.place(), here.table("images")

    def commit(writer, number, start):
        at, own = rows.schema.get_field_index("loss"), pa.array([float(number)] * len(rows), pa.float32())
        start.wait()
        writer.write_shard("images", 0, rows.set_column(at, rows.schema.field(at), own))
        return writer.commit(fields_of(here) | {"notes": {"writer": number}})

    found = race(place, tmp_path, commit)
    errors = [each for each in found if isinstance(each, ValueError)]
    assert len(errors) == WRITERS - 1
    assert all("there already, with other bytes" in str(each) for each in errors)
    run = Store(place).open()
    assert set(run.table("images")["loss"].to_pylist()) == {float(run.manifest.notes["writer"])}
    assert verify(place) == []


def test_the_manifest_is_only_added_to(storage, here, there):
    writer = open_writer(there, RUN)
    late = Without(there, RUN, "features-00000.parquet")
    assert late.commit(fields_of(here)) == here.manifest  # what the listing lacked is asked for
    assert writer.commit(fields_of(here)) == here.manifest


class Without(ObjectRunWriter):
    """A writer that doesn't see one of the run's objects."""

    def __init__(self, place, fingerprint, hidden):
        super().__init__(place, fingerprint, beside(place) / "another")
        self._hidden = hidden

    def _names_up(self):
        return super()._names_up() - {self._hidden}


def test_damage_is_noticed_with_file_and_row_group(here, there, capsys):
    run = Store(there).open()
    place = run_at(there, "features-00000.parquet")
    content = place.read_bytes()
    change(place, flipped(content, in_column(here, "features-00000.parquet", "feature.list.element")))
    with pytest.raises(Damaged, match=r"features-00000.parquet, row group 0, column feature.list.element"):
        run.features()
    assert len(run.table("images")) == here.image_count
    assert next(each.where for each in verify(there)) == f"{RUNS}/{RUN}/features-00000.parquet"
    assert command.main(["verify", str(there)]) == 1 and "checksum" in capsys.readouterr().out
    change(place, content)
    assert np.array_equal(run.features(), here.features(), equal_nan=True)
    change(place, content[:-1])
    with pytest.raises(Damaged, match=f"the footer: it has {len(content) - 1} bytes, not {len(content)}"):
        clean_cache(), Store(there).open().features()
    Changes(place.bucket).remove([place.key])
    with pytest.raises(Damaged, match=r"features-00000.parquet"):
        Store(there).open().features()
    assert (f"{RUNS}/{RUN}/features-00000.parquet", "file is missing") in {
        (each.where, each.what) for each in verify(there)
    }
    change(run_at(there, MANIFEST), flipped(run_at(there, MANIFEST).read_bytes(), 200))
    with pytest.raises(ValueError, match=r"manifest.json"):
        Store(there).open()


def test_questions_in_sql_are_answered_from_there_and_notice_damage(here, there):
    sql = "select label, count(*) as images from images group by label order by label"
    assert ask(str(there), sql).table == ask(here.folder.parents[1], sql).table
    place = run_at(there, "images-00000.parquet")
    content = place.read_bytes()
    change(place, flipped(content, in_column(here, "images-00000.parquet", "label")))
    clean_cache()
    with pytest.raises(ValueError, match=r"images-00000.parquet"):
        ask(str(there), sql)


def clean_cache():
    for path in parts.parts().folder.rglob("*/*"):
        path.unlink()


def test_a_second_read_asks_for_nothing(storage, here, there):
    with storage.meanwhile() as first:
        run = Store(there).open()
        images = run.table("images", ["path"])
        run.thumbnail(0)
    assert of_shards(first) and {each.method for each in of_shards(first)} == {"HEAD", "GET"}
    with storage.meanwhile() as second:
        run.table("images", ["path"]), run.thumbnail(0)
    assert second == []
    there.bucket.forget()
    with storage.meanwhile() as in_another_process:
        again = Store(there).open()
        assert again.table("images", ["path"]).equals(images)
    assert of_shards(in_another_process) == []
    read = [each for each in in_another_process if each.method == "GET" and each.path.endswith(MANIFEST)]
    assert read == []


def test_damaged_parts_on_the_disk_are_fetched_again(storage, here, there):
    run = Store(there).open()
    run.table("images")
    for path in parts.parts().folder.rglob("*/*"):
        content = path.read_bytes()
        path.write_bytes(flipped(content, len(content) // 2) if len(content) % 2 else content[:-1])
    with storage.meanwhile() as answered:
        assert Store(there).open().table("images").equals(here.table("images"))
    assert of_shards(answered)
    with storage.meanwhile() as answered:
        Store(there).open().table("images")
    assert of_shards(answered) == []


def test_parts_used_longest_ago_go(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "limit_bytes", lambda: 1000)
    monkeypatch.setenv(parts.FOLDER, str(tmp_path))
    for number in range(24):
        parts.put(f"{number:02}", bytes(90))
        os.utime(tmp_path / "parts" / f"{number:02}" / f"{number:02}", ns=(number, number))
    there = [number for number in range(24) if parts.get(f"{number:02}", lambda content: True) is not None]
    assert there == list(range(24 - len(there), 24)) and 9 <= len(there) <= 11
    assert parts.parts().total_bytes() == 90 * len(there)
    parts.put("large", bytes(1001))
    assert parts.get("large", lambda content: True) is None
    assert parts.get("23", lambda content: False) is None and not (tmp_path / "parts" / "23" / "23").exists()
    assert (tmp_path / "parts").stat().st_mode & 0o077 == 0


def test_without_room_on_the_disk_it_is_read_all_the_same(here, there, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("where the folder would be")
    monkeypatch.setenv(parts.FOLDER, str(tmp_path / "file"))
    assert Store(there).open().table("images").equals(here.table("images"))
    monkeypatch.setenv(parts.MEGABYTES, "many")
    with pytest.raises(ValueError, match="FEATURESCOPE_CACHE_MB is 'many'"):
        Store(there).open()


def test_prune_keeps_what_was_written_of_late(here, there, capsys, tmp_path):
    for name in ("run2", "run3"):
        copy_run(here, there, open_writer(there, name))
    open_writer(there, "half").write_shard("images", 0, here.table("images"))
    vector_cache.features(Store(there).open(RUN))
    assert command.main(["info", str(there), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["current"] == "run3" and len(said["runs"]) == 3 and said["unfinished"] == ["half"]
    assert prune(there).removed == ()
    assert "who has it open can't be told" in prune(there).kept["run2"]
    links = beside(there) / "links"
    links.mkdir()
    (links / "abc.json").write_text('{"run": "run2"}')
    done = prune(there, older_than=0, dry_run=True)
    assert {each.where for each in done.removed} >= {f"{RUNS}/{RUN}", f"{RUNS}/half"}
    assert done.kept == {"run2": "named by the short link abc.json", "run3": "current"}
    assert len(Store(there).runs()) == 3
    options = ["--older-than", "0", "--linked-too", "--findings", str(links)]
    assert command.main(["prune", str(there), *options]) == 0
    assert Store(there).runs() == ["run3"] and Store(there).unfinished() == []
    assert not vector_cache.cache_path(here).exists() and list((beside(there) / "cache").iterdir()) == []
    assert verify(there) == []


def test_prune_lets_be_what_this_machine_writes(here, there):
    """Also in the scratch folder, however old it seems."""
    writer = open_writer(there, "half")
    writer.write_shard("images", 0, here.table("images").slice(0, 20))
    said = prune(there, older_than=-1, dry_run=True)
    done = prune(there, older_than=-1)
    assert said == done and done.removed == ()
    assert done.kept["half"] == "being written on this machine"
    assert set(done.left.values()) == {"open, or being written"} and writer.folder.is_dir()
    copy_run(here, there, writer)
    assert Store(there).current() == "half" and verify(there) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://no-such-bucket/store", "s3://no-such-bucket: there is no such bucket"),
        ("s3://A/x", "no address in object storage"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://bucket/../b", "a dot"),
    ],
)
def test_addresses_that_lead_nowhere_are_said(address, message, capsys):
    with pytest.raises(ValueError, match=message):
        ObjectPath.parse(address).bucket.check()
    assert command.main(["info", address]) == 2
    assert main(["store", "--store", address]) != 0
    assert message.split(":")[-1] in capsys.readouterr().err


def test_what_is_refused_or_silent_is_said(storage, there, monkeypatch, capsys):
    there.bucket.forget()
    storage.before = lambda method, path: "403 AccessDenied"
    with pytest.raises(Unavailable, match=r"s3://bucket-\d+/store/runs: http.* denies access"):
        Store(there)
    with pytest.raises(Unavailable, match="denies access"):
        Changes(there.bucket).create("a", b"b")
    monkeypatch.setattr(bucket, "ATTEMPTS", 1)
    nobody = Bucket("bucket", Connection("http://127.0.0.1:1", "us-east-1"))
    with pytest.raises(Unavailable, match=r"s3://bucket/a: http://127.0.0.1:1 can't be reached"):
        nobody.read("a")
    monkeypatch.setattr(changes, "ATTEMPTS", 1)
    with pytest.raises(Unavailable, match=r"s3://bucket/a: http://127.0.0.1:1 can't be reached"):
        Changes(nobody).create("a", b"b")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")
    with pytest.raises(ValueError, match="AWS_ENDPOINT_URL is 'localhost'"):
        ObjectPath.parse("s3://bucket/a")


BUSY = r"manifest.json: http.* is busy, tried 3 times \(.*503.*nothing is known to be wrong"


def test_a_busy_server_is_asked_again_and_named(storage, there, capsys):
    store, refusals = Store(there), [1, 1]
    storage.before = lambda method, path: "503 SlowDown" if refusals and refusals.pop() else None
    there.bucket.forget()
    assert store.current() == RUN and not refusals
    storage.before = lambda method, path: (
        "503 ServiceUnavailable" if method == "HEAD" and path.endswith(MANIFEST) else None
    )
    there.bucket.forget()
    with pytest.raises(Unavailable, match=BUSY) as error:
        store.current()
    assert "CURRENT is wrong" not in str(error.value)
    there.bucket.forget()
    with pytest.raises(Unavailable, match=BUSY):
        verify(there)
    assert command.main(["verify", str(there)]) == 2 and "is busy" in capsys.readouterr().err
    storage.before = lambda method, path: "503 SlowDown" if path.endswith(".parquet") else None
    there.bucket.forget()
    with pytest.raises(Unavailable, match=r"parquet: .* is busy"):
        store.open().table("images")
    with pytest.raises(Unavailable, match="is busy"):
        Changes(there.bucket).stored(f"{there.key}/x.parquet")


def test_a_server_without_etags_is_read_and_named(storage, there, monkeypatch):
    answer = storage._answer

    def without(environ, start):
        def begin(status, headers, *rest):
            return start(status, [each for each in headers if each[0].lower() != "etag"], *rest)

        return answer(environ, begin)

    monkeypatch.setattr(storage, "_answer", without)
    assert Store(there).open().table("images").num_rows
    with pytest.raises(Unavailable, match="answers without an ETag"):
        Changes(there.bucket).stored((there / RUNS / RUN / MANIFEST).key)


def test_a_stale_answer_on_an_object_is_asked_again(storage, there, here, monkeypatch):
    writer, stale = open_writer(str(there), RUN), [None, None]
    stored = Changes.stored
    monkeypatch.setattr(Changes, "stored", lambda self, key: stale.pop() if stale else stored(self, key))
    writer.write_shard("problems", 0, here.table("problems"))
    assert not stale


def test_a_run_that_the_kept_listing_lacks_is_looked_for(storage, there):
    store = Store(there)
    assert store.runs() == [RUN]
    for key, (asked, answer) in list(there.bucket._answers.items()):
        there.bucket._answers[key] = asked, [] if answer == [RUN] else answer
    assert store.open(RUN).fingerprint == RUN


def test_an_answer_that_is_cut_off_is_no_server_that_is_away():
    said = "AWS Error NETWORK_CONNECTION during GetObject operation: curlCode: 18, Transferred a partial file"
    place = Connection("http://a.example").explained("s3://bucket/a")
    with (
        pytest.raises(Unavailable, match=r"a\.example sends is cut off .* nothing is known to be wrong"),
        place,
    ):
        raise OSError(said)


def test_a_silent_server_is_given_up(monkeypatch):
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(bucket, "ATTEMPTS", 1)
        monkeypatch.setattr(bucket, "SILENCE_SECONDS", 1)
        asleep = Bucket("bucket", Connection(f"http://127.0.0.1:{silent.getsockname()[1]}", "us-east-1"))
        with pytest.raises(Unavailable, match="can't be reached"):
            asleep.read("a")


def test_bytes_changed_on_the_way_are_refused(storage, monkeypatch):
    place = storage.place()
    monkeypatch.setattr(changes, "_sha256", lambda content: bytes(32))
    with pytest.raises(Unavailable, match="BadDigest"):
        Changes(place.bucket).create(f"{place.key}/a", b"content")
    assert objects(place) == {}


def test_writing_without_botocore_says_what_to_install(there, monkeypatch):
    changes._client.cache_clear()
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-s3.txt"):
        open_writer(there, RUN)
    assert Store(there).open().fingerprint == RUN
    gc.collect()


def page(name, **query):
    app = AppTest.from_file(str(ROOT / "dashboard/app_pages/shell.py"), default_timeout=60)
    app.switch_page(f"{name}.py")
    for key, value in query.items():
        app.query_params[key] = str(value)
    return app.run()


def fine(app):
    assert not app.exception and [each.value for each in app.error] == []
    return app


def test_pages_and_routes_read_from_there(storage, monkeypatch):
    place = storage.place("team/digits")
    served = Store(served_store()).open()
    copy_run(served, place)
    settings = Settings((str(place.parent),), "cpu", results_mb=1)
    said = {}
    settings.write(said)
    monkeypatch.setenv(VARIABLE, said[VARIABLE])
    st.cache_resource.clear()
    try:
        assert find_stores([str(place.parent)]) == find_stores([str(place)]) == {"digits": place}
        assert served.fingerprint in fine(page("image", image=3)).query_params["run"]
        for name in ("overview", "map", "neighbors", "channels"):
            fine(page(name))
        chosen = selections.keep("digits", np.array([1, 2]))
        assert [each.name for each in (beside(place) / "selections").iterdir()] == [chosen]
        st.cache_resource.clear()
        place.bucket.forget()
        with storage.meanwhile() as answered:
            fine(page("image", image=3))
        assert of_shards(answered) == []
        client = TestClient(Starlette(routes=make_routes(runs.open_run)))
        asked = urls.thumbnail("digits", served.fingerprint, 3)
        assert client.get(asked).content == served.thumbnail(3)
        place.bucket.forget()
        storage.before = lambda method, path: "403 AccessDenied"
        assert client.get(asked).status_code == 200  # from the disk
        st.cache_resource.clear()
        assert client.get(asked).status_code == 500
        assert "denies access" in page("image").error[0].value
    finally:
        st.cache_resource.clear()


def test_a_dashboard_over_no_bucket_does_not_start(capsys):
    assert serve(["--stores", "s3://no-such-bucket/stores"]) == 2
    assert "error: s3://no-such-bucket: there is no such bucket" in capsys.readouterr().err


def test_a_run_that_another_process_publishes_is_seen_within_moments(here, there, monkeypatch):
    assert Store(there).current() == RUN
    elsewhere = ObjectPath(Bucket(there.bucket.name, there.bucket.connection), there.key)
    copy_run(here, elsewhere, ObjectRunWriter(elsewhere, "run2"))
    assert Store(there).current() == RUN
    monkeypatch.setattr(bucket, "FRESH_SECONDS", 0)
    assert Store(there).current() == "run2" and Store(there).runs() == [RUN, "run2"]


def test_a_new_place_of_the_images_is_seen_while_the_server_runs(storage, there, monkeypatch):
    assert "spec" not in runs.run_at(str(there), RUN).manifest.images
    manifest = Store(there).open().manifest
    change(run_at(there, MANIFEST), replace(manifest, images={**manifest.images, "spec": "moved"}).to_bytes())
    monkeypatch.setattr(bucket, "FRESH_SECONDS", 0)
    opened = runs.run_at(str(there), RUN)
    assert opened.manifest.images["spec"] == "moved"
    # A server that is busy takes no opened run away.
    storage.before = lambda method, path: "503 SlowDown"
    assert runs.run_at(str(there), RUN) is opened


def test_what_is_not_computed_is_said_with_the_address(storage, here):
    place = storage.place()
    writer = open_writer(place, RUN)
    writer.write_shard("images", 0, here.table("images"))
    with pytest.raises(ValueError, match="no finished run yet"):
        Store(place).open()
    writer.commit(fields_of(here))
    with pytest.raises(NotComputed, match=f"make store STORE={place}"):
        Store(place).open().features()
