"""Texts for people: names that they gave, and what went wrong."""

import logging
import os
import re
import uuid

log = logging.getLogger(__name__)

MAP_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=\"'])")


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it is; line ends and spaces around it are left out."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def sentence(error: Exception | str) -> str:
    """Return an error's text, or another one, as a sentence: a capital letter first, a full stop last."""
    text = str(error).strip() or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


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
