"""Streamlit takes every option of the server's file, in whatever folder it is started."""

from streamlit import config

from dashboard.server.streamlit_options import streamlit_options


def test_options_are_streamlits_and_may_be_set_by_the_program():
    known = config._config_options_template
    for name in streamlit_options():
        assert name in known
        assert not known[name].sensitive


def test_the_theme_and_what_keeps_a_server_safe_are_among_them():
    options = streamlit_options()
    assert options["theme.light.primaryColor"] == "#0f6e84"
    assert len(options["theme.dark.chartCategoricalColors"]) == 8
    safe = {
        "server.headless": True,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "browser.gatherUsageStats": False,
        "runner.magicEnabled": False,
        "server.maxUploadSize": 30,
    }
    assert {name: options[name] for name in safe} == safe
