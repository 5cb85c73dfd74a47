"""The server of ``test_components``: ``STORE=… python component_app.py PORT``."""

import os
import sys
from pathlib import Path

import streamlit as st

from dashboard.server.routes.of_runs import make_routes
from featurestore.reader import Store


def open_run(name, fingerprint):
    if name != "small":
        raise ValueError(f"unknown store {name!r}")
    return Store(os.environ["STORE"]).open(fingerprint)


app = st.App(Path(__file__).with_name("component_page.py"), routes=make_routes(open_run))

if __name__ == "__main__":
    app.run(
        config={
            "server.address": "127.0.0.1",
            "server.port": int(sys.argv[1]),
            "server.headless": True,
            "browser.gatherUsageStats": False,
            "server.fileWatcherType": "none",
        }
    )
