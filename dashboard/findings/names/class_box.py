"""A select box of classes, each by the name that it was given."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.findings.names.of_run import Names
from dashboard.text import choice_names


def class_box(
    title: str, classes: Sequence[str], key: str, names: Names, none: str | None = None, **options: Any
) -> str | None:
    """Draw the box and return the chosen class, which is itself whatever it is called.

    classes: "" among them stands for `none`.
    options: of the select box.
    """
    called = choice_names(classes, lambda label: names.class_title(label) or str(none))
    _show_anew(key, called(st.session_state[key]) if st.session_state.get(key) else "")
    return st.selectbox(title, classes, key=key, format_func=called, **options)


def _show_anew(key: str, called: str) -> None:
    """Have the browser show what the chosen class is called by now.

    A browser keeps the words that it showed. Where a name was given or taken away since, these would be no
    option any more, and the choice would be lost.
    """
    shown = f"{key} called"
    if st.session_state.get(shown, called) != called:
        st.session_state[key] = st.session_state[key]
    st.session_state[shown] = called
