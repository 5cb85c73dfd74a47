"""Short links are looked up, never a path; selections survive a restart."""

import time
from urllib.parse import parse_qsl, urljoin, urlsplit

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.data.content_store import ContentStore, KeptBytes
from dashboard.server.routes.links import link_routes
from dashboard.sharing import short_links
from dashboard.sharing.short_links import ShortLinks, name_of
from dashboard.views import urls
from dashboard.views.definitions import MapView, OverviewView
from featurestore.files.disk_cache import DiskCache

VIEW = MapView("mine", "0123abcd", map="tsne", camera="1,2,3", selection="ab" * 8, proof="1~abc")


@pytest.fixture
def stores(tmp_path):
    return {name: tmp_path / name for name in ("mine", "other", "a & b")}


@pytest.fixture
def client(stores):
    def open_links(name):
        if name not in stores:
            raise ValueError(f"unknown store {name!r}")
        return ShortLinks(stores[name])

    return TestClient(Starlette(routes=link_routes(open_links)), follow_redirects=False)


def led_to(client, store, name, prefix="http://host/some/prefix/"):
    """Page and query to which a browser is led, behind a proxy's prefix."""
    address = urls.short_link(store, name)
    response = client.get("/" + address)
    assert response.status_code == 307
    location = response.headers["location"]
    assert "://" not in location
    target = urlsplit(urljoin(prefix + address, location))
    assert target.path.startswith("/some/prefix/")
    return target.path.removeprefix("/some/prefix/"), dict(parse_qsl(target.query))


def put(store, content):
    """A text of anybody's, under the name that it has."""
    (store / "links").mkdir(parents=True, exist_ok=True)
    (store / "links" / f"{name_of(content.encode())}.json").write_text(content)


def test_a_short_link_leads_to_the_whole_view(client, stores):
    name = ShortLinks(stores["mine"]).add(VIEW)
    assert led_to(client, "mine", name) == ("map", VIEW.to_query())
    assert len(urls.short_link("mine", name)) < 30
    assert ShortLinks(stores["mine"]).add(VIEW) == name
    assert ShortLinks(stores["mine"]).add(MapView("mine")) != name


def test_what_follows_a_short_link_s_name_is_for_people(client, stores):
    name = ShortLinks(stores["mine"]).add(VIEW)
    for read in ("wheels", "a-b", "", "x?y"):
        assert led_to(client, "mine", f"{name}-{read}") == ("map", VIEW.to_query())
    assert ShortLinks(stores["mine"]).find("wheels-" + name) is None


def test_the_first_page_has_no_path(client, stores):
    view = OverviewView("mine", "0123abcd")
    assert led_to(client, "mine", ShortLinks(stores["mine"]).add(view)) == ("", view.to_query())


def test_a_renamed_store_is_led_to_by_its_present_name(client, stores):
    name = ShortLinks(stores["a & b"]).add(VIEW)
    page, query = led_to(client, "a & b", name)
    assert page == "map" and query == {**VIEW.to_query(), "store": "a & b"}


@pytest.mark.parametrize(
    "name", ["aaaaaaaaaa", "AAAAAAAAAA", "..", "%2e%2e", "..%2Fmine", "x", "a" * 500, "\0", "é"]
)
def test_unknown_names_are_not_found(client, stores, name):
    ShortLinks(stores["mine"]).add(VIEW)
    assert client.get(f"/s/mine/{name}".replace("\0", "%00")).status_code == 404


def test_another_stores_name_is_not_found(client, stores):
    name = ShortLinks(stores["mine"]).add(VIEW)
    assert client.get(f"/s/other/{name}").status_code == 404
    assert client.get(f"/s/nobodys/{name}").status_code == 404
    assert client.get(f"/s/../{name}").status_code == 404


def test_nothing_outside_of_the_folder_is_read(stores):
    links = ShortLinks(stores["mine"])
    links.add(VIEW)
    (stores["mine"] / "aaaaaaaaaa.json").write_text('{"page": "map", "query": {}}')
    for name in (
        "../aaaaaaaaaa",
        "aaaaaaaaaa",
        f"../links/{links.add(VIEW)}",
        str(stores["mine"] / "aaaaaaaaaa"),
    ):
        assert links.find(name) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"page": "map"}',
        '{"page": "gone", "query": {}}',
        '{"page": [], "query": 1}',
        '{"page": "map", "query": {"image": 3}}',
    ],
)
def test_a_damaged_link_is_not_found(client, stores, content):
    put(stores["mine"], content)
    assert client.get(f"/s/mine/{name_of(content.encode())}").status_code == 404


def test_a_flipped_bit_leads_nowhere_else(stores):
    links = ShortLinks(stores["mine"])
    name = links.add(VIEW)
    path = stores["mine"] / "links" / f"{name}.json"
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert links.find(name) is None
    assert links.add(VIEW) == name and links.find(name) == VIEW


def test_a_kept_link_goes_through_the_views_own_bounds(client, stores):
    content = '{"page": "lab", "query": {"method": "fool", "evil": "javascript:", "p.seed": "x"}}'
    put(stores["mine"], content)
    _, query = led_to(client, "mine", name_of(content.encode()))
    assert "evil" not in query and query["p.seed"].isdecimal()


def test_a_store_that_cannot_be_written_has_no_short_form(stores):
    stores["mine"].mkdir()
    (stores["mine"] / "links").write_text("in the way")
    with pytest.raises(OSError):
        ShortLinks(stores["mine"]).add(VIEW)


@pytest.mark.slow
def test_links_are_limited_in_number_at_a_cost_independent_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(short_links, "MOST_LINKS", 100)
    links, listed = ShortLinks(tmp_path), []
    scan = DiskCache._scan
    monkeypatch.setattr(DiskCache, "_scan", lambda self, folder: listed.append(1) or scan(self, folder))
    names = [links.add(MapView("mine", "0123abcd", image=number)) for number in range(1000)]
    for _ in range(200):
        if (kept := len(list((tmp_path / "links").iterdir()))) <= 100:
            break
        time.sleep(0.02)
    assert 80 <= kept <= 100 and len(listed) <= 101
    assert links.find(names[-1]) is not None and links.find(names[0]) is None


IDS = np.arange(1000, dtype="<i8").tobytes()


def test_a_selection_survives_a_restart(tmp_path):
    name = ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path, 2**20)).add(IDS)
    assert ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path, 2**20)).read(name) == IDS


def test_an_upload_does_not_and_that_is_said(tmp_path):
    name = ContentStore("the uploaded image", KeptBytes(10**6)).add(IDS)
    with pytest.raises(ValueError, match="the uploaded image of this link is no longer kept"):
        ContentStore("the uploaded image", KeptBytes(10**6)).read(name)


@pytest.mark.parametrize("name", ["../secret", "", "0123456789abcdef", "/etc/passwd", "." * 16])
def test_a_selections_name_never_becomes_a_path(tmp_path, name):
    (tmp_path / "secret").write_text("secret")
    kept = ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path / "selections", 2**20))
    kept.add(IDS)
    with pytest.raises(ValueError, match="no longer kept"):
        kept.read(name)


def test_a_damaged_selection_is_as_if_gone(tmp_path):
    name = ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path, 2**20)).add(IDS)
    (tmp_path / name).write_bytes(IDS[:-8])
    with pytest.raises(ValueError, match="no longer kept"):
        ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path, 2**20)).read(name)


def test_a_selection_on_a_full_disk_is_kept_in_memory(tmp_path):
    (tmp_path / "selections").write_text("in the way")
    kept = ContentStore("the selection", KeptBytes(10**6), DiskCache(tmp_path / "selections", 2**20))
    assert kept.read(kept.add(IDS)) == IDS
