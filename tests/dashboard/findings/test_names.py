"""Names as text files: each thing has its own, git merges them, and what stands in one is never trusted."""

import os
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest

from dashboard.data.content_store import name_of_images
from dashboard.findings.__main__ import main
from dashboard.findings.names import folder as folders
from dashboard.findings.names.folder import NamesFolder
from dashboard.findings.names.of_run import names_in
from dashboard.findings.names.record import (
    LONGEST_NAME,
    Channel,
    Name,
    NamedClass,
    Region,
    checked_name,
    stem_of,
)
from dashboard.findings.names.spans import check_spans, ids_of, spans_of
from dashboard.text import NOT_SHOWN, slug

NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
WHEELS = Name("wheels", Channel("a" * 64, "conv2", 17), NOW, "Ann", "DemoNet", "demo", "0123")
THINGS = [
    WHEELS.thing,
    Channel("a" * 64, "features.0.1", 0),
    NamedClass("b" * 64, "n02123045, tabby"),
    Region("a" * 64, "c" * 64, "tsne", "1, 3-7, 9"),
    Region("a" * 64, "c" * 64, "tsne", spans_of(np.arange(0, 4000, 2))),
    Channel("a" * 64, 'bl"ocks\\[0]\tx', 2**31 - 1),
    NamedClass("b" * 64, "猫 & <b>Kätzchen</b>"),
]


def named(text, thing=WHEELS.thing):
    return Name(text, thing, NOW)


@pytest.mark.parametrize("thing", THINGS, ids=lambda each: each.where[:20])
def test_a_name_comes_back_as_it_was(thing, tmp_path):
    folder = NamesFolder(tmp_path)
    name = Name('"round" things', thing, NOW, "Ann", "DemoNet", "demo", "0123")
    file = folder.give(name)
    assert file.name == f"{stem_of(thing)}.toml" and file.name.isascii() and "/" not in stem_of(thing)
    (kept,) = folder.read().files
    assert kept.name == name and folder.of(thing) == kept
    assert max(map(len, file.read_text().splitlines())) < 130


def test_a_thing_has_one_file_whatever_it_is_called(tmp_path):
    folder = NamesFolder(tmp_path / "new" / "names")
    files = {folder.give(named("wheels")), folder.give(named("round things"))}
    assert len(files) == 1 and [each.name.text for each in folder.read().files] == ["round things"]
    folder.remove(stem_of(WHEELS.thing))
    assert folder.read().files == () and folder.of(WHEELS.thing) is None
    folder.remove("../../anything")


def test_other_things_have_other_files():
    like = [
        Channel("a", "conv-1", 7),
        Channel("a", "conv.1", 7),
        Channel("b", "conv.1", 7),
        Channel("a", "conv", 17),
        NamedClass("a", "Cat"),
        NamedClass("a", "cat"),
        Region("a", "b", "pca", "1"),
        Region("a", "b", "pca", "2"),
        Region("a", "b", "tsne", "1"),
    ]
    assert len({stem_of(each).casefold() for each in like}) == len(like)
    assert len(stem_of(NamedClass("a", "x" * 900))) < 90


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b\u2060", "\u0301", "x" * (LONGEST_NAME + 1)])
def test_what_can_not_be_seen_or_is_too_long_is_no_name(text, tmp_path):
    with pytest.raises(ValueError, match="a name"):
        checked_name(text)
    with pytest.raises(ValueError, match="a name"):
        NamesFolder(tmp_path).give(named(text))
    assert not list(tmp_path.iterdir())


def test_a_name_is_one_line_that_turns_nothing():
    name = checked_name(" wheels\n\u202eelor\x07  and \ud800 more ")
    assert name == "wheels \ufffdelor\ufffd and ? more" and not NOT_SHOWN.search(name)
    assert checked_name("A\u030angstro\u0308m") == "Ångström"
    assert slug("Âme & Ôr: 5×5!", 60) == "ame-or-55" and slug("猫", 60) == ""


GOOD = WHEELS.to_toml()
DAMAGED = {
    "no text at all": ("", "format is not said"),
    "no TOML": ("a = = 1", "not TOML"),
    "another format": (GOOD.replace("format = 1", "format = 2"), "format is 2"),
    "another kind": (GOOD.replace('kind = "channel"', 'kind = "unit"'), "channel, class, region"),
    "a list for a kind": (GOOD.replace('kind = "channel"', "kind = []"), "kind is"),
    "no layer": (GOOD.replace('layer = "conv2"', ""), "does not say the layer"),
    "a text for a number": (GOOD.replace("channel = 17", 'channel = "17"'), "no number"),
    "a negative number": (GOOD.replace("channel = 17", "channel = -1"), "no number"),
    "a number without end": (GOOD.replace("channel = 17", f"channel = 1{'0' * 5000}"), ""),
    "true": (GOOD.replace("channel = 17", "channel = true"), "no number"),
    "no time": (GOOD.replace("named = 2026-11-26 18:00:00+00:00", 'named = "now"'), "not a date"),
    "a name without end": (GOOD.replace("wheels", "w" * 70), "at most 60"),
    "a list for a name": (GOOD.replace('name = "wheels"', "name = [1]"), "name is not a text"),
    "a table for nothing": (GOOD.replace("[seen]", "[[seen]]"), "seen is not a table"),
    "deep": ("format = 1\na = " + "[" * 5000 + "]" * 5000, "not TOML"),
    "too large": ("# " + "x" * folders.LARGEST, "1,024 KB"),
    "of another thing": (GOOD.replace("channel = 17", "channel = 18"), "rename the file"),
    "a path as ids": (
        Name("r", Region("a", "b", "pca", "1"), NOW).to_toml().replace("\n1\n", "\n1, ../../etc\n"),
        "neither an image",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_said_and_names_nothing(damage, tmp_path):
    text, why = DAMAGED[damage]
    folder = NamesFolder(tmp_path)
    folder.give(named("others", NamedClass("b", "cat")))
    (tmp_path / f"{stem_of(WHEELS.thing)}.toml").write_text(text)
    good, bad = folder.read().files
    assert good.name.text == "others" and bad.name is None and not folder.read().channels
    assert bad.problem and why in bad.problem
    # It can be named again, over what was there.
    folder.give(WHEELS)
    assert all(each.name for each in folder.read().files)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "nowhere.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / ".hidden.toml").write_text("x")
    problems = {each.stem: each.problem for each in NamesFolder(tmp_path).read().files}
    assert problems.pop("bytes") == "it is not UTF-8 text"
    assert problems == dict.fromkeys(("pipe", "folder", "nowhere", "endless"), "it is no file")
    assert NamesFolder(tmp_path / "bytes.toml").read().files == ()


def test_names_are_limited_and_read_once_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 3)
    folder, read = NamesFolder(tmp_path), []
    for channel in range(3):
        folder.give(named(f"number {channel}", Channel("a", "conv", channel)))
    with pytest.raises(OSError, match="it has 3 names, as many as are listed"):
        folder.give(named("one more", Channel("a", "conv", 3)))
    folder.give(named("number 0 again", Channel("a", "conv", 0)))
    from_toml = Name.from_toml
    monkeypatch.setattr(Name, "from_toml", lambda text: read.append(1) or from_toml(text))
    assert folder.read() is folder.read() and len(read) <= 3
    file = tmp_path / f"{stem_of(Channel('a', 'conv', 1))}.toml"
    file.write_text(file.read_text().replace("number 1", "number I"))
    assert folder.read().channels["a", "conv"][1] == "number I" and len(read) <= 4
    monkeypatch.setattr(folders, "LARGEST_TOGETHER", 500)
    file.write_text(file.read_text() + "\n")
    assert any("together" in each.problem for each in folder.read().files)


def git(folder, *arguments, check=True):
    who = (
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@x",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    )
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=check, capture_output=True, text=True)


@pytest.fixture
def clones(tmp_path):
    """Two clones of one repository of findings, with a name in it."""
    first, second = tmp_path / "ann", tmp_path / "bob"
    NamesFolder(first / "names").give(named("old", NamedClass("b", "cat")))
    git(first, "init")
    commit(first)
    git(tmp_path, "clone", str(first), str(second))
    return NamesFolder(first / "names"), NamesFolder(second / "names")


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "names")


def merged(ann, bob):
    """Bob's folder, once Ann's commits came to it; whether git could merge them."""
    commit(ann.path.parent)
    commit(bob.path.parent)
    return (
        git(bob.path.parent, "pull", "--no-rebase", "--no-edit", "origin", "main", check=False).returncode
        == 0
    )


def test_two_people_who_name_different_things_have_both_names(clones):
    ann, bob = clones
    ann.give(named("wheels"))
    ann.give(named("old tom", NamedClass("b", "cat")))
    bob.give(named("eyes", Channel("a" * 64, "conv2", 18)))
    assert merged(ann, bob)
    assert {each.name.text for each in bob.read().files} == {"wheels", "eyes", "old tom"}


def test_two_people_who_name_the_same_thing_are_told_both_names(clones, capsys):
    ann, bob = clones
    ann.give(named("wheels"))
    bob.give(named("tyres"))
    assert not merged(ann, bob)
    (good, conflict) = bob.read().files
    assert good.name.text == "old" and conflict.name is None and not bob.read().channels
    assert 'it is called "tyres" and "wheels"' in conflict.problem
    assert main(["names", "--findings", str(bob.path.parent)]) == 1
    assert '"tyres" and "wheels"' in capsys.readouterr().out
    bob.give(named("wheels"))
    commit(bob.path.parent)
    assert all(each.name for each in bob.read().files)


def test_who_renames_what_another_takes_away_is_told(clones):
    ann, bob = clones
    ann.remove(stem_of(NamedClass("b", "cat")))
    bob.give(named("older", NamedClass("b", "cat")))
    assert not merged(ann, bob)
    (kept,) = bob.read().files
    assert kept.name is not None and kept.name.text == "older"  # git leaves the file as Bob has it


@pytest.mark.parametrize("ids", [[], [0], [5, 6, 7], [0, 2, 4, 5, 6, 9], list(range(100))])
def test_image_ids_are_a_text_and_come_back(ids):
    ids = np.array(ids, np.int64)
    text = spans_of(ids)
    assert ids_of(text, 100).tolist() == ids.tolist()
    assert not len(ids) or check_spans(text.replace(", ", ",\n")) == text


def test_ids_of_anybodys_text_take_no_more_than_the_images():
    text = check_spans(", ".join(["0-999999999999"] * 2000 + ["7-3", "50"]))
    assert ids_of(text, 10).tolist() == list(range(10)) and len(ids_of(text, 0)) == 0
    for wrong in ("", "1,", "-1", "1-2-3", "1.5", "٣", "1" * 13, "a"):
        with pytest.raises(ValueError, match="neither"):
            check_spans(wrong)


def test_names_are_of_runs_of_the_same_network(run, tmp_path):
    folder = NamesFolder(tmp_path)
    names = names_in(folder, run)
    assert not names and names.channel_title("conv2", 3) == "conv2, channel 3"
    ids = np.array([1, 2, 5])
    mine = [names.the_channel("conv2", 3), names.the_class("8"), names.the_region("pca", ids)]
    others = [
        Channel("0" * 64, "conv2", 3),
        NamedClass("0" * 64, "8"),
        Region(names.weights_hash, "0" * 64, "pca", "1"),
        Region("0" * 64, names.images, "pca", "1"),
    ]
    for number, thing in enumerate(mine + others):
        folder.give(named(f"name {number}", thing))
    names = names_in(folder, run)
    assert [each.text for each in names.all()] == ["name 0", "name 1", "name 2"]
    assert (
        names.channel("conv2", 3) == "name 0"
        and names.channel("conv2", 4) is names.channel("conv1", 3) is None
    )
    assert dict(names.channels("conv2")) == {3: "name 0"}
    assert names.channel_title("conv2", 3) == "name 0 (conv2, channel 3)"
    assert names.channels_called("conv2", "NAME") == {3} and not names.channels_called("conv2", "name 1")
    assert not names.channels_called("conv2", " ")
    assert names.class_title("8") == "name 1 (8)" and names.class_title("7") == "7"
    (region,) = names.regions("pca")
    assert names.regions("tsne") == () and names.image_ids(region).tolist() == [1, 2, 5]
    assert names.region(name_of_images(ids)) is region and names.region("") is names.region("ab" * 8) is None


def run_names(folder, *arguments):
    return main(["names", "--findings", str(folder), *map(str, arguments)])


def test_the_command_gives_lists_and_takes_away_names(store, run, tmp_path, capsys):
    of = ("--store", store)
    assert run_names(tmp_path) == 0 and "nothing has a name" in capsys.readouterr().out
    assert (
        run_names(tmp_path, *of, "--layer", "conv2", "--channel", 3, "--name", "wheels", "--by", "Ann") == 0
    )
    assert run_names(tmp_path, *of, "--class", "8", "--name", "eight") == 0
    assert run_names(tmp_path, *of, "--map", "pca", "--images", "3, 5-7", "--name", "corner") == 0
    capsys.readouterr()
    assert run_names(tmp_path) == 0
    corner, eight, wheels = capsys.readouterr().out.splitlines()
    assert corner.startswith("region  corner (PCA map)") and eight.startswith("class   eight (8)")
    assert "wheels (conv2, channel 3)" in wheels and "by Ann" in wheels
    names = names_in(NamesFolder(tmp_path / "names"), run)
    assert names.channel("conv2", 3) == "wheels" and names.image_ids(names.regions("pca")[0]).tolist() == [
        3,
        5,
        6,
        7,
    ]
    assert run_names(tmp_path, *of, "--class", "8", "--remove") == 0
    assert names_in(NamesFolder(tmp_path / "names"), run).class_("8") is None


WRONG = {
    "nothing": ((), "say one of"),
    "two things": (("--class", "8", "--layer", "conv2", "--channel", "1", "--name", "x"), "say one of"),
    "no channel": (("--layer", "conv2", "--name", "x"), "needs both"),
    "a channel too many": (
        ("--layer", "conv2", "--channel", "9999", "--name", "x"),
        "conv2 has channels 0 to",
    ),
    "a layer that is none": (("--layer", "conv99", "--channel", "1", "--name", "x"), "choose from conv1"),
    "a class that is none": (("--class", "cat", "--name", "x"), "choose from"),
    "a map that is none": (("--map", "umapp", "--images", "1", "--name", "x"), "choose from pca"),
    "no images": (("--map", "pca", "--images", "900", "--name", "x"), "the run has images 0 to 33"),
    "no ids": (("--map", "pca", "--images", "a", "--name", "x"), "neither an image's number"),
    "no name": (("--class", "8"), "either --name or --remove"),
    "both": (("--class", "8", "--name", "x", "--remove"), "either --name or --remove"),
    "no sign": (("--class", "8", "--name", " "), "a name needs"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_command_says_what_is_wrong(case, store, tmp_path, capsys):
    arguments, why = WRONG[case]
    assert run_names(tmp_path, "--store", store, *arguments) == 2
    assert why in capsys.readouterr().err and not (tmp_path / "names").exists()


def test_a_name_without_a_store_is_refused(tmp_path, capsys):
    assert run_names(tmp_path, "--name", "x") == 2 and "need a --store" in capsys.readouterr().err


def test_make_findings_says_which_names_can_not_be_read(store, tmp_path, capsys):
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "\x1b[31mred.toml").write_text("format = 2")
    assert main(["--stores", str(store), "--findings", str(tmp_path), "--device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "names/\ufffd[31mred: its format is 2" in out
