"""One finding and its TOML text. The text may come from anybody: every field is checked, nothing is run."""

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tomli_w

FORMAT = 1
HEADING = "# A finding of Featurescope; `make findings` says whether it still holds.\n"
LONGEST_TITLE, LONGEST_NOTE, LONGEST_TEXT = 120, 4_000, 1_000
MOST_NUMBERS, MOST_VALUES = 400, 64
"""Numbers of a finding, and values of a list among them, at most; further ones are not kept."""

Value = bool | int | float | str | list


@dataclass(frozen=True)
class Finding:
    """A pinned view.

    page, query: the view, as its address has it.
    store, run: where it was seen.
    model: name and weights_hash of the network.
    images: hash of the set of images.
    environment: where the numbers were computed.
    numbers: what the view said, by name.
    proof: text of `dashboard.sharing.proof`.
    """

    title: str
    note: str
    created: datetime
    page: str
    query: Mapping[str, str]
    store: str
    run: str
    model: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Value] = field(default_factory=dict)
    proof: str = ""

    def to_toml(self) -> str:
        """Return the finding as the text of its file."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if value != ""}
        text = tomli_w.dumps({"format": FORMAT, **fields})
        if "\\r\\n" not in text:  # A text over several lines would lose its carriage returns.
            text = tomli_w.dumps({"format": FORMAT, **fields}, multiline_strings=True)
        return HEADING + text

    @classmethod
    def from_toml(cls, text: str) -> "Finding":
        """Read a finding from the text of its file; ValueError that names what can't be read."""
        try:
            said = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValueError(f"it is not TOML: {error}") from error
        if said.get("format") != FORMAT:
            raise ValueError(f"its format is {said.get('format')!r}; this program reads format {FORMAT}")
        texts = {name: _text(said, name, longest) for name, longest in TEXTS.items()}
        tables = {name: _texts(said, name) for name in ("query", "model", "images", "environment")}
        for name in ("title", "page", "store", "run"):
            if not texts[name]:
                raise ValueError(f"it has no {name}")
        return cls(**texts, **tables, created=_time(said), numbers=_numbers(said))


TEXTS = {
    "title": LONGEST_TITLE,
    "note": LONGEST_NOTE,
    "page": 40,
    "store": 200,
    "run": 128,
    "proof": 2_000,
}


def flat(numbers: Mapping[str, Any], group: str = "") -> dict[str, Value]:
    """Return numbers in the form that TOML can hold.

    The names of groups are joined by dots, rows become a list for each column, and None is left out.
    """
    found = dict(_flat(numbers, group))
    return dict(list(found.items())[:MOST_NUMBERS])


def _flat(numbers: Mapping[str, Any], group: str) -> Iterator[tuple[str, Value]]:
    for name, value in numbers.items():
        said = f"{group}.{name}" if group else str(name)
        if isinstance(value, Mapping):
            yield from _flat(value, said)
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            yield from _flat({column: [row.get(column) for row in value] for column in value[0]}, said)
        elif isinstance(value, list | tuple):
            kept = [_plain(each) for each in value[:MOST_VALUES]]
            if None not in kept:
                yield said, kept
        elif (plain := _plain(value)) is not None:
            yield said, plain


def _plain(value: Any) -> Value | None:
    """Return a value that TOML can hold; None for what is neither a text nor a finite number."""
    if isinstance(value, bool | str):
        return value[:LONGEST_TEXT] if isinstance(value, str) else value
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"its {name} is not a text of at most {longest:,} characters")
    return value


def _texts(said: Mapping[str, Any], name: str) -> dict[str, str]:
    value = said.get(name, {})
    if not isinstance(value, dict) or len(value) > MOST_NUMBERS:
        raise ValueError(f"its {name} is not a table of texts")
    return {key: _text(value, key, LONGEST_TEXT) for key in value}


def _time(said: Mapping[str, Any]) -> datetime:
    value = said.get("created")
    if not isinstance(value, datetime):
        raise ValueError("its created is not a date and time")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _numbers(said: Mapping[str, Any]) -> dict[str, Value]:
    value = said.get("numbers", {})
    if not isinstance(value, dict) or len(value) > MOST_NUMBERS:
        raise ValueError(f"its numbers are not a table of at most {MOST_NUMBERS}")
    for name, each in value.items():
        values = each if isinstance(each, list) else [each]
        if len(values) > MOST_VALUES or not all(isinstance(one, bool | int | float | str) for one in values):
            raise ValueError(f"its number {name[:60]!r} is no number, text or short list of them")
    return value
