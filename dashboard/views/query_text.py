"""How an address writes a value and reads it.

What is read is held to its bounds. What is written is kept short: all of a page's query stays below 1,900
characters, whatever a store's names and a visitor's texts are.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote_plus

LONGEST = 120
"""Greatest length of a text in an address, in characters, where a field has no limit of its own."""

LONGEST_NUMBER = 24

Notes = tuple[str, ...]


def write(value: Any, bounds: Any = None) -> str:
    """Return a field's value as an address writes it.

    bounds: the field's metadata, see `dashboard.views.state.view_field`.
    """
    if isinstance(value, str):
        return _shortened(value, bounds or {})
    return str(int(value)) if isinstance(value, bool) else str(value)


def read(field: dataclasses.Field, text: str) -> tuple[Any, Notes]:
    """Return the value of `text` in the field's type and bounds, else the default or the bound; and notes."""
    name, default, bounds = field.name, field.default, field.metadata
    try:
        value = _shortened(text, bounds) if isinstance(default, str) else _number(type(default), text)
    except ValueError:
        return default, (f"{name} {_cut(text, LONGEST)!r} can't be read; {default!r} is taken",)
    if bounds.get("above") and value and not _are_above(value, bounds["above"]):
        return default, (f"{name} {_cut(text, LONGEST)!r} can't be read; {default or 'none'!r} is taken",)
    if bounds.get("choices") is not None and value not in bounds["choices"]:
        choices = ", ".join(map(str, bounds["choices"]))
        return default, (f"{name} {_cut(text, LONGEST)!r} is not one of {choices}; {default!r} is taken",)
    return clamp(name, value, bounds.get("low"), bounds.get("high"))


def clamp(name: str, value: Any, low: float | None, high: float | None) -> tuple[Any, Notes]:
    """Return the value if it is within the inclusive bounds, else the nearer bound, with a note."""
    if low is not None and value < low:
        return type(value)(low), (f"{name} {value} is below {low}; {low} is taken",)
    if high is not None and value > high:
        return type(value)(high), (f"{name} {value} is above {high}; {high} is taken",)
    return value, ()


def abbreviated(name: str, longest: int = LONGEST) -> str:
    """Return a name as an address writes it: one that is too long is cut off and ends in "~" and a hash.

    `resolved` finds the name again.
    """
    if _length(name) <= longest:
        return name
    ending = f"~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
    return _cut(name, longest - len(ending)) + ending


def resolved(text: str, names: Iterable[str]) -> str:
    """Return the name that `text` says or abbreviates; `text` itself where it is none of the names."""
    names = tuple(names)
    return text if text in names else next((name for name in names if abbreviated(name) == text), text)


def write_numbers(numbers: Iterable[float]) -> str:
    """Return numbers as an address writes them, to four digits: "0.25,-1,3"."""
    return ",".join(f"{number:.4g}" for number in numbers)


def read_numbers(text: str, count: int) -> tuple[float, ...] | None:
    """Read `count` numbers of an address; None where they are not as many, or one is no finite number."""
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _are_above(text: str, lows: tuple[float, ...]) -> bool:
    numbers = read_numbers(text, len(lows))
    return numbers is not None and all(number > low for number, low in zip(numbers, lows, strict=True))


def _number(kind: type, text: str) -> Any:
    if kind is bool:
        return bool(("0", "1").index(text))
    value = kind(text[: LONGEST_NUMBER + 1])
    if len(text) > LONGEST_NUMBER or not math.isfinite(value):
        raise ValueError(f"{text[:LONGEST]!r} is not a number")
    return value


def _shortened(text: str, bounds: Any) -> str:
    longest = bounds.get("longest", LONGEST)
    return abbreviated(text, longest) if bounds.get("listed") else _cut(text, longest)


def _cut(text: str, longest: int) -> str:
    """Return as much of the beginning as `longest` characters of an address hold."""
    text = text[:longest]
    while _length(text) > longest:
        text = text[:-1]
    return text


def _length(text: str) -> int:
    return len(quote_plus(text, errors="replace"))
