"""A number that may be left empty: the empty box says in words what that means."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard.views import binding


def optional_number(
    label: str,
    key: str,
    none: float,
    meaning: str,
    *,
    on_change: Callable[..., None] | None = None,
    args: tuple = (),
    **options: Any,
) -> None:
    """Draw a number's control that is empty where the session holds `none` under `key`.

    key: where the session holds the number for the page's view, see `dashboard.views.binding`.
    none: the value that an empty box stands for, such as -1; links and command lines have it as it is.
    meaning: what an empty box means, in a few words, such as "whole channel".
    on_change: called with `args` after the number was changed.
    options: further ones of `st.number_input`.
    """
    drawn = binding.drawn_key(key)
    number = None if st.session_state[key] == none else st.session_state[key]
    binding.give(drawn, number, st.session_state)

    def changed() -> None:
        typed = st.session_state[drawn]
        binding.hold(key, none if typed is None else typed)
        if on_change is not None:
            on_change(*args)

    st.number_input(label, value=None, key=drawn, placeholder=meaning, on_change=changed, **options)
