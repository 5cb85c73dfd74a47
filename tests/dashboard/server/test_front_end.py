"""Streamlit's front end as the server gives it: compressed files, a page titled after what it shows."""

import re
from html import unescape
from urllib.parse import parse_qsl

import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dashboard.server.access import HEADERS
from dashboard.server.front_end import (
    DRAWN,
    ELEMENTS,
    PAGE,
    SCRIPT,
    STATIC,
    FrontEndMiddleware,
    chunks_of,
    files,
)
from dashboard.server.open_pages import OpenPages
from dashboard.views.navigation import PAGES, path_of

BASES = ("", "/featurescope")


@pytest.fixture(params=BASES)
def base(request):
    return request.param


def unpacked(answered, size):
    return pa.Codec("brotli").decompress(answered, decompressed_size=size, asbytes=True)


def store_of(asked):
    return {"": "first", "b&b": "b&b"}.get(asked, "")


@pytest.fixture
def client(base):
    """The middleware before an app that says of everything that it was asked for it."""
    rest = Starlette(
        routes=[Route("/{path:path}", lambda request: PlainTextResponse("passed on"))],
        middleware=[
            Middleware(
                FrontEndMiddleware,
                base_path=base,
                store_of=store_of,
                open_pages=OpenPages(),
                name_of=lambda view: "<wheels>" if getattr(view, "channel", 0) == 17 else "",
            )
        ],
    )
    return TestClient(rest)


@pytest.mark.parametrize(("taken", "encoding"), [("gzip", "gzip"), ("gzip, br;q=1.0", "br")])
def test_files_are_compressed_and_kept(client, base, taken, encoding):
    name = max(files(), key=lambda each: (STATIC / "static" / each).stat().st_size)
    answer = client.get(f"{base}/static/{name}", headers={"Accept-Encoding": taken})
    content = (STATIC / "static" / name).read_bytes()
    assert answer.headers["content-encoding"] == encoding
    # The client unpacks gzip by itself, and Brotli only with another package.
    assert (
        answer.content if answer.content == content else unpacked(answer.content, len(content))
    ) == content
    assert int(answer.headers["content-length"]) < len(content) / 2
    assert "immutable" in answer.headers["cache-control"] and answer.headers["vary"] == "Accept-Encoding"
    assert "javascript" in answer.headers["content-type"]


@pytest.mark.parametrize("path", ["static/js/nothing.js", "static/../index.html", "thumbnail/a/b/1", "other"])
def test_all_else_goes_on(client, base, path):
    assert client.get(f"{base}/{path}").text == "passed on"


def test_who_takes_no_gzip_gets_the_file_as_it_is(client, base):
    name = next(iter(files()))
    answer = client.get(f"{base}/static/{name}", headers={"Accept-Encoding": "identity"})
    assert answer.text == "passed on"


def test_what_changes_something_goes_on(client, base):
    assert client.request("OPTIONS", f"{base}/image").status_code == 405


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_titled_after_itself_and_its_store(client, base, page):
    for asked, store in (("", "first"), ("?store=b%26b&image=3", "b&amp;b")):
        html = client.get(f"{base}/{path_of(page)}{asked}").text
        assert f"<title>{PAGES[page].title} · {store} · Featurescope</title>" in html
        assert f'data-server="{base}/"' in html and SCRIPT in html and "Streamlit</title>" not in html


@pytest.mark.parametrize("origin", ["", "https://maps.example"])
def test_a_preview_of_a_link_finds_the_view_s_picture(base, origin):
    options = {"base_path": base, "store_of": store_of, "open_pages": OpenPages(), "origin": origin}
    client = TestClient(Starlette(middleware=[Middleware(FrontEndMiddleware, **options)]))
    html = client.get(f"{base}/map?store=b%26b&color=loss&proof=abc&odd=%22%3E%3Cscript%3E").text
    (address,) = re.findall(r'<meta property="og:image" content="([^"]+)" />', html)
    where, _, query = unescape(address).partition("?")
    assert where == f"{origin or 'http://testserver'}{base}/preview/map"
    said = dict(parse_qsl(query))
    assert (said["store"], said["color"]) == ("b&b", "loss") and not {"proof", "odd"} & set(said)
    assert 'name="twitter:card" content="summary_large_image"' in html


def test_a_store_that_is_not_served_is_not_named(client, base):
    html = client.get(f"{base}/map?store=<script>alert(1)</script>").text
    assert "<title>Map · Featurescope</title>" in html and "alert" not in html


def test_a_page_is_titled_after_what_it_shows(client, base):
    html = client.get(f"{base}/channels?store=b%26b&layer=conv2&channel=17").text
    called = "&lt;wheels&gt; · Channels · b&amp;b · Featurescope"
    assert f"<title>{called}</title>" in html and f'property="og:title" content="{called}"' in html


def test_the_pages_scripts_may_run():
    assert len(re.findall("<script>", PAGE)) == HEADERS["Content-Security-Policy"].count("'sha256-")


@pytest.mark.parametrize("part", sorted({*ELEMENTS, *sum(DRAWN.values(), ())}))
def test_what_is_loaded_ahead_is_there(part):
    chunks = set(chunks_of(part))
    assert any(name.startswith(f"{part}.") for _, name in chunks)
    assert all((STATIC / "static" / kind / name).is_file() for kind, name in chunks)


def test_a_page_loads_ahead_what_it_draws_with(client, base):
    html = client.get(f"{base}/channels").text
    named = re.findall(r'<link rel="modulepreload" crossorigin href="\./([^"]+)">', html)
    assert len(named) == len(set(named)) and any("/Table." in each for each in named)
    assert any(each.startswith("frontend/") for each in named)
    assert "/Table." not in client.get(f"{base}/map").text


def test_fonts_that_the_theme_does_not_use_are_not_loaded(client, base):
    (css,) = re.findall(r'href="\./(static/css/index[\w.-]+)"', PAGE)
    answer = client.get(f"{base}/{css}", headers={"Accept-Encoding": "gzip"}).text
    assert "Source Sans" in (STATIC / css).read_text() and "@font-face{font-family:Source" not in answer
    assert "KaTeX" in answer and "SourceSans" not in PAGE and "MaterialSymbols-Rounded" in PAGE
