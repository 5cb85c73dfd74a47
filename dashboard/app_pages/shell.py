"""The script that Streamlit runs for every visitor: the navigation, and the page with its errors caught."""

import streamlit as st

from dashboard.views import binding
from dashboard.views.navigation import ICON, navigation_pages
from dashboard.widgets.errors import boundary

st.set_page_config(page_title="Featurescope", page_icon=str(ICON), layout="wide")

# Hidden: its own links would lose the view and leave two entries in the history; `header` draws others.
page = st.navigation(navigation_pages(), position="hidden")
with boundary():
    page.run()
binding.finished()
