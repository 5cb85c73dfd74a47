"""Pages of a long list: the number is a field of the view, so a link opens on it."""

import math

import streamlit as st

from dashboard.views import binding
from dashboard.views.state import ViewState


def page_of(cls: type[ViewState], field: str, count: int, per_page: int) -> slice:
    """Draws what turns the pages of `count` things; the things of the page that the view's `field` says."""
    pages = max(1, math.ceil(count / per_page))
    key = binding.key(cls, field)
    # A link may ask for a page of a longer list.
    if st.session_state[key] > pages:
        st.session_state[key] = pages
    number = st.pagination(pages, key=key) if pages > 1 else 1
    return slice((number - 1) * per_page, number * per_page)
