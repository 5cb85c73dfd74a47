"""Find images by words of their path, label and prediction, by their number, or by what a column says."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RANGES = ("probability", "loss", "width", "height")
COLUMNS = ("image_id", "path", "label", "predicted", "split", *RANGES)
FIELDS = {
    "path": ("path",),
    "label": ("label",),
    "predicted": ("predicted",),
    "split": ("split",),
    "image": (),
    **dict.fromkeys(RANGES, ()),
    "": ("path", "label", "predicted"),
}
"""Columns that a word is searched in, by what stands before its colon; "" is for words without one."""

FURTHER = "columns."
"""What the field of a further column of the list of images begins with."""

EXACTLY = "="
"""What a word begins with that must be all of a text."""

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}?\.\.(<?){_NUMBER}?|{_NUMBER}", re.IGNORECASE | re.ASCII)
"""0.2..0.8, 1.., ..0.5 or a number alone; the ends belong to it, but not the second one of 0.2..<0.8."""

_QUOTED = r'"((?:[^"]|"")*)"'
_WORD = re.compile(rf'(?:[^\s"]|{_QUOTED})+')
"""A word may have parts between quotation marks, and in these blanks, and "" for a quotation mark."""

MOST_WORDS = 16
"""Of a search, so that its cost is bounded."""

MOST_LETTERS = 300
"""Of a search in an address."""

HELP = (
    "Words of the path, the label or the prediction, or an image's number. All of them must be there; case "
    "does not count. `label:cat predicted:dog` looks in one column, `image:12` for one number, "
    '`"two words"` for both together, `label:=cat` for this label exactly (of several such, for any). '
    "`probability:0.2..0.8 loss:1..` finds by ranges, and so do width and height. `columns.NAME:` is a "
    "further column of the list that the images came with: a range of numbers, or words."
)


def search(images: pa.Table, text: str) -> np.ndarray:
    """Find the images that have all words of `text`; no word finds nothing.

    Of several words that begin with EXACTLY, one field's are alternatives.

    images: a table with COLUMNS, and "columns.NAME" of each further column that the text asks for.
    Returns their image_ids (n,) int64, sorted. ValueError for more than MOST_WORDS words, a column that is
    not there, and for what is no range where one must be.
    """
    further = [name.removeprefix(FURTHER) for name in images.column_names if name.startswith(FURTHER)]
    words = list(dict.fromkeys(terms(text, further)))
    if len(words) > MOST_WORDS:
        raise ValueError(f"the search has {len(words)} words; it may have {MOST_WORDS}")
    texts = {name: _Texts.of(images[name]) for field, _ in words for name in _texts_of(images, field)}
    image_ids = images["image_id"].to_numpy()
    matching_rows = np.full(len(images), bool(words))
    alternatives: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(images), bool))
    for field, word in words:
        names = _texts_of(images, field)
        if field and names and word.startswith(EXACTLY):
            alternatives[field] |= texts[names[0]].are(word.removeprefix(EXACTLY))
        elif names or field == "image":
            has_word = _numbered(image_ids, field, word)
            for name in names:
                has_word |= texts[name].contain(word)
            matching_rows &= has_word
        else:
            matching_rows &= _in_range(images[field], field, word)
    for has_one in alternatives.values():
        matching_rows &= has_one
    return image_ids[matching_rows]


def terms(text: str, further: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (field, word) of each word.

    A field that doesn't exist belongs to the word, as in a path `C:/cats`.

    further: names of the further columns, which "columns.NAME" is a field of.
    ValueError for one that isn't there.
    """
    pairs = [_term(word, further) for word in _words(text)]
    return [(field, word) for field, word in pairs if word]


def as_kept(value: float, kind: pa.DataType) -> float:
    """Return a number as a column of this type has it: in single precision 0.1 finds what shows as 0.1."""
    if pa.types.is_float64(kind):
        return value
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def range_of(text: str, column: str, further: Sequence[str] = ()) -> tuple[float, float] | None:
    """Return the least and greatest value that a search asks a column for; None where it asks for none."""
    words = [word for field, word in terms(text, further) if field == column]
    asked = [found for word in words if (found := _RANGE.fullmatch(word))]
    if not asked:
        return None
    ends = [_ends(found) for found in asked]
    return max(low for low, _ in ends), min(high for _, high in ends)


def with_range(text: str, column: str, asked: str, further: Sequence[str] = ()) -> str:
    """Return a search with another range of a column, such as "0.2..0.8"; with none for ""."""
    others = [(field, word) for field, word in terms(text, further) if field != column]
    return written([*others, (column, asked)] if asked else others)


def values_of(text: str, column: str, further: Sequence[str] = ()) -> list[str]:
    """Return the values of which a search asks a column for any; "" for what has none."""
    return [
        word.removeprefix(EXACTLY)
        for field, word in terms(text, further)
        if field == column and word.startswith(EXACTLY)
    ]


def with_values(text: str, column: str, values: Iterable[str], further: Sequence[str] = ()) -> str:
    """Return a search that asks a column for any of these values, in place of those it asked for."""
    others = [
        (field, word)
        for field, word in terms(text, further)
        if field != column or not word.startswith(EXACTLY)
    ]
    return written([*others, *((column, EXACTLY + value) for value in values)])


def written(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the text that has these terms."""
    return " ".join(_written(field, word) for field, word in pairs)


def _written(field: str, word: str) -> str:
    if any(map(str.isspace, field)) or '"' in field:
        return _quoted(f"{field}:{word}")
    said = _quoted(word) if any(map(str.isspace, word)) or '"' in word else word
    return f"{field}:{said}" if field else said


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _term(word: str, further: Sequence[str]) -> tuple[str, str]:
    field, colon, rest = word.partition(":")
    if not colon:
        return "", word
    if field.lower().startswith(FURTHER):
        name, rest = _further(word[len(FURTHER) :], further)
        return FURTHER + name, rest
    return (field.lower(), rest) if field.lower() in FIELDS else ("", word)


def _further(named: str, further: Sequence[str]) -> tuple[str, str]:
    """Return the further column that "NAME:WORD" begins with, and the word; a name may have colons, too."""
    for alike in (str, str.casefold):
        fitting = [
            name
            for name in further
            if alike(named[: len(name)]) == alike(name) and named[len(name) :].startswith(":")
        ]
        if fitting:
            name = max(fitting, key=len)
            return name, named[len(name) + 1 :]
    asked = named.partition(":")[0]
    there = ", ".join(further) or "none: the images came without a list"
    raise ValueError(f"the search asks for {FURTHER + asked!r}; further columns are {there}")


def _texts_of(images: pa.Table, field: str) -> tuple[str, ...]:
    """Return the columns of texts that a field's words are searched in; none for one of numbers."""
    if field.startswith(FURTHER):
        return () if pa.types.is_floating(images[field].type) else (field,)
    return FIELDS[field]


def _ends(found: re.Match[str]) -> tuple[float, float]:
    """The least and the greatest value of a range that was read."""
    first, _, last, alone = found.groups()
    low, high = (alone, alone) if alone else (first, last)
    return float(low) if low else -np.inf, float(high) if high else np.inf


def _words(text: str) -> list[str]:
    if text.count('"') % 2:
        # A quotation that is still being typed.
        return text.replace('"', " ").split()
    return [
        re.sub(_QUOTED, lambda quoted: quoted[1].replace('""', '"'), word[0]) for word in _WORD.finditer(text)
    ]


@dataclass(frozen=True)
class _Texts:
    """A column by its distinct texts: each is looked at once a word, as there are few labels.

    names: the distinct ones.
    codes: (N,) which of them each row has; one past the last where it has none.
    """

    names: pa.Array
    codes: np.ndarray

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> "_Texts":
        encoded = values.combine_chunks().dictionary_encode()
        names = encoded.dictionary.cast(pa.string())
        return cls(names, encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False))

    def contain(self, word: str) -> np.ndarray:
        """Return which rows contain the word, (N,) bool."""
        return self._rows(pc.match_substring(self.names, word, ignore_case=True), without=False)

    def are(self, text: str) -> np.ndarray:
        """Return which rows are the text, (N,) bool; "" is no text."""
        return self._rows(pc.equal(self.names, text), without=not text)

    def _rows(self, matches: pa.Array, without: bool) -> np.ndarray:
        return np.append(matches.to_numpy(zero_copy_only=False).astype(bool), without)[self.codes]


def _in_range(values: pa.ChunkedArray, field: str, word: str) -> np.ndarray:
    """Return which values lie in a range, (N,) bool; ValueError where the word is no range."""
    found = _RANGE.fullmatch(word)
    if found is None:
        raise ValueError(
            f"{word!r} is no range of {field}: ask for a number, or for a range such as 0.2..0.8, 0.2..<0.8, "
            "1.. or ..0.5"
        )
    if np.greater(*_ends(found)):
        raise ValueError(f"the range {word!r} of {field} ends before it begins: say the lower number first")
    low, high = (as_kept(end, values.type) for end in _ends(found))
    numbers = values.cast(pa.float64()).to_numpy()
    return (numbers >= low) & (numbers < high if found[2] and found[3] else numbers <= high)


def _numbered(image_ids: np.ndarray, field: str, word: str) -> np.ndarray:
    """Return which images have the word as their number, (N,) bool; ValueError for what must be one."""
    if field in ("", "image") and word.isascii() and word.isdigit():
        return image_ids == min(int(word[:18]), 2**62)
    if field == "image":
        raise ValueError(f"{word!r} is no number of an image: ask for one such as image:12")
    return np.zeros(len(image_ids), bool)
