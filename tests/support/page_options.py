"""Pages that a test runs without a server (Streamlit's AppTest) have the options that the server has."""

from functools import cache

from streamlit import config
from streamlit.components.v2 import manifest_scanner

from dashboard.server.streamlit_options import streamlit_options


def set_page_options() -> None:
    """Set Streamlit's options in this process, as `python -m dashboard` does."""
    for name, value in streamlit_options().items():
        config.set_option(name, value)
    # A server reads once which components the installed packages bring. Every AppTest would read it anew,
    # of all packages, which takes longer than most pages.
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
