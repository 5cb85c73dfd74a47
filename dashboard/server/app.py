"""The server: the Streamlit script and, beside it, the routes for thumbnails, points, tiles and bundles."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dashboard.data.runs import open_run, shown_store
from dashboard.findings.names.things import name_of_address
from dashboard.server.access import AccessMiddleware, Policy
from dashboard.server.front_end import FrontEndMiddleware
from dashboard.server.messages import MessageRoom
from dashboard.server.open_pages import OpenPages
from dashboard.server.preload import preloaded
from dashboard.server.routes.answering import beneath
from dashboard.server.routes.find import find_routes
from dashboard.server.routes.links import link_routes
from dashboard.server.routes.of_runs import make_routes
from dashboard.server.routes.of_two_runs import comparison_routes
from dashboard.server.routes.previews import preview_routes
from dashboard.server.upload_limit import UploadLimitMiddleware
from dashboard.settings import Settings
from dashboard.sharing.short_links import short_links

settings = Settings.read()
open_pages = OpenPages()
app = st.App(
    Path(__file__).parents[1] / "app_pages" / "shell.py",
    lifespan=preloaded,
    routes=beneath(
        settings.base_path,
        [
            *make_routes(open_run),
            *comparison_routes(open_run),
            *link_routes(short_links),
            *find_routes(open_run),
            *preview_routes(open_run),
        ],
    ),
    middleware=[
        Middleware(
            AccessMiddleware,
            policy=Policy.of(settings.host, settings.public_url, settings.uploads),
            messages=MessageRoom(settings.share("messages")),
            pages=open_pages,
        ),
        Middleware(UploadLimitMiddleware, most_bytes=settings.share("sent files")),
        Middleware(
            FrontEndMiddleware,
            base_path=settings.base_path,
            store_of=shown_store,
            open_pages=open_pages,
            name_of=name_of_address,
            origin=Policy.of(settings.host, settings.public_url, settings.uploads).origin,
        ),
    ],
)
