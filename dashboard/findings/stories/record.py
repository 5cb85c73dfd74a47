"""One story and its TOML text. The text may come from anybody: every field is checked, nothing is run."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w

from dashboard.text import one_line

FORMAT = 1
HEADING = "# A story of Featurescope: findings of this folder in order, with text (docs/sharing.md).\n"
LONGEST_TITLE, LONGEST_TEXT, LONGEST_SLUG = 120, 20_000, 255
MOST_FINDINGS = 40
"""Findings of a story at most: each has its picture on the page and in the file."""


@dataclass(frozen=True)
class Text:
    """What stands between findings: plain text, paragraphs parted by empty lines."""

    text: str

    @property
    def paragraphs(self) -> list[str]:
        return [each.strip() for each in re.split(r"\n\s*\n", self.text) if each.strip()]


@dataclass(frozen=True)
class Quoted:
    """A finding that stands here, by the name of its file without the suffix."""

    slug: str


Part = Text | Quoted


@dataclass(frozen=True)
class Story:
    """Findings put in order, with text between them; made by `told`, which checks it."""

    title: str
    parts: tuple[Part, ...]

    @property
    def slugs(self) -> tuple[str, ...]:
        """The findings in order."""
        return tuple(part.slug for part in self.parts if isinstance(part, Quoted))

    def to_toml(self) -> str:
        """Return the story as the text of its file."""
        parts = [
            {"text": part.text + "\n"} if isinstance(part, Text) else {"finding": part.slug}
            for part in self.parts
        ]
        said = {"format": FORMAT, "title": self.title, "parts": parts}
        return HEADING + tomli_w.dumps(said, multiline_strings=True)

    @classmethod
    def from_toml(cls, text: str) -> "Story":
        """Read a story from the text of its file; ValueError that says what can't be read."""
        if re.search(r"^(<{7} |>{7} )", text, re.M):
            raise ValueError("git could not merge it; keep one of the two sides in the file")
        try:
            said = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"it is not TOML: {error}") from error
        if said.get("format") != FORMAT:
            raise ValueError(
                f"its format is {_shown(said.get('format'))}; this program reads format {FORMAT}"
            )
        parts = said.get("parts", [])
        if not isinstance(parts, list):
            raise ValueError("its parts are not a list of [[parts]]")
        return told(_text(said, "title"), map(_part, parts))


def told(title: str, parts: Iterable[Part]) -> Story:
    """Return a story, its texts as they are kept: empty ones are left out, neighbours joined.

    ValueError for one without a title or a finding, with a finding twice, or that is too long.
    """
    title = one_line(_kept(title))
    if not title:
        raise ValueError("a story needs a title")
    if len(title) > LONGEST_TITLE:
        raise ValueError(f"a story's title has at most {LONGEST_TITLE} characters; this one has {len(title)}")
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, Quoted):
            joined.append(part)
        elif text := _kept(part.text):
            before = f"{joined.pop().text}\n\n" if joined and isinstance(joined[-1], Text) else ""
            joined.append(Text(before + text))
    _check(joined)
    return Story(title, tuple(joined))


def _check(parts: list[Part]) -> None:
    slugs = [part.slug for part in parts if isinstance(part, Quoted)]
    if not slugs:
        raise ValueError("a story needs a finding")
    if len(slugs) > MOST_FINDINGS:
        raise ValueError(f"a story has at most {MOST_FINDINGS} findings; this one has {len(slugs)}")
    if twice := [each for each in dict.fromkeys(slugs) if slugs.count(each) > 1]:
        raise ValueError(f"a story has each finding once; this one has {_shown(twice[0])} twice")
    if any(isinstance(part, Text) and len(part.text) > LONGEST_TEXT for part in parts):
        raise ValueError(f"a text between findings has at most {LONGEST_TEXT:,} characters")


def _kept(text: str) -> str:
    """Return a text as a file of TOML keeps it: whole characters, lines ended as Unix does."""
    whole = text.encode(errors="replace").decode()
    return whole.replace("\r\n", "\n").replace("\r", "\n").strip()


def _part(said: Any) -> Part:
    if not isinstance(said, dict) or ("text" in said) == ("finding" in said):
        raise ValueError("one of its parts is neither a text nor a finding")
    if "text" in said:
        return Text(_text(said, "text"))
    slug = _text(said, "finding")
    if not 0 < len(slug) <= LONGEST_SLUG:
        raise ValueError(f"one of its findings is no name of a file: {_shown(slug)}")
    return Quoted(slug)


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"its {name} is {_shown(value)}, which is no text")
    return value


def _shown(value: Any) -> str:
    return "not said" if value is None else one_line(repr(value)[:60])
