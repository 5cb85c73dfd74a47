"""A button that copies a text to the clipboard, also where the page came over plain HTTP."""

from pathlib import Path

import streamlit as st

SOURCE = Path(__file__).parent / "frontend" / "copy_button.js"

_mount = st.components.v2.component("featurescope_copy_button", js=SOURCE.read_text())


def copy_button(text: str, *, label: str, key: str) -> None:
    """Draw a button that copies `text`.

    label: what the button says; once it has copied the text, it says so.
    """
    _mount(key=key, data={"text": text, "label": label})
