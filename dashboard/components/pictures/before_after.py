"""Two pictures at one size, one upon the other, with a slider between them."""

from pathlib import Path

import streamlit as st

SOURCE = Path(__file__).parents[1] / "frontend" / "before_after.js"

_mount = st.components.v2.component("featurescope_before_after", js=SOURCE.read_text())


def before_after(before: str, after: str, *, alt: tuple[str, str], key: str, width: int) -> None:
    """Draw a picture and what became of it; the slider says how much of either is seen.

    before, after: data URLs; the first one is stretched to the size of the second.
    alt: what each shows, for screen readers.
    width: of the second, in CSS pixels; less where there is less room.
    """
    _mount(key=key, data={"before": before, "after": after, "alt": alt, "width": width})
