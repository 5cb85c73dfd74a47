"""The dashboard's pages through AppTest: opened as a link opens them, run until nothing is computed, read."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.data.trusted_code import pinned
from dashboard.settings import VARIABLE, Settings
from dashboard.text import BREAK
from featurestore.manifest import MANIFEST, Manifest, read_manifest
from featurestore.reader import Store
from tests.support import ROOT

SHELL = str(ROOT / "dashboard/app_pages/shell.py")
LIMIT = 60
"""Seconds after which a run of a page has failed."""


def serve(monkeypatch: pytest.MonkeyPatch, *stores: str | Path, **options) -> None:
    """Set which stores are served, as the command line does. options: further fields of `Settings`.

    No result is kept on disk unless `results_mb` says so: no test is to find another's.
    """
    environment: dict[str, str] = {}
    pinned(Settings(tuple(map(str, stores)), "cpu", **{"results_mb": 0} | options)).write(environment)
    monkeypatch.setenv(VARIABLE, environment[VARIABLE])
    st.cache_resource.clear()


def show(page: str, query: Mapping | None = None, session: Mapping | None = None) -> AppTest:
    """Open a page of this name with the parameters of an address, and values of the session set before."""
    app = AppTest.from_file(SHELL, default_timeout=LIMIT)
    for name, value in (session or {}).items():
        app.session_state[name] = value
    if page != "overview":
        # Before anything is drawn, as a link does. Each page has its file's name, by which it is known then.
        app.switch_page(f"{page}.py")
    for name, value in (query or {}).items():
        app.query_params[name] = str(value)
    return app.run()


def fine(app: AppTest) -> AppTest:
    """The app itself, once it is asserted that it shows no error and that Streamlit drew no exception."""
    assert not app.exception
    assert [each.value for each in app.error] == []
    return app


def grids(app: AppTest) -> int:
    """How many components a page draws, but the one that listens to the keyboard."""
    return len([each for each in app.get("bidi_component") if not each.key.endswith("/keyboard")])


def settled(app: AppTest) -> AppTest:
    """Run until no job is shown as running."""
    for _ in range(100):
        if not app.get("progress"):
            return app
        app.run()
    raise AssertionError("the job did not end")


def query_of(app: AppTest) -> dict[str, str]:
    """The address's parameters, the first value of each."""
    return {
        name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()
    }


def words(app: AppTest) -> str:
    """All text that the page shows outside its controls."""
    drawn = [*app.markdown, *app.caption, *app.header, *app.subheader, *app.info, *app.warning, *app.error]
    return unescaped("\n".join(each.value for each in drawn))


def said(messages) -> str:
    """What the first of these messages says, such as `app.error`."""
    return unescaped(messages[0].value)


def unescaped(markdown: str) -> str:
    """The text that Markdown of `dashboard.text.plain` shows."""
    return re.sub(r"\\(.)", r"\1", markdown.replace(BREAK, ""))


def markdown(app: AppTest) -> list[str]:
    """All that the browser reads as Markdown: texts and messages, labels, captions, cells."""
    blocks = [block for block in _blocks(app.main) if getattr(block, "type", "") not in NOT_MARKDOWN]
    return [text for block in blocks if hasattr(block, "proto") for text in _texts(block.proto)]


MARKDOWN = frozenset({"body", "label", "caption", "text", "help", "delta", "message"})
"""Names of the fields of Streamlit's messages that hold it."""
NOT_MARKDOWN = frozenset({"html", "code", "text", "bidi_component"})
"""Kinds of elements that hold none."""


def _blocks(block):
    yield block
    for child in getattr(block, "children", {}).values():
        yield from _blocks(child)


def _texts(message) -> Iterator[str]:
    if not hasattr(message, "ListFields"):
        return
    for field, value in message.ListFields():
        if isinstance(value, str):
            if field.name in MARKDOWN:
                yield value
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                yield from _texts(each)


def pictures(app: AppTest) -> list[str]:
    """Addresses of the pictures that the page shows; equal ones are of equal bytes."""
    return [image.url for each in app.get("image") for image in each.proto.imgs]


def button(app: AppTest, label: str):
    """The first button of this label."""
    return next(each for each in app.button if each.label == label)


def link_table(app: AppTest, label: str) -> list[tuple[str, list[str], list[str]]]:
    """The rows of a table of links: the address, the texts, and the addresses of cells of their own."""
    bodies = [each.proto.body for each in app.get("html") if "link-table" in each.proto.body]
    trees = [ElementTree.fromstring(body) for body in bodies if body.startswith("<div")]
    (table,) = (tree.find("table") for tree in trees if tree.find("table").get("aria-label") == label)
    return [_link_row(row) for row in table.iterfind("tbody/tr")]


def _link_row(row: ElementTree.Element) -> tuple[str, list[str], list[str]]:
    first, *others = [link.get("href") for link in row.iter("a")]
    return first, ["".join(cell.itertext()) for cell in row], others


def forget(store: Path, table: str) -> None:
    """Take a table out of a run's manifest, as if its stage had not been run."""
    folder = store / "runs" / Store(store).current()
    manifest = read_manifest(folder)
    gone = {table, "maps"} if table == "embeddings" else {table}
    files = {name: entry for name, entry in manifest.files.items() if name.rsplit("-", 1)[0] not in gone}
    fields = {name: getattr(manifest, name) for name in Manifest.__dataclass_fields__ if name != "files"}
    (folder / MANIFEST).write_bytes(Manifest(**fields, files=files).to_bytes())
