"""Pruning: what goes, what stays and why, and a crash at every step of it."""

import gc
import json
import os
import shutil
import threading
import time

import pytest

from featurestore.__main__ import main
from featurestore.files import locks, vector_cache
from featurestore.files.atomic import publish
from featurestore.reader import Store
from featurestore.upkeep.prune import prune
from featurestore.upkeep.verify import verify
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import write_full_store

pytestmark = pytest.mark.slow

RUNS = ("run1", "run2", "run3", "run4")
DAYS = 24 * 3600


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made")
    for name in RUNS:
        write_full_store(path, name)
    return path


@pytest.fixture
def store(made, tmp_path):
    """A copy with four runs, the oldest first, run4 current."""
    shutil.copytree(made, tmp_path / "store")
    for age, name in enumerate(reversed(RUNS)):
        manifest = tmp_path / "store" / "runs" / name / "manifest.json"
        os.utime(manifest, (time.time() - age * DAYS,) * 2)
    return tmp_path / "store"


def grow_old(path, days=2):
    for each in (*path.rglob("*"), path):
        os.utime(each, (time.time() - days * DAYS,) * 2)


def grow_old_itself(path, days=2):
    """Of a link the link, not what it leads to."""
    for each in (*path.rglob("*"), path):
        os.utime(each, (time.time() - days * DAYS,) * 2, follow_symlinks=False)


def removed(store, **options):
    return [each.where for each in prune(store, **options).removed]


def test_old_runs_go_and_the_current_one_stays(store):
    assert removed(store) == ["runs/run1", "runs/run2", "runs/run3"]
    assert Store(store).runs() == ["run4"] and verify(store) == []
    assert removed(store) == []


def test_a_dry_run_says_the_same_and_removes_nothing(store):
    vector_cache.features(Store(store).open("run1"))
    gc.collect()
    before = sorted(store.rglob("*"))
    said = prune(store, dry_run=True)
    assert sorted(store.rglob("*")) == before
    assert said == prune(store) and sorted(store.rglob("*")) != before
    run = sum(path.stat().st_size for path in (store / "runs" / "run4").iterdir())
    assert [each.where for each in said.removed] == ["runs/run1", "runs/run2", "runs/run3", "cache/run1"]
    assert said.removed[1].bytes == pytest.approx(run, rel=0.01) and said.bytes > 3 * run


@pytest.mark.parametrize(("keep", "left"), [(0, 1), (1, 1), (2, 2), (4, 4), (9, 4)])
def test_the_newest_stay(store, keep, left):
    prune(store, keep=keep)
    assert Store(store).runs() == list(RUNS[-left:])


def test_the_current_run_stays_however_old(store):
    (store / "CURRENT").write_text("run1\n")
    assert removed(store) == ["runs/run2", "runs/run3"]
    assert Store(store).current() == "run1"


def test_an_open_run_stays_and_can_be_read_to_its_end(store):
    run = Store(store).open("run2")
    done = prune(store)
    assert [each.where for each in done.removed] == ["runs/run1", "runs/run3"]
    assert done.kept["run2"] == "open, or being written"
    assert len(run.table("neighbors")) > 0 and run.image(59)["image_id"] == 59
    del run
    assert removed(store) == ["runs/run2"]


def test_a_run_named_by_a_finding_stays(store, tmp_path):
    findings = tmp_path / "findings"
    findings.mkdir()
    (findings / "cats.toml").write_text('format = 1\nrun = "run1"\n')
    (findings / "broken.toml").write_text('other_run = "run3')
    done = prune(store, findings=findings)
    assert [each.where for each in done.removed] == ["runs/run2"]
    assert done.kept["run1"] == "named by the finding cats.toml"


def test_a_run_named_by_a_short_link_stays_unless_told_so(store):
    (store / "links").mkdir()
    (store / "links" / "abc.json").write_text(json.dumps({"page": "map", "query": {"run": "run2"}}))
    assert removed(store) == ["runs/run1", "runs/run3"]
    assert removed(store, links=False) == ["runs/run2"]


def test_unfinished_runs_go_once_they_are_old_and_nobody_writes_them(store):
    writer = RunWriter(store, "half")
    grow_old(writer.folder)
    assert prune(store, keep=4).kept["half"] == "open, or being written"
    del writer
    assert removed(store, keep=4) == ["runs/half"]
    RunWriter(store, "half")
    assert prune(store, keep=4).kept["half"] == "unfinished, but of late"


def test_temporary_files_go_once_they_are_old(store):
    for place in ("runs/run4", "cache/run4", "selections"):
        (store / place).mkdir(parents=True, exist_ok=True)
        (store / place / ".tmp-old").write_bytes(b"12345")
        grow_old(store / place)
        (store / place / ".tmp-new").write_bytes(b"1")
    left = [f"{place}/.tmp-old" for place in ("cache/run4", "runs/run4", "selections")]
    assert removed(store, keep=4) == left
    assert len(list(store.rglob(".tmp-new"))) == 3


def both(store, **options):
    """What a run says, once a dry run has said the same and removed nothing."""
    before = sorted(store.rglob("*"))
    said = prune(store, dry_run=True, **options)
    assert sorted(store.rglob("*")) == before
    done = prune(store, **options)
    assert said == done and not [each.where for each in done.removed if os.path.lexists(store / each.where)]
    return done


def test_a_run_that_is_a_link_goes_and_what_it_leads_to_stays(store, made, tmp_path):
    other = tmp_path / "archive" / "store"
    shutil.copytree(made, other)
    for name in ("run1", "run2"):
        shutil.rmtree(store / "runs" / name)
        (store / "runs" / name).symlink_to(other / "runs" / name)
    (other / "runs" / "run2" / "manifest.json").unlink()
    grow_old(other)
    done = both(store, keep=2)
    assert {each.where: (each.why, each.bytes) for each in done.removed} == {
        "runs/run1": ("link to an old run", 0),
        "runs/run2": ("link to an unfinished run", 0),
    }
    (other / "runs" / "run2").rename(tmp_path / "half")
    assert Store(other).runs() == ["run1", "run3", "run4"] and verify(other) == []


def test_a_linked_run_that_is_open_stays(store, made, tmp_path):
    shutil.copytree(made / "runs" / "run1", tmp_path / "elsewhere" / "run1")
    shutil.rmtree(store / "runs" / "run1")
    (store / "runs" / "run1").symlink_to(tmp_path / "elsewhere" / "run1")
    run = Store(store).open("run1")
    assert both(store).kept["run1"] == "open, or being written" and run.image_count
    del run


def test_runs_of_a_store_whose_runs_lie_elsewhere_stay(store, tmp_path):
    (store / "runs").rename(tmp_path / "runs")
    (store / "runs").symlink_to(tmp_path / "runs")
    (store / "cache").symlink_to(tmp_path)
    done = both(store)
    assert not done.removed and "runs is a link" in done.kept["run1"]
    assert Store(store).runs() == list(RUNS)


def test_links_go_and_what_they_lead_to_stays(store, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"12345")
    (store / "cache").mkdir(exist_ok=True)
    places = "cache/gone", "cache/dangling", "selections/.tmp-link", "runs/run4/.tmp-folder", ".tmp-dangling"
    (store / "selections").mkdir(exist_ok=True)
    for place, target in zip(places, ("", "none", "file", "", "none"), strict=True):
        (store / place).symlink_to(tmp_path / "elsewhere" / target)
    done = both(store, keep=4, older_than=-1)
    assert {each.where for each in done.removed} == set(places) and done.bytes == 0
    assert (tmp_path / "elsewhere" / "file").read_bytes() == b"12345"


def test_temporary_folders_and_pipes_go(store):
    """Also one within another, and one that has a pipe in it."""
    (store / ".tmp-x" / ".tmp-inner").mkdir(parents=True)
    (store / ".tmp-x" / "file").write_bytes(b"123")
    os.mkfifo(store / ".tmp-x" / "pipe")
    os.mkfifo(store / ".tmp-pipe")
    done = both(store, keep=4, older_than=-1)
    assert {each.where: each.bytes for each in done.removed} == {".tmp-pipe": 0, ".tmp-x": 3}


@pytest.mark.parametrize("place", ["", "selections", "cache/run4", ".tmp-x/deep"])
def test_a_temporary_file_that_is_being_written_stays(place, store):
    """However old it seems: this machine's clock may be ahead of the file server's."""
    (store / place).mkdir(parents=True, exist_ok=True)
    going, written = threading.Event(), threading.Event()

    def write(file):
        file.write(b"half")
        file.flush()
        written.set()
        going.wait()

    writing = threading.Thread(target=publish, args=(store / place / "file", write))
    writing.start()
    written.wait()
    done = both(store, keep=4, older_than=-1)
    going.set()
    writing.join()
    assert not done.removed and list(done.left.values()) == ["open, or being written"]
    assert (store / place / "file").read_bytes() == b"half"


def test_what_a_writer_has_in_its_run_stays(store):
    """Its line of progress isn't locked itself."""
    writer = RunWriter(store, "half")
    (writer.folder / ".tmp-progress").write_text("half way")
    done = both(store, keep=4, older_than=-1)
    assert not done.removed and done.kept["half"] == "open, or being written"
    assert done.left == {"runs/half/.tmp-progress": "its run is open, or being written"}
    writer.release()


def test_a_writer_does_not_wait_for_pipes(store):
    folder = store / "runs" / "run1"
    (folder / ".tmp-folder").mkdir()
    os.mkfifo(folder / ".tmp-pipe")
    (folder / ".tmp-file").write_bytes(b"left over")
    RunWriter(store, "run1").release()
    assert sorted(each.name for each in folder.glob(".tmp-*")) == [".tmp-folder", ".tmp-pipe"]


def test_pipes_and_folders_among_links_and_findings_name_nothing(store, tmp_path):
    for folder, suffix in ((store / "links", ".json"), (tmp_path / "findings", ".toml")):
        folder.mkdir()
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"folder{suffix}").mkdir()
        (folder / f"zero{suffix}").symlink_to("/dev/zero")
    assert len(both(store, findings=tmp_path / "findings").removed) == 3


def test_a_manifest_that_is_a_folder_goes_with_its_run(store):
    (store / "runs" / "run1" / "manifest.json").unlink()
    (store / "runs" / "run1" / "manifest.json").mkdir()
    os.utime(store / "runs" / "run1" / "manifest.json", (1, 1))
    assert [each.where for each in both(store, keep=3).removed] == ["runs/run1"]


def test_commands_at_once_do_not_fail(store):
    """What another one has just removed is gone, and no error."""
    for number in range(200):
        (store / f".tmp-{number}").mkdir()
    failed = []

    def pruning():
        try:
            prune(store, older_than=-1)
        except OSError as error:
            failed.append(error)

    commands = [threading.Thread(target=pruning) for _ in range(4)]
    for each in commands:
        each.start()
    for each in commands:
        each.join()
    assert not failed and not list(store.glob(".tmp-*")) and Store(store).runs() == ["run4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_this_user_may_not_remove_is_said_by_the_dry_run(store):
    (store / ".tmp-x" / "closed").mkdir(parents=True)
    (store / ".tmp-x" / "closed" / "file").write_bytes(b"1")
    (store / ".tmp-x" / "closed").chmod(0o500)
    done = both(store, keep=4, older_than=-1)
    (store / ".tmp-x" / "closed").chmod(0o700)
    assert not done.removed and done.left == {".tmp-x": "this user may not remove it"}


@pytest.mark.parametrize("step", [1, 2, 3, 10, 21, 22, 23, 24, 50])
def test_a_crash_in_the_middle_leaves_whole_runs_and_invisible_ones(store, monkeypatch, step):
    done = []

    def stopping(original):
        def stepped(*arguments, **options):
            done.append(original)
            if len(done) == step:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return stepped

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for call in ("unlink", "rmdir"):
            patch.setattr(os, call, stopping(getattr(os, call)))
        prune(store)
    assert verify(store) == [] and Store(store).current() == "run4"
    prune(store, older_than=0)
    assert [path.name for path in (store / "runs").iterdir()] == ["run4"]


def test_where_it_cannot_be_told_which_run_is_current_nothing_goes(store):
    (store / "CURRENT").write_text("gone\n")
    with pytest.raises(ValueError, match="CURRENT is wrong"):
        prune(store)
    assert Store(store).runs() == list(RUNS)


def test_a_current_run_whose_manifest_is_on_a_disk_that_is_away_stays(store, tmp_path):
    for name in RUNS[:3]:
        shutil.rmtree(store / "runs" / name)
    (store / "runs" / "run4" / "manifest.json").unlink()
    (store / "runs" / "run4" / "manifest.json").symlink_to(tmp_path / "away" / "manifest.json")
    grow_old_itself(store / "runs" / "run4")
    with pytest.raises(ValueError, match="CURRENT is wrong"):
        prune(store)
    assert len(list((store / "runs" / "run4").iterdir())) > 10


def test_a_writer_that_comes_while_its_run_is_pruned_begins_anew(store):
    folder = store / "runs" / "run1"
    descriptor = locks.opened(folder)
    assert locks.claim(descriptor)
    writing = threading.Thread(target=write_full_store, args=(store, "run1"))
    writing.start()
    time.sleep(0.1)
    shutil.rmtree(folder)
    os.close(descriptor)
    writing.join()
    assert Store(store).current() == "run1" and verify(store) == []


def test_the_command(store, capsys, tmp_path):
    assert main(["prune", str(store), "--dry-run", "--keep", "3"]) == 0
    out = capsys.readouterr().out
    assert "would remove runs/run1: old run, " in out and "keeps runs/run4: current" in out
    assert main(["prune", str(store), "--keep", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [each["where"] for each in said["removed"]] == ["runs/run1"] and said["bytes"] > 10_000
    assert main(["prune", str(store), "--findings", str(tmp_path / "none")]) == 2
    assert "no folder of findings" in capsys.readouterr().err
