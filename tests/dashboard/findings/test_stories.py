"""Stories: text files that come back as they were, pages of live views, HTML files that need nothing else."""

import base64
import contextlib
import dataclasses
import io
import os
import re
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from compute.methods.recipe import RECIPE
from dashboard.findings.__main__ import main
from dashboard.findings.folder import findings
from dashboard.findings.pin_button import finding_of, picture_of
from dashboard.findings.recheck import Check
from dashboard.findings.record import Finding
from dashboard.findings.stories import folder as folders
from dashboard.findings.stories.folder import LARGEST, StoriesFolder, stories_folder
from dashboard.findings.stories.page_html import POLICY, story_html
from dashboard.findings.stories.record import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_FINDINGS,
    Quoted,
    Story,
    Text,
    told,
)
from dashboard.findings.stories.scenes import NETWORK, Drawn, Scene, scenes
from dashboard.views.definitions import ImageView, MapView, MistakesView
from featurestore.reader import Store
from tests.support.page_app import button, fine, query_of, said, show, words
from tests.support.pictures import encoded, noise
from tests.support.stores.served import served_store

STORY = told("Eyes, not ears", [Text("First."), Quoted("a"), Text("Then:\n\nmore."), Quoted("b")])
BAD = '</title><script>alert(1)</script>"><img src=https://evil.example/x onerror=alert(1)> \u202egnp.exe'


@pytest.fixture
def folder(tmp_path):
    return StoriesFolder(tmp_path / "stories")


def test_a_story_is_kept_as_text_that_git_merges(folder):
    assert folder.add(STORY) == "eyes-not-ears" and folder.add(STORY) == "eyes-not-ears-2"
    text = (folder.path / "eyes-not-ears.toml").read_text()
    assert '[[parts]]\nfinding = "a"\n' in text and "\nThen:\n\nmore.\n" in text
    assert folder.find("eyes-not-ears").story == STORY == folder.all()[0].story
    assert STORY.slugs == ("a", "b")
    folder.remove("eyes-not-ears")
    folder.remove("eyes-not-ears")
    folder.remove("../findings")
    assert [each.slug for each in folder.all()] == ["eyes-not-ears-2"]


@given(some.text(max_size=40), some.lists(some.text(max_size=200), max_size=3))
def test_a_story_of_any_text_survives_its_own(title, texts):
    try:
        made = told(title, [*map(Text, texts), Quoted("a"), *map(Text, texts)])
    except ValueError as error:
        assert "title" in str(error)
        return
    assert Story.from_toml(made.to_toml()) == made


@given(some.binary(max_size=200) | some.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_a_story_or_an_error(data):
    with contextlib.suppress(ValueError):
        Story.from_toml(data.decode())


def test_texts_are_joined_and_empty_ones_left_out():
    made = told(" A  title ", [Text(" a\r\nb "), Text(""), Text("c"), Quoted("x"), Text(" \n ")])
    assert made == Story("A title", (Text("a\nb\n\nc"), Quoted("x")))
    assert made.parts[0].paragraphs == ["a\nb", "c"]


@pytest.mark.parametrize(
    ("title", "parts", "why"),
    [
        (" ", [Quoted("a")], "needs a title"),
        ("t" * (LONGEST_TITLE + 1), [Quoted("a")], f"at most {LONGEST_TITLE}"),
        ("t", [Text("a")], "needs a finding"),
        ("t", [Quoted("a"), Text("b"), Quoted("a")], "'a' twice"),
        ("t", [Quoted(str(each)) for each in range(MOST_FINDINGS + 1)], f"at most {MOST_FINDINGS} findings"),
        ("t", [Quoted("a"), *[Text("x" * LONGEST_TEXT)] * 2], "characters"),
    ],
)
def test_what_is_no_story_is_refused(title, parts, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        told(title, parts)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"format = 1\ntitle = ", "not TOML"),
        (b"[" * 5000, "not TOML"),
        (b"format = 2", "format is 2"),
        (b"title = 'a'", "format is not said"),
        (b"format = 1\ntitle = 3", "its title is 3"),
        (b"format = 1\ntitle = 'a'\nparts = 3", "not a list"),
        (b"format = 1\ntitle = 'a'\nparts = [3]", "neither a text nor a finding"),
        (b"format = 1\ntitle = 'a'\n[[parts]]\ntext = 'a'\nfinding = 'b'", "neither a text nor a finding"),
        (b"format = 1\ntitle = 'a'\n[[parts]]\nfinding = ['b']", "no text"),
        (b"format = 1\ntitle = 'a'\n[[parts]]\nfinding = ''", "no name of a file"),
        (b"<<<<<<< HEAD\nformat = 1\n=======\n>>>>>>> theirs\n", "git could not merge it"),
        (b"#" * (LARGEST + 1), "more than 1,024 KB"),
    ],
)
def test_a_broken_file_is_said_and_the_others_are_listed(folder, content, why):
    folder.add(STORY)
    (folder.path / "bad.toml").write_bytes(content)
    good, bad = folder.all()
    assert good.story == STORY and bad.story is None and why in bad.problem
    assert folder.find("bad").problem == bad.problem


def test_pipes_and_folders_are_no_stories(folder):
    folder.path.mkdir()
    os.mkfifo(folder.path / "pipe.toml")
    (folder.path / "folder.toml").mkdir()
    (folder.path / "endless.toml").symlink_to("/dev/zero")
    assert {each.problem for each in folder.all()} == {"it is no file"} and len(folder.all()) == 3


def test_nothing_of_somebody_else_is_written_over(folder, monkeypatch):
    slug = folder.add(STORY)
    mine, theirs = (dataclasses.replace(STORY, title=each) for each in ("Mine", "Theirs"))
    folder.replace(slug, STORY, theirs)
    with pytest.raises(ValueError, match="changed or removed meanwhile"):
        folder.replace(slug, STORY, mine)
    assert folder.find(slug).story == theirs
    monkeypatch.setattr(folders, "MOST", 1)
    with pytest.raises(OSError, match="remove some"):
        folder.add(mine)


class Seen(HTMLParser):
    """The tags of a file, with their attributes, and the text between them."""

    def __init__(self, content: bytes):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(content.decode())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def pictures(self) -> list[Image.Image]:
        sources = [said["src"] for tag, said in self.tags if tag == "img"]
        assert all(each.startswith("data:image/png;base64,") for each in sources)
        return [Image.open(io.BytesIO(base64.b64decode(each.partition(",")[2]))) for each in sources]


def needs_nothing(content: bytes) -> Seen:
    """The file as it was read, once it is asserted that it asks for nothing and runs nothing."""
    seen = Seen(content)
    assert {tag for tag, _ in seen.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "b", "ul", "li", "code"),
        *("section", "figure", "img", "figcaption", "table", "tbody", "tr", "th", "td", "details", "summary"),
        *("pre", "footer"),
    }
    names = {name for _, said in seen.tags for name in said}
    known = {"lang", "charset", "http-equiv", "content", "name", "dir", "class", "src", "alt", "scope"}
    assert names <= known
    policy = next(said["content"] for _, said in seen.tags if "http-equiv" in said)
    style = content.decode().partition("<style>")[2].partition("</style>")[0]
    assert policy == POLICY and policy.startswith("default-src 'none'")
    assert base64.b64encode(sha256(style.encode()).digest()).decode() in policy
    assert "url(" not in style and "@import" not in style and "\u202e" not in content.decode()
    return seen


def test_a_file_shows_hostile_texts_as_they_are():
    made = Finding(
        BAD, f"{BAD}\n\n{BAD}", datetime(2026, 1, 2, tzinfo=UTC), BAD, {"image": BAD}, BAD, BAD,
        {"name": BAD}, {"hash": BAD}, {BAD: BAD}, {BAD: BAD, "list": [BAD, 1.5]}, BAD,
    )  # fmt: skip
    checked = Check("differs", BAD, (BAD, BAD))
    now = Drawn(checked, None, BAD, ImageView(store=BAD), BAD, BAD)
    parts = [Text(BAD), Quoted("a"), Quoted(BAD)]
    shown = {"a": Scene("a", made, "", now, encoded(noise(8, 8))), BAD: Scene(BAD, None, BAD)}
    seen = needs_nothing(story_html(told(BAD[:100], parts), shown))
    assert "".join(seen.words).count("</title><script>alert(1)</script>") >= 12
    assert [each.size for each in seen.pictures()] == [(8, 8)]


@pytest.fixture
def served(serve, tmp_path):
    """Serves the digits with findings of the test's own; returns a function that pins a view."""
    store = served_store()
    serve(store, findings=str(tmp_path / "findings"))
    st.cache_data.clear()
    run = Store(store).open()

    def pin(view, title, picture=True):
        view = dataclasses.replace(view, store="digits", run=run.fingerprint)
        made = finding_of(view, run, None, title, "A note.")
        return findings().add(made, picture_of(view, run, None) if picture else None)

    return pin


@pytest.mark.slow
def test_the_page_and_the_command_write_the_same_file(served, tmp_path, capsys):
    slugs = [served(MapView(map="pca"), "A map"), served(ImageView(image=2, tab="occlusion"), "An image")]
    slug = stories_folder().add(told("Both", [Text("One."), *map(Quoted, slugs), Text("End.")]))
    app = fine(show("findings", {"store": "digits", "show": "stories", "story": slug}))
    assert "Both" in words(app) and "2 findings: 2 hold" in words(app)
    assert words(app).index("One.") < words(app).index("A map") < words(app).index("An image")
    story = stories_folder().find(slug).story
    page = story_html(story, scenes(story))
    out = tmp_path / "story.html"
    options = ["--stores", str(served_store()), "--findings", str(tmp_path / "findings"), "--device", "cpu"]
    assert main([*options, "story", slug, "--out", str(out)]) == 0
    assert "2 findings: 2 hold" in capsys.readouterr().out
    assert out.read_bytes() == page
    seen = needs_nothing(page)
    text = "".join(seen.words)
    for kept in (each.finding for each in findings().all()):
        assert kept.proof in text and kept.run in text
    # The pictures are those of the pages, with their recipes, which stand in the text too.
    for picture in seen.pictures():
        picture.load()
        assert picture.info[RECIPE] in text
    assert len(seen.pictures()) == 2 and text.count("python -m compute") == 2


@pytest.mark.slow
def test_what_is_gone_broken_or_needs_the_network_is_said_in_its_place(served, tmp_path, capsys):
    good = served(MistakesView(), "Errors")
    live = served(ImageView(image=2, tab="channels"), "Strong channels", picture=False)
    (findings().path / "broken.toml").write_text("format = 9")
    stored = findings().path / f"{good}.toml"
    stored.write_text(re.sub(r"(?m)^images = \d+$", "images = 3", stored.read_text()))
    parts = [Quoted(each) for each in (good, live, "broken", "../gone")]
    story = told("Parts", parts)
    shown = scenes(story)
    assert shown[good].drawn.check.kind == "differs" and shown[good].picture is not None
    assert shown[live].drawn.wanting == NETWORK and shown[live].drawn.check.kind == "unchecked"
    assert "format is 9" in shown["broken"].problem and "not there any more" in shown["../gone"].problem
    slug = stories_folder().add(story)
    app = show("findings", {"store": "digits", "show": "stories", "story": slug})
    assert not app.exception and len(app.error) == 2
    assert "4 findings: 1 differs, 1 not checked, 2 missing" in words(app)
    out = tmp_path / "s.html"
    options = ["--stores", str(served_store()), "--findings", str(tmp_path / "findings")]
    assert main([*options, "story", slug, "--out", str(out)]) == 1
    assert "../gone" in capsys.readouterr().err
    text = "".join(needs_nothing(out.read_bytes()).words)
    assert "The finding broken: it can't be read" in text and "Images was 3 and is" in text
    assert main([*options, "story", "nothing"]) == 2 and "choose from parts" in capsys.readouterr().err
    assert main([*options, "story"]) == 0 and "parts: Parts, 4 findings" in capsys.readouterr().out


@pytest.mark.slow
def test_a_story_is_made_changed_and_removed_on_the_page(served):
    first, second = served(MapView(map="pca"), "A map"), served(MistakesView(), "Errors")
    address = {"store": "digits", "show": "stories"}
    app = fine(show("findings", address, {"story/new panel": True}))
    assert "no story" in said(app.info)
    app = button(app, "Save the story").click().run()
    assert "needs a title" in said(app.error)
    app.text_input(key="story/new title").set_value("Two things")
    app = app.multiselect(key="story/new findings").set_value([second, first]).run()
    app.text_area(key=f"story/new before {first}").set_value("Then <b>this</b>.")
    app = fine(button(app, "Save the story").click().run())
    (file,) = stories_folder().all()
    assert file.story == told("Two things", [Quoted(second), Text("Then <b>this</b>."), Quoted(first)])
    assert query_of(app)["story"] == file.slug and "Then <b>this</b>." in words(app)

    key = f"story/{file.slug} {hash(file.story)}"
    app = fine(show("findings", address | {"story": file.slug}, {f"{key} panel": True}))
    app.text_area(key=f"{key} before  last").set_value("The end.")
    app = fine(button(app, "Save the story").click().run())
    (changed,) = stories_folder().all()
    assert changed.story.parts == (*file.story.parts, Text("The end."))

    key = f"story/{file.slug} {hash(changed.story)}"
    app = fine(show("findings", address | {"story": file.slug}, {f"{key} panel": True}))
    app = fine(button(app, "Remove the story").click().run())
    assert stories_folder().all() == [] and "story" not in query_of(app)


@pytest.mark.slow
def test_visitors_who_may_change_nothing_read_stories(served, serve, tmp_path):
    slug = stories_folder().add(told("Read", [Quoted(served(MistakesView(), "Errors"))]))
    serve(served_store(), findings=str(tmp_path / "findings"), read_only=True)
    for story in ("", slug):
        app = fine(show("findings", {"store": "digits", "show": "stories", "story": story}))
        assert [each.label for each in app.expander] == []
        assert not {each.label for each in app.button} & {"Save the story", "Remove the story"}
    app = show("findings", {"store": "digits", "show": "stories", "story": "../verdicts"})
    assert "not there any more" in said(app.error) and not app.exception
