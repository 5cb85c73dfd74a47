"""Pages that a test runs without a server (Streamlit's AppTest) have the options that the server has."""

from streamlit import config

from dashboard.server.streamlit_options import streamlit_options


def set_page_options() -> None:
    """Set Streamlit's options in this process, as `python -m dashboard` does."""
    for name, value in streamlit_options().items():
        config.set_option(name, value)
