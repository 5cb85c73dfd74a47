"""The server: the Streamlit script and, beside it, the routes for thumbnails, points, tiles and bundles."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dashboard.comparison_routes import comparison_routes
from dashboard.data import open_run, short_links
from dashboard.door import Door, Policy
from dashboard.link_routes import link_routes
from dashboard.routes import beneath, make_routes
from dashboard.settings import Settings
from dashboard.upload_room import UploadRoom
from dashboard.warm_up import warmed_up

settings = Settings.read()
app = st.App(
    Path(__file__).with_name("shell.py"),
    lifespan=warmed_up,
    routes=beneath(
        settings.base_path,
        [*make_routes(open_run), *comparison_routes(open_run), *link_routes(short_links)],
    ),
    middleware=[
        Middleware(Door, policy=Policy.of(settings.host, settings.public_url, settings.uploads)),
        Middleware(UploadRoom),
    ],
)
