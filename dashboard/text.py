"""Texts for people: names that they gave, and what went wrong."""

import logging
import os
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable
from itertools import count
from typing import TypeVar

Option = TypeVar("Option")

log = logging.getLogger(__name__)

MAP_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=\"'])")

NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of what follows, and halves of characters."""

BREAK = ":gray[]"
"""Markdown of an empty span: a text ends at it, and what is copied is as if it weren't there."""

FOUND_LATE = re.compile(
    "|".join(
        [
            r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)",
            r"(?<=:)(?=[\w+/-]+:)",
            r"(?<=(?<!\S)[<>~-])(?=[>=-](?!\S))|(?<=(?<!\S)<)(?=->(?!\S))|(?<=(?<!\S)<-)(?=>(?!\S))",
        ]
    ),
    re.IGNORECASE,
)
"""Places within what Streamlit looks for once escapes are read: addresses, icons (:smile:), arrows."""

COMMAND = re.compile(r"`((?:make|python|--)[^`]*)`")
"""What a message has between backticks by our own hand: a command or an option of one."""


def one_line(text: str) -> str:
    """Return a text as one line that shows itself alone: what can't be seen in it is shown as "\ufffd".

    So no character in it turns the direction of what follows.
    """
    return NOT_SHOWN.sub("\ufffd", " ".join(text.split()))


def cut(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters, the last of them "…" where some are left out."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it is, in one line: no link, no formatting, no icon."""
    return BREAK.join(SPECIAL.sub(r"\\\1", part) for part in FOUND_LATE.split(one_line(text)))


def slug(text: str, longest: int) -> str:
    """Return a text as a part of an address or a file's name: lower-case letters, digits and dashes.

    longest: characters that it has at most. It may be "", as of a text that has no such letter.
    """
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:longest].strip("-")


def command_line(command: str) -> str:
    """Return a command line, as bash and zsh read it, in which what can't be seen stands by its number.

    command: a line of `shlex.join`, which has such a character between single quotes.
    """
    return NOT_SHOWN.sub(lambda found: f"'$'\\u{ord(found[0]):04x}''", command)


def choice_names(options: Iterable[Option], words: Callable[[Option], str] = str) -> Callable[[Option], str]:
    """Return what each option of a select box is called there: one line, and no two of them the same.

    words: what says of an option, which may be somebody's name, what it is.
    A browser says what was chosen by what it is called; of several called the same it would be the last.
    """
    names: dict[Option, str] = {}
    taken: set[str] = set()
    for option in options:
        name = one_line(words(option))
        names[option] = next(each for number in count(1) if (each := _numbered(name, number)) not in taken)
        taken.add(names[option])
    return lambda option: names.get(option, "") or one_line(words(option))


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"


def sentence(error: Exception | str) -> str:
    """Return Markdown of an error's text, or another one, as a sentence, capital first, full stop last.

    The text is shown as it is, but for commands of ours between backticks.
    """
    text = str(error).strip() or type(error).__name__
    text = text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
    parts = COMMAND.split(text)
    shown = [f"`{one_line(part)}`" if number % 2 else _within(part) for number, part in enumerate(parts)]
    return "".join(shown)


def _within(text: str) -> str:
    """Return `plain` of a part of a text, with the spaces at its ends."""
    if not text.strip():
        return " " if text else ""
    before, after = (" " if text[place].isspace() else "" for place in (0, -1))
    return f"{before}{plain(text)}{after}"


def reason(error: OSError) -> str:
    """Return why a file could not be written, in the system's own few words."""
    return os.strerror(error.errno) if error.errno else str(error)


def logged(what: str) -> str:
    """Log the exception that is being handled, and return a text that names it by its number in the log.

    what: what has failed, such as "page"; for the log.
    """
    number = uuid.uuid4().hex[:8]
    log.exception("%s failed, error %s", what, number)
    return f"something went wrong in the program; the server's log has it as error {number}"


def counted(number: int, noun: str = "image") -> str:
    """Return a number of things in words: 1 image, 1,000 images."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def number(value: float | None) -> str:
    """Return a number in three digits; a dash for none."""
    return "–" if value is None else f"{value:.3g}"


def percent(share: float) -> str:
    """Return a share in percent, with as many digits as tell it from all of it: 97%, 99.98%, >99.99%.

    Only a share of 1 is said to be 100%.
    """
    if share == 1:
        return "100%"
    for digits in (0, 1, 2):
        if (text := f"{share:.{digits}%}") != f"{1:.{digits}%}":
            return text
    return ">99.99%"


def map_name(method: str) -> str:
    """Return what people call a map by this method."""
    return MAP_NAMES.get(method, method)
