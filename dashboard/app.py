"""The server: the Streamlit script and, beside it, the routes for thumbnails, points, tiles and bundles."""

from pathlib import Path

import streamlit as st

from dashboard.comparison_routes import comparison_routes
from dashboard.data import open_run, short_links
from dashboard.link_routes import link_routes
from dashboard.routes import make_routes

app = st.App(
    Path(__file__).with_name("shell.py"),
    routes=[*make_routes(open_run), *comparison_routes(open_run), *link_routes(short_links)],
)
