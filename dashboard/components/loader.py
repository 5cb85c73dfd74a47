"""How the components reach the browser: a two-line loader each, and the bundle over HTTP.

A component's JavaScript goes to the browser with every rerun. A bundle of some hundred kilobytes would too,
so what Streamlit sends only imports the bundle, which ``dashboard.server.routes`` serves for the browser to
keep.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

DIST = Path(__file__).parent / "dist"
NAMES = (
    "scatter",
    "image_grid",
    "image_box",
    "channel_atlas",
    "deep_zoom",
    "brushes",
    "confusion_matrix",
    "keyboard",
)

# Relative to the page, so that the app may stand behind a proxy's prefix.
_LOADER = """
const bundle = await import(new URL("{url}", document.baseURI).href)
export default bundle.default
"""


@cache
def bundle(name: str) -> bytes | None:
    """Return the built JavaScript of the component `name`, one of NAMES; None where it is not built."""
    if name not in NAMES:
        raise ValueError(f"unknown component {name!r}, choose one of {', '.join(NAMES)}")
    path = DIST / f"{name}.js"
    return path.read_bytes() if path.is_file() else None


def bundle_url(name: str) -> str:
    """Return the address of a built bundle, relative to the app; it changes with the bundle's content."""
    return f"frontend/{hashlib.sha256(bundle(name) or b'').hexdigest()[:16]}/{name}.js"


def declare(name: str) -> Callable[..., Mapping[str, Any]]:
    """Register the component `name` with Streamlit and return the function that mounts it.

    Where the bundle is not built, that function shows how to build it and returns no events.
    """
    if bundle(name) is None:
        return _unbuilt
    return st.components.v2.component(f"featurescope_{name}", js=_LOADER.format(url=bundle_url(name)))


def _unbuilt(**_: Any) -> Mapping[str, Any]:
    st.error("This part of the page is not built yet: run `make install`, then start the dashboard again.")
    return {}
