"""No visitor holds up the others: a thumbnail comes while a route is driven with its worst allowed input."""

import http.client
import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlencode, urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from compute.analysis.image_search import MOST_LETTERS, MOST_WORDS
from dashboard.server import front_end
from dashboard.server.routes.find import find_routes
from dashboard.server.routes.links import link_routes
from dashboard.server.routes.of_runs import make_routes
from dashboard.server.routes.of_two_runs import comparison_routes
from dashboard.server.routes.previews import preview_routes
from dashboard.views import urls
from featurestore.reader import Store
from tests.support.servers.dashboard import serving
from tests.support.stores import large
from tests.support.stores.served import copied_store, served_store

pytestmark = pytest.mark.slow

IMAGES = 20_000
VISITORS = 45
"""Requests at once, more than the server has threads."""
SECONDS = 0.5
"""Within which a thumbnail comes meanwhile."""
LETTERS = "0123456789.png"
"""Of the images' paths: a search for each of them has to look at all."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("time")
    for seed, name in enumerate(("large", "other")):
        large.write_store(folder / name, IMAGES, Store(served_store()).open(), seed)
    with serving(str(folder)) as served:
        yield urlsplit(served.address).netloc


FIRST, SECOND = ("large", f"large-{IMAGES}-0"), ("other", f"large-{IMAGES}-1")
TILES = f"tiles/{'/'.join(FIRST)}"


def searches():
    """Searches of as many words as there may be, none of them asked for before."""
    for number in range(VISITORS):
        yield " ".join([*LETTERS, "ng", str(number % 10) + "."][:MOST_WORDS])


def tiles(layer):
    places = itertools.product((4, 5), range(2), range(2), large.MAPS, ("unique", "nearest"))
    for z, x, y, method, kind in places:
        yield f"{TILES}/{method}/{kind}/{layer}/{z}/{x}_{y}.webp"


def grids(file):
    return [f"{TILES}/{method}/{kind}/{file}" for method in large.MAPS for kind in ("unique", "nearest")]


def searched_grids(with_seams):
    return [urls.grid_picture(*FIRST, "tsne", "unique", with_seams, text) for text in searches()]


def sheets():
    """The sheets of thumbnails of some levels."""
    return [f"{z}/{x}_{y}" for z in range(4) for x, y in itertools.product(range(2**z), repeat=2)]


RUN, PAIR = "{store}/{fingerprint}", "/compare-data/{store}/{fingerprint}/{other_store}/{other_fingerprint}"
WORST = {
    "/frontend/{digest}/{name}.js": ["frontend/0/scatter.js"],
    f"/thumbnail/{RUN}/{{image_id}}": [urls.thumbnail(*FIRST, each) for each in range(0, IMAGES, 400)],
    f"/caption/{RUN}/{{image_id}}": [f"{urls.captions(*FIRST)}{each}" for each in range(0, IMAGES, 400)],
    f"/points/{RUN}/{{method}}": [urls.points(*FIRST, method) for method in large.MAPS],
    f"/colors/{RUN}/{{column:path}}": [urls.colors(*FIRST, each) for each in ("path", "label", "top5")],
    f"/hits/{RUN}/{{text:path}}": [urls.hits(*FIRST, text) for text in searches()],
    f"/sprites/{RUN}/{{method}}": [
        urls.scatter_map(*FIRST, method, "label").sprites for method in large.MAPS
    ],
    f"/sprites/{RUN}/{{method}}/{{z}}/{{x}}_{{y}}": [
        f"{urls.scatter_map(*FIRST, 'tsne', 'label').sprites}/{each}" for each in sheets()
    ],
    f"/channel-tiles/{RUN}/{{pictures}}/{{channels}}/{{layer:path}}": [
        f"channel-tiles/{'/'.join(FIRST)}/1/{','.join(map(str, range(first, first + 12)))}/{layer}"
        for layer in ("conv1", "conv3")
        for first in range(0, 48, 12)
    ],
    f"/clusters/{RUN}/{{method}}": [
        urls.scatter_map(*FIRST, method, "label").clusters for method in large.MAPS
    ],
    f"/tiles/{RUN}/{{method}}/{{kind}}/cells": grids("cells"),
    f"/tiles/{RUN}/{{method}}/{{kind}}/grid.png": grids("grid.png"),
    f"/tiles/{RUN}/{{method}}/{{kind}}/grid-seams.png": grids("grid-seams.png"),
    f"/tiles/{RUN}/{{method}}/{{kind}}/grid.png/{{text:path}}": searched_grids(False),
    f"/tiles/{RUN}/{{method}}/{{kind}}/grid-seams.png/{{text:path}}": searched_grids(True),
    f"/tiles/{RUN}/{{method}}/{{kind}}/{{layer}}/{{z}}/{{x}}_{{y}}.webp": [
        *tiles("picture"),
        *tiles("seams"),
    ],
    f"{PAIR}/points/{{method}}/{{side}}": [
        urls.of_two_runs((*FIRST, *SECOND), "points", *each)
        for each in itertools.product(large.MAPS, ("here", "there"))
    ],
    f"{PAIR}/sprites/{{method}}/{{side}}": [
        urls.of_two_runs((*FIRST, *SECOND), "sprites", *each)
        for each in itertools.product(large.MAPS, ("here", "there"))
    ],
    f"{PAIR}/sprites/{{method}}/{{side}}/{{z}}/{{x}}_{{y}}": [
        f"{urls.of_two_runs((*FIRST, *SECOND), 'sprites', 'tsne', 'there')}/{each}" for each in sheets()
    ],
    f"{PAIR}/colors/{{method}}/{{column}}": [
        urls.of_two_runs((*FIRST, *SECOND), "colors", "tsne", each) for each in ("kind", "moved", "path")
    ],
    f"{PAIR}/caption/{{image_id}}": [
        urls.of_two_runs((*FIRST, *SECOND), "caption", each) for each in range(40)
    ],
    "/preview/{page}": [
        f"preview/{page}?store=large" for page in ("map", "mistakes", "channels", "overview")
    ],
    "/s/{store}/{name}": ["s/large/aaaaaaaaaa", f"s/{'x' * 600}/{'y' * 600}"],
    f"/find/{RUN}/{{text:path}}": [f"{urls.find(*FIRST)}{quote(text)}" for text in searches()],
    "a page": ["map?store=large", "overview", f"?store={'x' * 5000}"],
    "a script of the front end": [f"static/{name}" for name in sorted(front_end.files())[:60]],
}


def test_every_route_has_its_worst_input():
    known = [
        *make_routes(None),
        *comparison_routes(None),
        *link_routes(None),
        *find_routes(None),
        *preview_routes(None),
    ]
    assert {route.path for route in known} <= set(WORST)


def ask(server, address):
    """Return the status, the bytes and the seconds of an answer."""
    started = time.monotonic()
    connection = http.client.HTTPConnection(server, timeout=300)
    connection.request("GET", f"/{address}", headers={"Accept-Encoding": "gzip, br"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, time.monotonic() - started


@pytest.mark.parametrize("route", WORST)
def test_a_thumbnail_comes_while_a_route_is_driven(server, route):
    assert ask(server, urls.thumbnail(*FIRST, 0))[0] == 200
    addresses = list(itertools.islice(itertools.cycle(WORST[route]), VISITORS))
    with ThreadPoolExecutor(VISITORS) as pool:
        asked = [pool.submit(ask, server, address) for address in addresses]
        waits = [ask(server, urls.thumbnail(*FIRST, 17 * each))[2] for each in range(9)]
        answers = [each.result() for each in asked]
    # 503 is said where more wait than may: then it is said at once.
    assert {status for status, _, _ in answers} <= {200, 404, 503}
    # Not the longest: the machine of a test does other things too.
    assert statistics.median(waits) <= SECONDS


@pytest.mark.parametrize(
    "text", ["a" * (MOST_LETTERS + 1), " ".join(map(str, range(MOST_WORDS + 1))), "%20".join("a" * 15_000)]
)
def test_a_search_that_is_too_long_is_refused_at_once(server, text):
    status, content, seconds = ask(server, f"{urls.hits(*FIRST, '')}{text.replace(' ', '%20')}")
    assert (status, content) == (404, b"no such store, run or item") and seconds < SECONDS


def test_a_whole_grid_is_drawn_once(server):
    address = grids("grid.png")[0]
    first, again = ask(server, address), ask(server, address)
    assert first[0] == again[0] == 200 and first[1] == again[1] and len(first[1]) > 10_000
    assert again[2] < SECONDS


def test_what_is_cached_is_not_measured_for_visitors(server):
    assert ask(server, "_stcore/metrics")[0] == 403


def asked_by(server, address, number):
    """Start a job as a new tab without cookies, behind a proxy that says the address; return the messages."""
    query = {"store": "digits", "method": "saliency", "variant": "smoothgrad", "live": 1, "image": number}
    message, said = BackMsg(), []
    message.rerun_script.page_name, message.rerun_script.query_string = "lab", urlencode(query)
    headers = {"X-Forwarded-For": address}
    with connect(
        f"ws://{server}/_stcore/stream",
        subprotocols=["streamlit"],
        additional_headers=headers,
        max_size=2**25,
    ) as stream:
        stream.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(stream.recv(timeout=120))
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.new_element.WhichOneof("type") == "alert":
                said.append(answer.delta.new_element.alert.body)
            if kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return "".join(said)


def test_an_address_starts_no_more_jobs_by_dropping_its_cookie(tmp_path):
    store = copied_store(tmp_path / "digits")
    options = ("--jobs-per-minute", "2", "--trust-proxy", "127.0.0.1")
    with serving(str(store), options=options) as served:
        server = urlsplit(served.address).netloc
        one, other = [asked_by(server, "192.0.2.1", number) for number in range(4)], "192.0.2.2"
        assert one[:2] == ["", ""] and all("2 live jobs a minute" in each for each in one[2:])
        assert asked_by(server, other, 9) == ""
