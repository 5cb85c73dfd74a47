"""Texts for people: names that they gave, and errors as sentences."""

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=\"'])")


def plain(text: str) -> str:
    """Markdown that shows `text` as it is; line ends and spaces around it are left out."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def sentence(error: Exception) -> str:
    """Return an error's text as a sentence: a capital letter first, a full stop last."""
    text = str(error).strip() or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
