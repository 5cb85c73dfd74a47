"""Find images by words of their path, label and prediction, or by their number."""

import shlex
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("image_id", "path", "label", "predicted", "split")
FIELDS = {
    "path": ("path",),
    "label": ("label",),
    "predicted": ("predicted",),
    "split": ("split",),
    "image": (),
    "": ("path", "label", "predicted"),
}
"""Columns that a word is searched in, by what stands before its colon; "" is for words without one."""

MOST_WORDS = 16
"""Of a search, so that its cost is bounded."""

HELP = (
    "Words of the path, the label or the prediction, or an image's number. All of them must be there; case "
    "does not count. `label:cat predicted:dog` looks in one column, `image:12` for one number, "
    '`"two words"` for both together.'
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
        has_word = _numbered(image_ids, field, word)
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


def _numbered(image_ids: np.ndarray, field: str, word: str) -> np.ndarray:
    """Return which images have the word as their number, (N,) bool."""
    if field in ("", "image") and word.isascii() and word.isdigit():
        return image_ids == min(int(word[:18]), 2**62)
    return np.zeros(len(image_ids), bool)
