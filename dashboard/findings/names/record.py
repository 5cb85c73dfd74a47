"""One name and its TOML text. The text may come from anybody: every field is checked, nothing is run."""

import dataclasses
import hashlib
import json
import re
import textwrap
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import tomli_w

from dashboard.findings.names.spans import check_spans
from dashboard.text import map_name, one_line, slug

FORMAT = 1
HEADING = (
    "# A name that Featurescope shows (docs/sharing.md). Each named thing has its file: git merges them.\n"
)
LONGEST_NAME, LONGEST_WHO, LONGEST_TEXT = 60, 60, 1_000
LONGEST_STEM, DIGITS = 60, 12
LINE = 96
"""Characters of a line of image ids."""


@dataclass(frozen=True)
class Channel:
    """A channel of a network: the same in every run of these weights."""

    kind: ClassVar[str] = "channel"
    weights_hash: str
    layer: str
    channel: int

    @property
    def where(self) -> str:
        return f"{self.layer}, channel {self.channel}"


@dataclass(frozen=True)
class NamedClass:
    """A class, the same in every network of this list of classes.

    classes: `classes_hash` of the list.
    """

    kind: ClassVar[str] = "class"
    classes: str
    label: str

    @property
    def where(self) -> str:
        return self.label


@dataclass(frozen=True)
class Region:
    """Images that were chosen on a map of one network.

    images: hash of the set of images.
    map: the map's method.
    image_ids: those of the region, see `dashboard.findings.names.spans`.
    """

    kind: ClassVar[str] = "region"
    weights_hash: str
    images: str
    map: str
    image_ids: str

    @property
    def where(self) -> str:
        return f"{map_name(self.map)} map"


Thing = Channel | NamedClass | Region
KINDS: dict[str, type[Thing]] = {each.kind: each for each in (Channel, NamedClass, Region)}


@dataclass(frozen=True)
class Name:
    """What somebody calls a thing.

    text: the name, one line.
    named: when it was given.
    by: who says to have given it; "" for nobody.
    network, store, run: where the thing was seen, for people and for links.
    """

    text: str
    thing: Thing
    named: datetime
    by: str = ""
    network: str = ""
    store: str = ""
    run: str = ""

    @property
    def title(self) -> str:
        """The name, and what it is the name of: "wheels (conv2, channel 17)"."""
        return titled(self.text, self.thing.where)

    def to_toml(self) -> str:
        """Return the name as the text of its file."""
        of = dataclasses.asdict(self.thing)
        if isinstance(self.thing, Region):
            of["image_ids"] = "\n".join(textwrap.wrap(self.thing.image_ids, LINE)) + "\n"
        seen = {name: getattr(self, name) for name in SEEN if getattr(self, name)}
        said = {
            "format": FORMAT,
            "kind": self.thing.kind,
            "name": self.text,
            "by": self.by,
            "named": self.named,
        }
        return HEADING + tomli_w.dumps({**said, "of": of, "seen": seen}, multiline_strings=True)

    @classmethod
    def from_toml(cls, text: str) -> "Name":
        """Read a name from the text of its file; ValueError that says what can't be read."""
        if sides := _sides(text):
            raise ValueError(f"git could not merge it: {sides}")
        try:
            said = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"it is not TOML: {error}") from error
        if said.get("format") != FORMAT:
            raise ValueError(
                f"its format is {_shown(said.get('format'))}; this program reads format {FORMAT}"
            )
        seen = _table(said, "seen")
        return cls(
            checked_name(_text(said, "name", LONGEST_TEXT)),
            _thing(said),
            _time(said),
            one_line(_text(said, "by", LONGEST_WHO)),
            **{name: one_line(_text(seen, name, LONGEST_TEXT)) for name in SEEN},
        )


SEEN = ("network", "store", "run")


def titled(name: str | None, where: str) -> str:
    """Return what a thing is called on pages: by its name, if it has one, and by where it is."""
    return f"{name} ({where})" if name else where


def checked_name(text: str) -> str:
    """Return a name as it is kept: one line, its letters composed; ValueError for what can't be a name."""
    name = one_line(unicodedata.normalize("NFC", text.encode(errors="replace").decode()))
    if not any(unicodedata.category(letter)[0] in "LNPS" for letter in name):
        raise ValueError("a name needs a letter, a digit or a sign that can be seen")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} characters; {name[:20]!r}… has {len(name)}")
    return name


def stem_of(thing: Thing) -> str:
    """Return the name of the thing's file, without its suffix.

    It follows from the thing, so two people who name different things write different files, and two who
    name the same one are told so by git. It is of lower-case letters, digits and dashes.
    """
    facts = json.dumps([thing.kind, *dataclasses.astuple(thing)], ensure_ascii=True)
    digest = hashlib.sha256(facts.encode()).hexdigest()[:DIGITS]
    words = f"{thing.kind}-{thing.channel}-{thing.layer}" if isinstance(thing, Channel) else ""
    words = words or f"{thing.kind}-{thing.label if isinstance(thing, NamedClass) else thing.map}"
    return f"{slug(words, LONGEST_STEM)}-{digest}"


def classes_hash(names: tuple[str, ...]) -> str:
    """Return what tells a network's list of classes from all others."""
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def _sides(text: str) -> str:
    """Return what the sides of a conflict that git left in a file call the thing; "" where there is none."""
    if not re.search(r"^(<{7} |>{7} )", text, re.M):
        return ""
    names = [one_line(each) for each in re.findall(r"^name = (.{1,400})$", text, re.M)]
    both = f"it is called {' and '.join(names[:4])}" if names else "it was removed, or its sides differ"
    return f"{both}; keep one of them, in the file or by naming it again"


def _thing(said: Mapping[str, Any]) -> Thing:
    kind, of = said.get("kind"), _table(said, "of")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"its kind is {_shown(kind)}; it must be one of {', '.join(KINDS)}")
    values: dict[str, Any] = {}
    for each in dataclasses.fields(KINDS[kind]):
        if each.name == "channel":
            values[each.name] = _number(of, each.name)
        elif each.name == "image_ids":
            values[each.name] = check_spans(_text(of, each.name, None))
        else:
            values[each.name] = _text(of, each.name, LONGEST_TEXT)
        if values[each.name] == "":
            raise ValueError(f"it does not say the {each.name} of the {kind}")
    return KINDS[kind](**values)


def _table(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = said.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is not a table")
    return value


def _text(said: Mapping[str, Any], name: str, longest: int | None) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or (longest is not None and len(value) > longest):
        raise ValueError(
            f"its {name} is not a text" + (f" of at most {longest:,} characters" * bool(longest))
        )
    return value


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError(f"its {name} is {_shown(value)}, which is no number of a {name}")
    return value


def _time(said: Mapping[str, Any]) -> datetime:
    value = said.get("named")
    if not isinstance(value, datetime):
        raise ValueError("its time, `named`, is not a date and time")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _shown(value: Any) -> str:
    return "not said" if value is None else one_line(repr(value)[:40])
