"""The pictures of link previews: what the page shows, scaled; no job is started for one."""

import io
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compute.reports.maps.part import part_of_map
from dashboard.data import runs
from dashboard.server.routes.previews import preview_routes
from dashboard.sharing.downloads import main_download
from dashboard.sharing.preview import HEIGHT, WIDTH
from dashboard.views.definitions import AboutView, FindingsView, ResultsView
from dashboard.views.navigation import PAGES
from featurestore.reader import Store
from tests.support.page_app import fine, settled, show

pytestmark = pytest.mark.slow

NO_PICTURE = {AboutView.page, FindingsView.page, ResultsView.page, "compare", "triage"}
"""Compare has none without another run, nor Triage without a suspect."""


@pytest.fixture
def client(store, serve):
    serve(store)
    return TestClient(Starlette(routes=preview_routes(runs.open_run)))


def ask(client, page, **query):
    return client.get(f"/preview/{page}?{urlencode({'store': 'digits', **query})}")


def opened(answer):
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_with_a_picture_has_a_preview_and_starts_no_job(client, page):
    answer = ask(client, page)
    if page in NO_PICTURE:
        assert answer.status_code == 404
        return
    picture = opened(answer)
    assert picture.width <= WIDTH and picture.height <= HEIGHT and min(picture.size) >= 200
    assert np.asarray(picture).std() > 1


def test_the_preview_is_the_page_s_picture_scaled(client, store):
    run = Store(store).open()
    view, _ = PAGES["map"].view.from_query(
        {"store": "digits", "run": run.fingerprint, "map": "pca", "color": "loss"}
    )
    with Image.open(io.BytesIO(main_download(view, run, store).picture)) as whole:
        expected = whole.convert("RGB")
    expected.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    answer = ask(client, "map", map="pca", color="loss")
    assert np.array_equal(np.asarray(opened(answer)), np.asarray(expected))
    assert "immutable" in answer.headers["cache-control"]
    other = ask(client, "map", map="umap", color="loss")
    assert other.content != answer.content


def test_a_zoomed_map_s_preview_is_the_part_that_the_camera_shows(client, store):
    whole, part, other = (
        np.asarray(opened(ask(client, "map", map="pca", pictures="never", **camera)))
        for camera in ({}, {"camera": "0.5,0.5,4"}, {"camera": "-0.5,-0.5,4"})
    )
    assert part.shape == whole.shape and (part != whole).any() and (part != other).any()
    run = Store(store).open()
    drawn = Image.fromarray(part_of_map(run, "pca", (0.5, 0.5), 4, pictures="never"))
    drawn.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    assert np.array_equal(part, np.asarray(drawn))


def test_a_tall_picture_is_shown_from_its_top(client):
    picture = opened(ask(client, "channels", show="atlas", opened="conv3"))
    assert picture.width > picture.height


def test_a_live_view_has_its_result_once_there_is_one(client):
    query = {"method": "saliency", "image": 5, "live": 1}
    before = ask(client, "lab", **query)
    assert "immutable" not in before.headers["cache-control"] and opened(before).size
    settled(fine(show("lab", {"store": "digits", **query})))
    assert ask(client, "lab", **query).content != before.content


def test_what_needs_the_network_is_not_computed_for_a_preview(client):
    for page, query in (("channels", {"layer": "conv2", "channel": 1, "guided": 1}),
                        ("image", {"image": 3, "tab": "channels"})):  # fmt: skip
        assert opened(ask(client, page, **query)).size


@pytest.mark.parametrize(
    "path",
    ["nothing", "map?store=../..", "map?store=digits&run=nothing", "image?store=digits&upload=nothing"],
)
def test_what_is_not_there_has_none(client, path):
    assert client.get(f"/preview/{path}").status_code == 404
