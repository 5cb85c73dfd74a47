"""Find images by words of their path, label and prediction, or by their number."""

import shlex

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

HELP = (
    "Words of the path, the label or the prediction, or an image's number. All of them must be there; case "
    "does not count. `label:cat predicted:dog` looks in one column, `image:12` for one number, "
    '`"two words"` for both together.'
)


def search(images: pa.Table, text: str) -> np.ndarray:
    """Find the images that have all words of `text`; no word finds nothing.

    images: a table with COLUMNS.
    Returns their image_ids (n,) int64, sorted.
    """
    matching_rows = np.zeros(len(images), bool)
    for index, (field, word) in enumerate(terms(text)):
        has_word = _has(images, field, word)
        matching_rows = has_word if index == 0 else matching_rows & has_word
    return images["image_id"].to_numpy()[matching_rows]


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


def _has(images: pa.Table, field: str, word: str) -> np.ndarray:
    """Return which rows have the word, (N,) bool."""
    has_word = np.zeros(len(images), bool)
    if field in ("", "image") and word.isascii() and word.isdigit():
        has_word |= images["image_id"].to_numpy() == min(int(word[:18]), 2**62)
    for column in FIELDS[field]:
        has_word |= _contains(images[column], word)
    return has_word


def _contains(values: pa.ChunkedArray, word: str) -> np.ndarray:
    """Return which values contain the word, (N,) bool.

    Each distinct text is looked at once, as there are few labels.
    """
    encoded = values.combine_chunks().dictionary_encode()
    names = encoded.dictionary.cast(pa.string())
    matches = pc.match_substring(names, word, ignore_case=True).to_numpy(zero_copy_only=False).astype(bool)
    codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
    return np.append(matches, False)[codes]
