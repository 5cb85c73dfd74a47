"""The part of the form Pin that names what a page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from dashboard.findings.names.folder import names_folder
from dashboard.findings.names.record import LONGEST_NAME, LONGEST_WHO, Name, Thing, stem_of
from dashboard.findings.names.things import NOUNS
from dashboard.text import one_line, plain, reason, sentence
from featurestore.reader import Run


@dataclass(frozen=True)
class Change:
    """What a form asks for: another name for a thing.

    text: the name; "" takes away the one that the thing has.
    """

    thing: Thing
    text: str
    by: str


@dataclass(frozen=True)
class Said:
    """What came of a change.

    sentence: Markdown.
    text: of the file, where it could not be written.
    """

    sentence: str
    is_wrong: bool = False
    text: str = ""


def name_fields(page: str, things: Sequence[Thing]) -> list[Change]:
    """Draw a field for each thing's name, and one for who gives it; return what is asked to be changed."""
    written = []
    for thing in things:
        file = names_folder().of(thing)
        now = "" if file is None or file.name is None else file.name.text
        if len(things) > 1:
            st.caption(plain(thing.where))
        text = st.text_input(
            f"Name this {NOUNS[thing.kind]}",
            now,
            max_chars=LONGEST_NAME,
            # Of the name too: where somebody else has given one meanwhile, this form doesn't write over it.
            key=f"{page}/name {stem_of(thing)} {now}",
            placeholder="wheels" if thing.kind == "channel" else None,
            help="Shown wherever it appears, to everybody who has the folder of findings. Empty: no name.",
        )
        if file is not None and file.problem:
            st.caption(sentence(f"{file.stem}.toml can't be read: {file.problem}"))
        if one_line(text) != now:
            written.append((thing, one_line(text)))
    by = st.text_input("Named by", max_chars=LONGEST_WHO, key="named by", placeholder="you") if things else ""
    return [Change(thing, text, by) for thing, text in written]


def make(changes: Sequence[Change], store: str, run: Run) -> list[Said]:
    """Write the names that a form asks for, and return what came of each."""
    return [given(named(each, store, run)) if each.text else taken_away(each.thing) for each in changes]


def given(name: Name) -> Said:
    """Write a name, and return where it is or why it can't be written."""
    folder = names_folder()
    try:
        file = folder.give(name)
    except ValueError as error:
        return Said(sentence(error), is_wrong=True)
    except OSError as error:
        refused = sentence(f"the folder {folder.path} can't be written ({reason(error)})")
        advice = f" Save this text there yourself, as `{stem_of(name.thing)}.toml`:"
        return Said(refused + advice, is_wrong=True, text=name.to_toml())
    return Said(sentence(f"called {name.text!r} in {file}; commit it to share it"))


def taken_away(thing: Thing) -> Said:
    """Remove a thing's name, and return that it is gone or why it can't be removed."""
    try:
        names_folder().remove(stem_of(thing))
    except OSError as error:
        return Said(sentence(f"{stem_of(thing)}.toml can't be removed ({reason(error)})"), is_wrong=True)
    return Said(sentence(f"the name of {thing.where} is taken away"))


def draw_said(said: Said) -> None:
    """Draw what came of a change."""
    if said.is_wrong:
        st.error(said.sentence, icon=":material/error:")
    else:
        st.success(said.sentence, icon=":material/label:")
    if said.text:
        st.code(said.text, language="toml", height=240)


def named(change: Change, store: str, run: Run) -> Name:
    """Return the name that a form asks for; how it is written is looked at when it is given."""
    network = str(run.manifest.model.get("name", ""))
    now = datetime.now(UTC).replace(microsecond=0)
    return Name(change.text, change.thing, now, change.by, network, store, run.fingerprint)
