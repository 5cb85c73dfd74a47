"""The script that Streamlit runs for every visitor: navigation, and the page within an error boundary."""

import streamlit as st

from dashboard.boundary import boundary
from dashboard.pages import navigation_pages

st.set_page_config(page_title="Featurescope", page_icon=":material/blur_on:", layout="wide")

page = st.navigation(navigation_pages(), position="top")
with boundary():
    page.run()
