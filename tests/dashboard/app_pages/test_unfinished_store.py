"""A store that is being made, or was left unfinished: the others are shown, its progress is said."""

import shutil

import pytest

from compute.runtime.progress import Progress
from featurestore.layout import CURRENT, MANIFEST, PROGRESS
from featurestore.manifest import Manifest, read_manifest
from featurestore.reader import Store
from featurestore.writing.run_writer import RunWriter
from tests.support.page_app import fine, query_of, show, words
from tests.support.stores.served import copied_store, write_served_store

pytestmark = pytest.mark.slow


@pytest.fixture
def unfinished(copied):
    """A store called "aaa", which comes first, as its writer leaves it before the commit."""
    path = copied.rename(copied.with_name("aaa"))
    (path / CURRENT).unlink()
    for folder in (path / "runs").iterdir():
        (folder / MANIFEST).unlink()
    return path


def test_the_first_store_that_can_be_read_is_shown(unfinished, store, serve):
    serve(unfinished, store)
    app = fine(show("overview"))
    assert query_of(app)["store"] == "digits"
    assert app.selectbox(key="overview.store").options == ["aaa (not finished)", "digits"]


def test_a_damaged_store_is_passed_over_as_well(copied, store, serve):
    path = copied.rename(copied.with_name("aaa"))
    (path / CURRENT).write_text("nothing\n")
    serve(path, store)
    assert query_of(fine(show("map")))["store"] == "digits"


def made(store, time):
    """The store, whose run is said to have been made at that time."""
    folder = store / "runs" / Store(store).current()
    manifest = read_manifest(folder)
    fields = {name: getattr(manifest, name) for name in Manifest.__dataclass_fields__}
    fields["notes"] = {"created": time} if time else {}
    (folder / MANIFEST).write_bytes(Manifest(**fields).to_bytes())
    return store


def test_the_store_that_was_finished_first_is_shown_where_none_is_asked_for(serve, tmp_path):
    late, early, timeless = (tmp_path / "all" / name for name in ("a", "b", "c"))
    for store, time in ((late, "2026-03-01"), (early, "2026-02-01"), (timeless, "")):
        made(copied_store(store), time)
    serve(tmp_path / "all")
    assert query_of(fine(show("overview")))["store"] == "b"
    write_served_store(early, "--limit", "9", "--stages", "activations,neighbors")
    assert query_of(fine(show("overview")))["store"] == "b", "after it is regenerated"
    serve(timeless, tmp_path / "all")
    assert query_of(fine(show("overview")))["store"] == "c", "where the command line names it first"


def test_a_store_that_is_being_made_says_how_far_it_is_and_then_is_shown(unfinished, store, serve, tmp_path):
    serve(unfinished, store)
    (name,) = Store(unfinished).unfinished()
    writer, progress = RunWriter(unfinished, name), Progress(stream=(tmp_path / "log").open("w"))
    with progress.kept_in(writer.folder / PROGRESS), progress.stage("occlusion", 1700) as stage:
        stage.skip(320)
        stage.close()
        app = fine(show("map", {"store": "aaa"}))
        assert "Store aaa is being made" in words(app) and "occlusion    320/1700 images" in app.code[0].value
        assert "make store" not in words(app) and "--model" not in words(app)
        assert [each.label for each in app.button] == ["Show digits"]
    assert not (writer.folder / PROGRESS).exists()
    source = Store(store).open()
    shutil.copytree(source.folder, writer.folder, dirs_exist_ok=True)
    (unfinished / CURRENT).write_text(f"{source.fingerprint}\n")
    app = fine(app.run())
    assert app.header[0].value == "Map" and query_of(app)["store"] == "aaa"


def test_a_store_that_was_left_unfinished_names_no_command_of_another_model(unfinished, serve):
    serve(unfinished)
    app = fine(show("overview"))
    assert "Store aaa is not finished" in words(app) and "`make" not in words(app)
