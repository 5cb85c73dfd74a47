"""What the pages need, imported before the first visitor comes."""

import gc
import importlib
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

import dashboard

SCRIPTS = (
    "dashboard.app_pages",
    "dashboard.__main__",
    "dashboard.components.build",
    "dashboard.findings.__main__",
    "dashboard.server.app",
)
"""Run by themselves, not imported by others."""


@asynccontextmanager
async def preloaded(_app: st.App) -> AsyncIterator[None]:
    """Import all that pages import and take it from the garbage collector, before the server serves.

    Streamlit collects garbage after every run of a page. With PyTorch's modules to look through that took
    0.3 s, in which no other thread ran: four visitors who watched a job kept the server at a standstill.
    """
    for module in pkgutil.walk_packages(dashboard.__path__, "dashboard."):
        if not module.name.startswith(SCRIPTS):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    yield
