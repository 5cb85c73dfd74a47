"""Verdicts as lines of text: written, read, merged, broken; what comes of them as a table and as a list."""

import os
import subprocess

import pytest

from compute.__main__ import main as compute
from compute.images.sources import open_source
from dashboard.findings.__main__ import main
from dashboard.findings.verdicts import log
from dashboard.findings.verdicts.cleaned import cleaned_list, csv_of, images_folder, verdict_table
from dashboard.findings.verdicts.log import (
    AMBIGUOUS,
    ERROR,
    FINE,
    HEADER,
    NONE,
    Verdict,
    VerdictFolder,
    said_now,
)
from featurestore.reader import Store
from tests.support.pictures import noise
from tests.support.stores.altered import altered

SHA = "0123456789abcdef" * 4


@pytest.fixture
def folder(tmp_path):
    return VerdictFolder(tmp_path / "findings" / "verdicts")


def verdict(verdict=ERROR, label="cat", when="2026-11-26T10:00:00Z", sha256=SHA, path="a/b.png"):
    return Verdict(sha256, label, verdict, when, path)


def test_what_is_said_is_read_again_as_text(folder):
    odd = verdict(label='a "b", c', path="ä b,c.png")
    file = folder.add(odd)
    folder.add(verdict(FINE, sha256="f" * 64))
    assert folder.read().latest == {(SHA, odd.label): odd, ("f" * 64, "cat"): verdict(FINE, sha256="f" * 64)}
    lines = file.read_text().splitlines()
    assert lines[0] == ",".join(HEADER) and len(lines) == 3 and not folder.read().problems


def test_the_latest_line_counts_whichever_file_it_is_in(folder):
    folder.path.mkdir(parents=True)
    lines = {"b.csv": (FINE, "2026-11-26T10:00:00Z"), "a.csv": (AMBIGUOUS, "2026-11-26T11:00:00Z")}
    for name, (said, when) in lines.items():
        (folder.path / name).write_text(f"{','.join(HEADER)}\n{SHA},cat,{said},{when},x.png\n")
    assert [each.verdict for each in folder.read().latest.values()] == [AMBIGUOUS]
    (folder.path / "c.csv").write_text(f"{SHA},cat,,2026-11-26T12:00:00Z,x.png\n")
    assert folder.read().latest == {}


def test_a_verdict_is_of_the_image_and_its_label(folder, run):
    folder.add(said_now(run, 3, ERROR))
    assert folder.read().of_run(run) == {3: ERROR}
    other = verdict(label="not the label", sha256=run.image(4)["sha256"])
    folder.add(other)
    assert folder.read().of_run(run) == {3: ERROR}
    folder.add(said_now(run, 3, NONE))
    assert folder.read().of_run(run) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "1 values are not the 5"),
        (f"{SHA},cat,wrong,2026-11-26T10:00:00Z,x", "unknown verdict 'wrong'; choose from label error"),
        (f"{SHA[:-1]},cat,fine,2026-11-26T10:00:00Z,x", "is no SHA-256"),
        (f"{SHA},cat,fine,yesterday,x", "is no time such as"),
        (f'{SHA},"cat,fine,2026-11-26T10:00:00Z,x', "line 1"),
        (f"{SHA},{'c' * 3000},fine,2026-11-26T10:00:00Z,x", "more than 2,000 characters"),
    ],
)
def test_a_broken_line_is_said_and_the_others_count(folder, line, said):
    folder.path.mkdir(parents=True)
    (folder.path / "a.csv").write_text(f"{line}\n{SHA},cat,fine,2026-11-26T10:00:00Z,x\n")
    read = folder.read()
    assert len(read.latest) == 1 and len(read.problems) == 1
    assert read.problems[0].startswith("a.csv: line 1") and said in read.problems[0]


def test_files_that_are_none_are_said(folder, monkeypatch):
    folder.path.mkdir(parents=True)
    os.mkfifo(folder.path / "pipe.csv")
    (folder.path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (folder.path / "large.csv").write_text("x" * 200)
    monkeypatch.setattr(log, "LARGEST", 100)
    assert [each.partition(":")[0] for each in folder.read().problems] == [
        "bytes.csv",
        "large.csv",
        "pipe.csv",
    ]


def test_what_could_not_be_read_again_is_not_written(folder):
    for odd in (verdict(label="a\nb"), verdict("maybe"), verdict(path="x" * 3000)):
        with pytest.raises(ValueError, match=r"line break|unknown verdict"):
            folder.add(odd)
    assert not folder.path.exists()


def test_what_two_people_say_merges_in_git(tmp_path, run, monkeypatch):
    def git(*words, where):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *words], cwd=where, check=True, capture_output=True)

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    git("init", "-b", "main", where=ours)
    git("commit", "--allow-empty", "-m", "start", where=ours)
    git("clone", str(ours), str(theirs), where=tmp_path)
    for where, image_id, own in ((ours, 1, "aaaaaaaa"), (theirs, 1, "bbbbbbbb"), (theirs, 2, "bbbbbbbb")):
        monkeypatch.setattr(log, "_OWN", own)
        VerdictFolder(where / "verdicts").add(said_now(run, image_id, ERROR if where is ours else FINE))
        git("add", "-A", where=where)
        git("commit", "-m", "said", where=where)
    git("pull", "--no-rebase", "--no-edit", where=theirs)
    read = VerdictFolder(theirs / "verdicts").read()
    assert set(read.of_run(run)) == {1, 2} and not read.problems


def test_the_cleaned_list_is_what_images_takes(tmp_path, folder, run):
    (tmp_path / "set").mkdir()
    for seed in range(4):
        noise(28, 28, seed).save(tmp_path / "set" / f"=-{seed}.png")
    rows = "\n".join(f"=-{seed}.png,{'cat' if seed % 2 else '=dog'},train" for seed in range(4))
    listed, store = tmp_path / "set" / "list.csv", tmp_path / "store"
    listed.write_text(f"path,label,split\n{rows}\n")
    words = ["--images", str(listed), "--store", str(store), "--device", "cpu", "--stages", "activations"]
    assert compute(["store", "--model", "digits", *words]) == 0
    built = Store(store).open()
    said = {1: ERROR, 2: AMBIGUOUS, 3: FINE}
    table = cleaned_list(built, said, (ERROR,))
    assert images_folder(built) == listed.parent.resolve()
    cleaned = listed.with_name("cleaned.csv")
    cleaned.write_bytes(csv_of(table))
    again = open_source(str(cleaned)).items
    assert [(each.path, each.label, each.split) for each in again] == [
        (each.path, each.label, each.split)
        for place, each in enumerate(open_source(str(listed)).items)
        if place != 1
    ]
    assert verdict_table(built, said)["verdict"].to_pylist() == [ERROR, AMBIGUOUS, FINE]
    with pytest.raises(ValueError, match="unknown verdict 'bad'; choose from label error"):
        cleaned_list(built, said, ("bad",))


def test_images_that_are_no_files_have_no_cleaned_list(run):
    with pytest.raises(ValueError, match="come from digits, not from files"):
        cleaned_list(run, {}, (ERROR,))
    tar = altered(run, images=dict(run.manifest.images) | {"spec": "/data/set.tar"})
    with pytest.raises(ValueError, match=r"/data/set\.tar"):
        images_folder(tar)


def test_the_command_line_says_counts_and_exports(tmp_path, store, capsys):
    def said(*words):
        status = main(["verdicts", "--findings", str(tmp_path), "--store", str(store), *words])
        return status, capsys.readouterr()

    assert said()[1].out == "0 label error, 0 ambiguous, 0 fine\n"
    assert said("--image-id", "3", "--verdict", "ambiguous")[0] == 0
    status, printed = said("--out", str(tmp_path / "judged.csv"))
    assert status == 0 and printed.out.endswith("0 label error, 1 ambiguous, 0 fine\n")
    assert "ambiguous" in (tmp_path / "judged.csv").read_text()
    status, printed = said("--cleaned", str(tmp_path / "cleaned.csv"))
    assert status == 2 and "come from digits" in printed.err and not (tmp_path / "cleaned.csv").exists()
    assert said("--image-id", "3")[0] == 2
    assert said("--image-id", "99999", "--verdict", "fine")[0] == 2
    assert said("--image-id", "3", "--verdict", "none")[1].out.endswith(
        "0 label error, 0 ambiguous, 0 fine\n"
    )
