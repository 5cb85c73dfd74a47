"""Find images by words of their path, label and prediction, by their number, or by the range of a value."""

import re
import shlex
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

_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}?\.\.(<?){_NUMBER}?|{_NUMBER}", re.IGNORECASE)
"""0.2..0.8, 1.., ..0.5 or a number alone; the ends belong to it, but not the second one of 0.2..<0.8."""

MOST_WORDS = 16
"""Of a search, so that its cost is bounded."""

HELP = (
    "Words of the path, the label or the prediction, or an image's number. All of them must be there; case "
    "does not count. `label:cat predicted:dog` looks in one column, `image:12` for one number, "
    '`"two words"` for both together. `probability:0.2..0.8 loss:1..` finds by ranges, and so do width and '
    "height."
)


def search(images: pa.Table, text: str) -> np.ndarray:
    """Find the images that have all words of `text`; no word finds nothing.

    images: a table with COLUMNS.
    Returns their image_ids (n,) int64, sorted. ValueError for more than MOST_WORDS words.
    """
    words = list(dict.fromkeys(terms(text)))
    if len(words) > MOST_WORDS:
        raise ValueError(f"the search has {len(words)} words; it may have {MOST_WORDS}")
    texts = {name: _Texts.of(images[name]) for field, _ in words for name in FIELDS[field]}
    image_ids = images["image_id"].to_numpy()
    matching_rows = np.full(len(images), bool(words))
    for field, word in words:
        has_word = _in_range(images[field], word) if field in RANGES else _numbered(image_ids, field, word)
        for name in FIELDS[field]:
            has_word |= texts[name].contain(word)
        matching_rows &= has_word
    return image_ids[matching_rows]


def terms(text: str) -> list[tuple[str, str]]:
    """Return (field, word) of each word.

    A field that doesn't exist belongs to the word, as in a path `C:/cats`.
    """
    split = [word.partition(":") for word in _words(text)]
    pairs = [
        (field.lower(), rest) if colon and field.lower() in FIELDS else ("", field + colon + rest)
        for field, colon, rest in split
    ]
    return [(field, word) for field, word in pairs if word]


def as_kept(value: float) -> float:
    """Return a number in single precision, as which a store keeps its values: 0.1 finds what shows as 0.1."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def range_of(text: str, column: str) -> tuple[float, float] | None:
    """Return the least and greatest value that a search asks a column for; None where it asks for none."""
    asked = [found for field, word in terms(text) if field == column and (found := _RANGE.fullmatch(word))]
    if not asked:
        return None
    ends = [_ends(found) for found in asked]
    return max(low for low, _ in ends), min(high for _, high in ends)


def with_range(text: str, column: str, asked: str) -> str:
    """Return a search with another range of a column, such as "0.2..0.8"; with none for ""."""
    others = [(field, word) for field, word in terms(text) if field != column]
    pairs = [*others, (column, asked)] if asked else others
    return " ".join(_written(field, word) for field, word in pairs)


def _written(field: str, word: str) -> str:
    quoted = f'"{word}"' if any(map(str.isspace, word)) else word
    return f"{field}:{quoted}" if field else quoted


def _ends(found: re.Match[str]) -> tuple[float, float]:
    """The least and the greatest value of a range that was read."""
    first, _, last, alone = found.groups()
    low, high = (alone, alone) if alone else (first, last)
    return float(low) if low else -np.inf, float(high) if high else np.inf


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, '"', "", ""
    try:
        return list(lexer)
    except ValueError:
        # A quotation that is still being typed.
        return text.replace('"', " ").split()


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
        matches = pc.match_substring(self.names, word, ignore_case=True)
        return np.append(matches.to_numpy(zero_copy_only=False).astype(bool), False)[self.codes]


def _in_range(values: pa.ChunkedArray, word: str) -> np.ndarray:
    """Return which values lie in a range, (N,) bool; none where the word is no range."""
    numbers = values.cast(pa.float64()).to_numpy()
    found = _RANGE.fullmatch(word)
    if found is None:
        return np.zeros(len(numbers), bool)
    low, high = map(as_kept, _ends(found))
    return (numbers >= low) & (numbers < high if found[2] and found[3] else numbers <= high)


def _numbered(image_ids: np.ndarray, field: str, word: str) -> np.ndarray:
    """Return which images have the word as their number, (N,) bool."""
    if field in ("", "image") and word.isascii() and word.isdigit():
        return image_ids == min(int(word[:18]), 2**62)
    return np.zeros(len(image_ids), bool)
