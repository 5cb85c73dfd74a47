"""Fixtures of the dashboard's tests: a served store, and which stores are served."""

from pathlib import Path

import pytest
import streamlit as st

from featurestore.reader import Run, Store
from tests.support import page_app
from tests.support.stores.served import copied_store, served_store


@pytest.fixture(scope="session")
def store() -> Path:
    """A store of 34 digits, not to be changed."""
    return served_store()


@pytest.fixture
def run(store) -> Run:
    """The store's run, opened."""
    return Store(store).open()


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the store of the test's own, to change."""
    return copied_store(tmp_path / "digits")


@pytest.fixture
def serve(monkeypatch):
    """`serve(*stores, **options)` sets which stores are served, with which fields of `Settings`."""
    yield lambda *stores, **options: page_app.serve(monkeypatch, *stores, **options)
    st.cache_resource.clear()
