"""Findings: what is pinned comes back as it was, says whether it holds, and is never trusted."""

import dataclasses
import io
import shutil
import tomllib
from datetime import UTC, datetime

import pytest
import streamlit as st
from PIL import Image

from dashboard.data import runs
from dashboard.findings import folder as folders
from dashboard.findings.__main__ import main
from dashboard.findings.folder import LARGEST_TEXT, SIDE, Folder, findings, slug_of
from dashboard.findings.pin_button import finding_of, picture_of
from dashboard.findings.recheck import differences, recheck
from dashboard.findings.recompute import computed
from dashboard.findings.record import MOST_VALUES, Finding, flat
from dashboard.findings.stories.folder import StoriesFolder
from dashboard.findings.stories.record import Quoted, Story
from dashboard.jobs.lookup import result_of
from dashboard.sharing.downloads import main_download
from dashboard.views.definitions import (
    ChannelsView,
    ImageView,
    LabView,
    MapView,
    MistakesView,
    NeighborsView,
    OverviewView,
)
from dashboard.views.state import read_parameters
from featurestore.reader import Store
from tests.support.page_app import fine, query_of, said, settled, show, words
from tests.support.stores.served import served_store, write_served_store

pytestmark = pytest.mark.slow

VIEWS = {
    "overview": OverviewView(),
    "map": MapView(map="pca"),
    "grid": MapView(map="pca", show="grid"),
    "neighbors": NeighborsView(image=3),
    "channels": ChannelsView(layer="conv2", channel=1, guided=True),
    "channels by a picture": ChannelsView(show="atlas", picture=True, image=2, box="0.1,0.2,0.6,0.9"),
    "image": ImageView(image=2, tab="occlusion"),
    "mistakes": MistakesView(),
}
FINDING = Finding(
    "Eyes, not ears",
    'Two lines,\n"quoted" and \\ slashed.',
    datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
    "map",
    {"map": "pca", "show": "points"},
    "digits",
    "abc",
    {"name": "digits", "weights_hash": "0"},
    {"hash": "1"},
    {"device": "cpu"},
    {"images": 34, "share": 0.1, "right": True, "ids": [1, 2], "best": ["a"]},
)


@pytest.fixture
def serve(serve, tmp_path):
    """`serve(store)`, with a folder for findings of the test's own."""

    def with_findings(store):
        serve(store, findings=str(tmp_path / "findings"))
        st.cache_data.clear()

    with_findings(served_store())
    return with_findings


def pinned(view, run, result=None, title="A finding", store="digits"):
    view = dataclasses.replace(view, store=store, run=run.fingerprint)
    finding = finding_of(view, run, result, title, "why")
    return findings().add(finding, picture_of(view, run, result))


def check(folder, store=None):
    """Exit status of `make findings`."""
    return main(["--stores", str(store or served_store()), "--findings", str(folder), "--device", "cpu"])


def lab(method, **fields):
    return LabView(method=method, parameters=read_parameters(method, {})[0], **fields)


def result_for(view, run):
    view = dataclasses.replace(view, store="digits", run=run.fingerprint)
    return computed(view.fitted(runs.choices(run))[0], run)


def test_the_text_comes_back_as_it_was():
    assert Finding.from_toml(FINDING.to_toml()) == FINDING
    said = tomllib.loads(FINDING.to_toml())
    assert said["note"] == FINDING.note and said["numbers"]["share"] == 0.1


@pytest.mark.parametrize("name", VIEWS)
def test_a_pinned_view_holds(name, run, serve):
    slug = pinned(VIEWS[name], run)
    (kept,) = findings().all()
    assert kept.slug == slug and kept.finding.numbers and kept.finding.page == VIEWS[name].page
    found = recheck(kept.finding, result_of)
    assert (found.kind, found.run_gone) == ("holds", False), found.sentence
    thumbnail = Image.open(io.BytesIO(findings().thumbnail(slug)))
    assert 0 < max(thumbnail.size) <= SIDE


def test_key_numbers_are_the_downloads(run, serve):
    view = dataclasses.replace(VIEWS["image"], store="digits", run=run.fingerprint)
    download = main_download(view, run, served_store())
    finding = finding_of(view, run, None, "t", "")
    assert finding.numbers.items() >= flat(download.numbers).items()
    assert finding.model["weights_hash"] == run.manifest.model["weights_hash"] and finding.proof


def test_make_findings_tells_what_holds_from_what_does_not(run, serve, tmp_path, capsys):
    folder = tmp_path / "findings"
    assert check(folder) == 0 and "no finding" in capsys.readouterr().out
    pinned(VIEWS["mistakes"], run, title="Right ones")
    view = lab("saliency", image=5, target="8")
    pinned(view, run, result_for(view, run), title="Live one")
    assert check(folder) == 0
    assert "2 holds" in capsys.readouterr().out
    text = (folder / "right-ones.toml").read_text()
    assert "right = 34" in text
    (folder / "right-ones.toml").write_text(text.replace("right = 34", "right = 30"))
    assert check(folder) == 1
    out = capsys.readouterr().out
    assert "differs" in out and "right was 30 and is 34 (+4, +13.33%)" in out and "1 holds" in out


def test_a_live_finding_differs_where_its_result_does(run, serve, tmp_path, capsys):
    view = lab("saliency", image=5, target="8")
    slug = pinned(view, run, result_for(lab("saliency", image=6, target="8"), run))
    assert check(tmp_path / "findings") == 1
    out = capsys.readouterr().out
    assert slug in out and "score" in out


def test_what_can_not_be_checked_says_why(run, serve, tmp_path, capsys):
    folder = findings()
    base = finding_of(
        dataclasses.replace(VIEWS["map"], store="digits", run=run.fingerprint), run, None, "t", ""
    )
    folder.add(dataclasses.replace(base, store="elsewhere"), None)
    live = {**lab("saliency", image=5, live=True, upload="a" * 32).to_query(), "run": run.fingerprint}
    folder.add(dataclasses.replace(base, page="lab", query=live), None)
    folder.add(dataclasses.replace(base, query={**base.query, "map": "nowhere"}), None)
    folder.add(dataclasses.replace(base, page="gone"), None)
    assert check(folder.path) == 0
    out = capsys.readouterr().out
    for each in (
        "'elsewhere' is not served",
        "uploaded",
        "no map 'nowhere'",
        "no page 'gone'",
        "4 not checked",
    ):
        assert each in out


@pytest.mark.slow
def test_a_regenerated_store_is_asked_anew(serve, tmp_path, capsys):
    store = write_served_store(tmp_path / "digits")
    serve(store)
    run = Store(store).open()
    slug = pinned(VIEWS["overview"], run)
    assert pinned(VIEWS["image"], run) == f"{slug}-2"
    write_served_store(store, "--seed", "5")
    shutil.rmtree(run.folder)
    serve(store)
    (*_, overview) = [recheck(kept.finding, result_of) for kept in findings().all()]
    assert overview.run_gone and run.fingerprint in overview.sentence
    status = check(tmp_path / "findings", store)
    assert status in (0, 1) and run.fingerprint in capsys.readouterr().out


def test_numbers_differ_by_how_much():
    said = list(
        differences(
            {"a": 2.0, "b": 3, "c": [1, 2], "d": "x", "e": 1}, {"a": 2.1, "b": 3, "c": [1, 3], "d": "y"}, 0.01
        )
    )
    assert said == [
        "a was 2 and is 2.1 (+0.1, +5.00%)",
        "c was [1, 2] and is [1, 3] (1 of 2 changed)",
        "d was x and is y",
        "e is gone (it was 1)",
    ]
    assert not list(differences({"a": 2.0}, {"a": 2.01}, 0.01)) and list(
        differences({"a": 2.0}, {"a": 2.01}, 0.0)
    )


def test_numbers_are_flat():
    numbers = {
        "a": None,
        "b": float("nan"),
        "c": {"d": 1},
        "rows": [{"id": 1, "x": 0.5}, {"id": 2, "x": 0.25}],
    }
    assert flat(numbers) == {"c.d": 1, "rows.id": [1, 2], "rows.x": [0.5, 0.25]}
    assert len(flat({"long": list(range(1000))})["long"]) == MOST_VALUES


DAMAGED = {
    "text": "not = = toml",
    "empty": "",
    "another format": "format = 99",
    "a list for a title": FINDING.to_toml().replace('title = "Eyes, not ears"', "title = [1]"),
    "no time": FINDING.to_toml().replace("created = 2026-11-24 01:02:03+00:00", 'created = "now"'),
    "nested numbers": FINDING.to_toml().replace("share = 0.1", "share = {a = 1}"),
    "a long title": FINDING.to_toml().replace("Eyes, not ears", "x" * 10_000),
    "a long list": FINDING.to_toml().replace("ids = [\n    1,\n    2,\n]", f"ids = {list(range(5000))}"),
    "too large": "# " + "x" * LARGEST_TEXT,
    "deep": "format = 1\na = " + "[" * 5000 + "]" * 5000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_a_problem_not_a_crash(name, tmp_path, capsys, serve):
    folder = tmp_path / "findings"
    folder.mkdir()
    (folder / "bad.toml").write_text(DAMAGED[name])
    (kept,) = Folder(folder).all()
    assert kept.finding is None and kept.problem
    assert check(folder) == 1 and "can't be read" in capsys.readouterr().out


def test_make_findings_says_which_story_or_verdict_can_not_be_read(run, serve, tmp_path, capsys):
    folder = tmp_path / "findings"
    slug = pinned(VIEWS["mistakes"], run, title="Right ones")
    stories = StoriesFolder(folder / "stories")
    stories.add(Story("Kept", (Quoted(slug),)))
    assert check(folder) == 0
    stories.add(Story("Lost", (Quoted(slug), Quoted("gone"))))
    (folder / "stories" / "bad.toml").write_text("format = 99")
    (folder / "verdicts").mkdir()
    (folder / "verdicts" / "bad.csv").write_text("nothing of the kind\n")
    capsys.readouterr()
    assert check(folder) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("can't be read")]
    assert [line.split()[3].split(":")[0] for line in lines] == [
        "verdicts/bad.csv",
        "stories/lost",
        "stories/bad",
    ]
    assert "there is no finding 'gone'" in lines[1]


def test_bytes_that_are_no_text_and_a_picture_that_is_none(tmp_path):
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert Folder(tmp_path).all()[0].problem == "it is not UTF-8 text"
    assert Folder(tmp_path).thumbnail("bad") is None and Folder(tmp_path).thumbnail("none") is None


def test_names_are_plain_and_never_taken_twice(tmp_path):
    assert slug_of("Âme & Ôr: 5×5!") == "ame-or-55"
    assert slug_of("../../etc/passwd") == "etc-passwd" and slug_of("…") == "finding"
    folder = Folder(tmp_path / "new")
    assert [folder.add(FINDING, None) for _ in range(3)] == [
        "eyes-not-ears",
        "eyes-not-ears-2",
        "eyes-not-ears-3",
    ]
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "eyes-not-ears-2.toml",
        "eyes-not-ears-3.toml",
        "eyes-not-ears.toml",
    ]


def test_the_page_lists_filters_and_says_what_it_can_not_read(run, serve, tmp_path):
    assert "no finding" in words(fine(show("findings")))
    pinned(VIEWS["mistakes"], run, title="Right `ones` <b>bold</b>")
    pinned(VIEWS["map"], run, title="Clusters")
    (tmp_path / "findings" / "broken.toml").write_text("x = = 1")
    app = show("findings")
    assert not app.exception
    assert [each.value for each in app.error] and "broken.toml" in said(app.error)
    assert [each.value for each in app.subheader] == [
        "Clusters",
        r"Right \`ones\` \<b\>bold\<\/b\>".replace(r"\/", "/"),
    ]
    assert sum("holds" in each.value for each in app.markdown) == 2
    app = fine(show("findings", {"find": "cluster"}))
    assert [each.value for each in app.subheader] == ["Clusters"]


@pytest.mark.slow
def test_a_link_opens_on_its_page_of_the_findings(run, serve):
    for number in range(13):
        pinned(VIEWS["map"], run, title=f"Finding {number:02}")
    app = fine(show("findings", {"findings_page": 2}))
    assert len(app.subheader) == 1 and query_of(app)["findings_page"] == "2"
    app = fine(app.text_input(key="findings.find").input("finding 1").run())
    assert len(app.subheader) == 4 and query_of(app)["findings_page"] == "1"


def test_pin_writes_a_finding_and_says_where(run, serve, tmp_path):
    app = settled(fine(show("mistakes", session={"mistakes/pin": True})))
    app.text_input(key=_key(app, "Title")).input("From the page")
    app.text_area[0].input("A note")
    app = next(each for each in app.button if each.label == "Pin").click().run()
    assert "from-the-page" in said(app.success)
    (kept,) = findings().all()
    assert kept.finding.note == "A note" and kept.finding.run == run.fingerprint
    assert recheck(kept.finding, result_of).kind == "holds"


def _key(app, label):
    return next(each.key for each in app.text_input if each.label == label)


def test_a_folder_that_can_not_be_written_shows_the_text(run, serve, tmp_path):
    (tmp_path / "findings").write_text("a file, not a folder")
    app = settled(fine(show("mistakes", session={"mistakes/pin": True})))
    next(each for each in app.text_input if each.label == "Title").input("Lost?")
    app = next(each for each in app.button if each.label == "Pin").click().run()
    assert "--findings" in said(app.error)
    assert any('title = "Lost?"' in each.value for each in app.code)


def test_findings_are_limited_in_number_and_read_once_until_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 3)
    folder, read = Folder(tmp_path), []
    slugs = [folder.add(dataclasses.replace(FINDING, title=title), None) for title in "abc"]
    with pytest.raises(OSError, match="it has 3 findings, as many as are listed"):
        folder.add(FINDING, None)
    from_toml = Finding.from_toml
    monkeypatch.setattr(Finding, "from_toml", lambda text: read.append(1) or from_toml(text))
    assert [len(folder.all()), len(folder.all()), len(read)] == [3, 3, 3]
    (tmp_path / f"{slugs[0]}.toml").write_text("format = 2")
    (changed,) = (each for each in folder.all() if each.finding is None)
    assert changed.slug == slugs[0] and "format is 2" in changed.problem and len(read) == 4


def test_the_command_prints_no_commands_to_a_terminal(tmp_path, capsys, serve):
    (tmp_path / "\x1b[31mred.toml").write_text("format = 2")
    assert check(tmp_path) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\ufffd[31mred: its format is 2" in out
