"""Pieces of HTML that a notebook shows: no script, no network, colors of the notebook's own theme.

What a store says is somebody else's text: every piece of it goes through `text`. Styles stand in the
elements, since a notebook may leave out a style sheet, and a sheet would reach what is not ours.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from html import escape
from typing import Any, TypeVar

Shown = TypeVar("Shown")

LONGEST = 160
"""Characters of a text that are shown."""

MOST_BYTES = 200_000
"""Of the pictures in a card; base64 makes a third more of them."""

LINE = "rgba(127, 127, 127, 0.4)"
"""The color of lines: seen on white and on black."""

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}

NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of what follows, and halves of characters."""


def one_line(value: Any, longest: int = LONGEST) -> str:
    """Return a value's text as one line that shows itself alone, cut to `longest` characters.

    What can't be seen in it is shown as "\ufffd", so that no character turns the direction of the others.
    """
    said = NOT_SHOWN.sub("\ufffd", " ".join(str(value).split()))
    return said if len(said) <= longest else f"{said[: longest - 1]}…"


def text(value: Any, longest: int = LONGEST) -> str:
    """Return HTML that shows a value's text, whatever it holds."""
    return f"<bdi>{escape(one_line(value, longest))}</bdi>"


def card(title: str, *parts: str) -> str:
    """Return a frame with a title; title and parts are HTML."""
    style = f"border:1px solid {LINE};border-radius:6px;padding:8px 12px;max-width:920px;line-height:1.45"
    heading = f'<div style="font-weight:600;margin-bottom:4px">{title}</div>'
    return f'<div style="{style}">{heading}{"".join(parts)}</div>'


def facts(values: Mapping[str, str]) -> str:
    """Return names and what they have, a line each; the values are HTML."""
    cells = "".join(
        f'<div style="opacity:0.7">{text(name)}</div><div style="overflow-wrap:anywhere">{value}</div>'
        for name, value in values.items()
    )
    return f'<div style="display:grid;grid-template-columns:max-content 1fr;column-gap:16px">{cells}</div>'


def quiet(said: str) -> str:
    """Return a line in the background; `said` is HTML."""
    return f'<div style="opacity:0.7;font-size:90%">{said}</div>'


def row(parts: Iterable[str]) -> str:
    """Return parts side by side, in several lines where there is no room."""
    style = "display:flex;flex-wrap:wrap;gap:10px;margin:6px 0;align-items:flex-start"
    return f'<div style="{style}">{"".join(parts)}</div>'


def folded(title: str, content: str) -> str:
    """Return content that is shown once its title is clicked; both are HTML."""
    return f'<details style="margin-top:4px"><summary>{title}</summary>{content}</details>'


def code(said: str, longest: int = 4000) -> str:
    """Return a text in the letters of code, its lines kept."""
    lines = "\n".join(NOT_SHOWN.sub("\ufffd", line) for line in said.split("\n"))
    shown = lines if len(lines) <= longest else f"{lines[:longest]}…"
    return f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;margin:2px 0">{escape(shown)}</pre>'


def rows(names: Sequence[str], values: Iterable[Sequence[Any]]) -> str:
    """Return a table of texts."""
    edge = f"text-align:left;padding:2px 10px 2px 0;border-bottom:1px solid {LINE}"
    head = "".join(f'<th style="{edge}">{text(name)}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f'<td style="{edge}">{text(spoken(each))}</td>' for each in line) + "</tr>"
        for line in values
    )
    return f'<table style="border-collapse:collapse;margin:4px 0"><tr>{head}</tr>{body}</table>'


def spoken(value: Any) -> str:
    """Return a value as a short text: numbers in five digits, a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def picture(content: bytes, alt: str, style: str) -> str:
    """Return an <img> with its bytes; ValueError for what is neither PNG nor JPEG, or too large for a card.

    style: CSS that gives its size.
    """
    kind = next((kind for begins, kind in SIGNATURES.items() if content.startswith(begins)), None)
    if kind is None:
        raise ValueError("the picture is neither PNG nor JPEG")
    if len(content) > MOST_BYTES:
        raise ValueError(f"the picture has {len(content):,} bytes, more than the {MOST_BYTES:,} of a card")
    source = f"data:image/{kind};base64,{b64encode(content).decode()}"
    # Notebooks give pictures a greatest width and a margin of their own.
    whole = f"max-width:none;margin:0;{style}"
    return f'<img alt="{escape(one_line(alt), quote=True)}" src="{source}" style="{whole}">'


def or_reason(draw: Callable[[], str]) -> str:
    """Return what `draw` draws or, where it can't, a sentence that says why."""
    try:
        return draw()
    except Exception as error:  # a card is shown whatever is wrong with one of its parts
        return quiet(f"not shown: {text(error or type(error).__name__, 400)}")


def never_raising(draw: Callable[[Shown], str]) -> Callable[[Shown], str]:
    """Make a `_repr_html_` say what is wrong in place of raising: a notebook would print a traceback."""

    @wraps(draw)
    def drawn(shown: Shown) -> str:
        return or_reason(lambda: draw(shown))

    return drawn
