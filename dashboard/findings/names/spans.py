"""Image ids as a short text: "3, 7-12" is 3 and all from 7 to 12."""

import re

import numpy as np

_SPAN = re.compile(r"([0-9]{1,12})(?: ?- ?([0-9]{1,12}))?")


def spans_of(image_ids: np.ndarray) -> str:
    """Return ids (n,), sorted and each once, as a text."""
    ids = np.asarray(image_ids, np.int64)
    if not len(ids):
        return ""
    breaks = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = ids[np.r_[0, breaks + 1]], ids[np.r_[breaks, len(ids) - 1]]
    return ", ".join(
        f"{first}" if first == last else f"{first}-{last}"
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
    )


def check_spans(text: str) -> str:
    """Return a text of ids without its line breaks; ValueError where it is none."""
    spans = [" ".join(span.split()) for span in text.split(",")]
    for span in spans:
        if not _SPAN.fullmatch(span):
            raise ValueError(f"{span[:40]!r} is neither an image's number nor two with a dash between them")
    return ", ".join(spans)


def ids_of(text: str, count: int) -> np.ndarray:
    """Return the ids (n,) int64, sorted, that are below `count`.

    text: checked by `check_spans`. The work follows from its length and from `count`, whatever it says.
    """
    changes = np.zeros(count + 1, np.int64)
    for first, last in _SPAN.findall(text):
        low, high = int(first), min(int(last or first), count - 1)
        if low <= high:
            changes[low] += 1
            changes[high + 1] -= 1
    return np.flatnonzero(np.cumsum(changes[:count]))
