"""Names that people gave (labels, paths, classes) for Streamlit's texts, which are Markdown."""

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&^=\"'])")


def plain(text: str) -> str:
    """Markdown that shows `text` as it is; line ends and spaces around it are left out."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
