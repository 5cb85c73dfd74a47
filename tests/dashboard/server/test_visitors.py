"""What visitors may not do with --read-only, --no-live and --jobs-per-minute."""

import pytest

from dashboard.__main__ import parser
from dashboard.data import runs
from dashboard.settings import Settings
from tests.support import page_app

LAB = {"store": "digits", "method": "saliency", "live": "1", "image": "5"}


@pytest.fixture
def show(store, serve):
    """A page of a server with these settings."""

    def run(page, query, **options):
        serve(store, **options)
        app = page_app.show(page, query)
        assert not app.exception
        return app

    return run


def labels(app):
    return {each.proto.popover.label for each in walk(app.main) if is_popover(each)}


def walk(block):
    yield block
    for child in getattr(block, "children", {}).values():
        yield from walk(child)


def is_popover(block):
    return hasattr(getattr(block, "proto", None), "popover") and bool(block.proto.popover.label)


@pytest.mark.slow
def test_read_only_offers_no_pin_and_no_upload(show):
    assert {"Pin", "Upload", "Copy link"} <= labels(show("image", {"image": "3"}))
    offered = labels(show("image", {"image": "3"}, read_only=True))
    assert "Copy link" in offered and not offered & {"Pin", "Upload"}


@pytest.mark.slow
def test_without_live_methods_nothing_starts(show):
    app = show("lab", LAB, live=False)
    assert "turned off on this server" in page_app.said(app.error)
    assert "Upload" not in labels(app) and "Pin" in labels(app)
    # Whatever starts a job needs the network first.
    with pytest.raises(ValueError, match="--no-live"):
        runs.model(runs.open_run("digits", runs.run_names("digits")[0]))


def test_too_many_starts_are_a_sentence_with_the_seconds_and_a_button(show):
    app = show("lab", LAB, jobs_per_minute=1)
    app.query_params["p.variant"] = "smoothgrad"
    app.run()
    assert not app.exception and "the next may start in" in page_app.said(app.warning)
    assert "Start" in {button.label for button in app.button}


def test_listens_on_loopback_unless_told_and_a_public_url_is_one():
    options = parser().parse_args([])
    assert (options.host, options.public_url, options.trust_proxy) == ("127.0.0.1", "", "")
    assert Settings(public_url="https://example.org/team/maps/").base_path == "/team/maps"
    for bad in (
        "example.org",
        "ftp://example.org",
        "https://example.org/a b",
        "https://example.org/?x",
        "//x",
    ):
        with pytest.raises(SystemExit):
            parser().parse_args(["--public-url", bad])
