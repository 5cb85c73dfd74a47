"""Streamlit's front end as this server gives it: its files compressed, its page titled after what it shows.

Streamlit serves its scripts as they are, 8.8 MB for a first visit of a page, and the same page for every
address; its front end then looks for the server below the page's own path first, which is refused.
"""

import dataclasses
import gzip
import json
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import streamlit
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.components import loader
from dashboard.server.open_pages import OpenPages
from dashboard.server.routes.workers import Workers
from dashboard.views.navigation import PAGES, path_of, title
from dashboard.views.state import ViewState
from dashboard.widgets import header

STATIC = Path(streamlit.__file__).parent / "static"
COMPRESSED = frozenset({".js", ".css", ".svg", ".json"})
"""Endings of files that become smaller; fonts and pictures are compressed as they are."""

# Of Plotly's 4.7 MB, Brotli leaves 1.18 and gzip 1.42. At its greatest level it takes 9 s, at this one 0.5.
BROTLI = pa.Codec("brotli", compression_level=9)
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda content: BROTLI.compress(content, asbytes=True),
    "gzip": gzip.compress,
}

NOT_USED = re.compile(rb"@font-face\{[^}]*font-family:\"?Source [^}]*\}")
"""Streamlit's own fonts, which it would load and draw with until it knows those of the theme."""

# Their names have a hash of what is in them.
KEEP = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

# The server's path stands in the page, so that the script is the same everywhere and has one hash.
SCRIPT = Path(__file__).with_name("start.js").read_text()
# The pages' own style comes with them too, but after Streamlit has drawn what it then moves. Nested, its
# rules win over Streamlit's as they do there.
STYLE = f".arriving [data-testid=stMain] {{ visibility: hidden }}\n:root {{\n{header.STYLE.read_text()}}}"

ELEMENTS = ("PageLink", "Selectbox", "ButtonGroup", "BidiComponent", "NumberInput", "Button", "ImageList")
DRAWN = {
    "overview": (*ELEMENTS, "Table", "Metric"),
    "channels": (*ELEMENTS, "Table"),
}
"""Parts of the front end that a page draws with; of other pages it is ELEMENTS.

The browser loads them at once, and not only after it has asked the server what is on the page.
"""

BUNDLES = {"map": ("image_grid", "scatter"), "mistakes": ("image_grid", "confusion_matrix")}
"""The components that a page draws with; of other pages it is the grid of images alone."""


COMPRESSING = Workers("front end", threads=1, most=4096)
"""One file at a time: of many browsers that ask for it at once, the first one has it compressed."""


class FrontEndMiddleware:
    """ASGI middleware that answers what is asked of the front end; all else goes on.

    base_path: how the path of all addresses begins, "" at the top
    store_of: the store that is shown where an address names this one, "" for none
    name_of: what people call what a view shows, "" for nothing
    origin: of the public address, such as "https://maps.example"; "" for the one that a request names
    open_pages: those that browsers have open; a page is given where one more may be
    """

    def __init__(
        self,
        app: ASGIApp,
        base_path: str,
        store_of: Callable[[str], str],
        open_pages: OpenPages,
        name_of: Callable[[ViewState], str] = lambda view: "",
        origin: str = "",
    ):
        self._app, self._base, self._open_pages = app, base_path, open_pages
        self._store_of, self._name_of, self._origin = store_of, name_of, origin
        self._pages = {f"{base_path}/{path_of(page)}": page for page in PAGES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        path = scope["path"] if asked else ""
        if path in self._pages and (full := self._open_pages.refusal_of_page(scope)) is not None:
            answer: ASGIApp = PlainTextResponse(full, status_code=503, headers={"Retry-After": "60"})
        elif path in self._pages:
            page, query = self._pages[path], dict(QueryParams(scope["query_string"]))
            said, view = await run_in_threadpool(self._said, page, query)
            shown = dataclasses.replace(view, proof="").to_query()
            picture = f"{self._origin or _origin(scope)}{self._base}/preview/{page}?{urlencode(shown)}"
            answer = page_of(page, said, self._base, picture)
        elif (file := self._file(path)) in files() and (encoding := _encoding(scope)):
            content = await COMPRESSING.run(lambda: _compressed(file, encoding))
            kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
            answer = Response(content, headers={**KEEP, "Content-Encoding": encoding}, media_type=kind)
        else:
            answer = self._app
        await answer(scope, receive, send)

    def _said(self, page: str, query: Mapping[str, str]) -> tuple[str, ViewState]:
        """Return a page's title, and the view that an address asks for."""
        store = self._store_of(query.get("store", ""))
        view, _ = PAGES[page].view.from_query({**query, "store": store})
        return title(page, store, self._name_of(view)), view

    def _file(self, path: str) -> str:
        """Return the file that a path asks for; "" for none."""
        start = f"{self._base}/static/"
        return path[len(start) :] if path.startswith(start) else ""


def page_of(page: str, called: str, base_path: str, picture: str) -> Response:
    """Return the page's HTML, whose title (`called`), description and picture a preview of a link reads.

    picture: the whole address of the view's picture.
    """
    said, about = escape(called), escape(PAGES[page].help)
    head = [
        f"<title>{said}</title>",
        f'<meta property="og:title" content="{said}" />',
        f'<meta name="description" property="og:description" content="{about}" />',
        '<meta property="og:type" content="website" />',
        '<meta property="og:site_name" content="Featurescope" />',
        f'<meta property="og:image" content="{escape(picture)}" />',
        f'<meta property="og:image:alt" content="{said}" />',
        '<meta name="twitter:card" content="summary_large_image" />',
        *(f'<link rel="modulepreload" crossorigin href="./{address}">' for address in _modules(page)),
    ]
    html = PAGE.replace("<title>Streamlit</title>", "\n    ".join(head), 1)
    html = html.replace("<html ", f'<html data-server="{escape(base_path)}/" ', 1)
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


def _origin(scope: Scope) -> str:
    """Return the scheme and host that a request names, such as "http://127.0.0.1:8501"."""
    return f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}"


def _with_own_start(html: str) -> str:
    """Return Streamlit's page with our start, and with the icons' font for one that is not used here."""
    (icons,) = (STATIC / "static/media").glob("MaterialSymbols-Rounded.*.woff2")
    html = re.sub(r"\./static/media/SourceSansVF[\w.-]+\.woff2", f"./static/media/{icons.name}", html)
    return html.replace("<head>", f"<head>\n    <style>{STYLE}</style>\n    <script>{SCRIPT}</script>", 1)


PAGE = _with_own_start((STATIC / "index.html").read_text())
"""The page of every address, with Streamlit's own title."""


@cache
def _modules(page: str) -> tuple[str, ...]:
    """Return the addresses of what a page draws with, relative to the app, as far as PAGE doesn't name it."""
    parts = DRAWN.get(page, ELEMENTS)
    chunks = dict.fromkeys(f"static/{kind}/{name}" for part in parts for kind, name in chunks_of(part))
    bundles = [loader.bundle_url(name) for name in BUNDLES.get(page, ("image_grid",)) if loader.bundle(name)]
    return (*(each for each in chunks if each.endswith(".js") and each not in PAGE), *bundles)


def chunks_of(part: str) -> Iterator[tuple[str, str]]:
    """Yield the files that a part of the front end is in, such as "PlotlyChart": folder, name.

    The entry script names them: `import("./PlotlyChart.D9Z0.js"), __vite__mapDeps([3, 5])`, whose numbers are
    places in the list `m.f`. None where it names no such part.
    """
    script, names = _entry()
    found = re.search(rf"import\(`\./{part}\.[\w-]+\.js`\)[^\[]*__vite__mapDeps\(\[([\d,]+)\]\)", script)
    for number in found[1].split(",") if found else ():
        yield "css" if names[int(number)].endswith(".css") else "js", names[int(number)].rpartition("/")[2]


@cache
def _entry() -> tuple[str, tuple[str, ...]]:
    """Return the entry script, and the files that it may import later."""
    (name,) = re.findall(r'<script type="module"[^>]* src="\./(static/js/[\w.-]+)"', PAGE)
    script = (STATIC / name).read_text()
    return script, tuple(json.loads(re.search(r"m\.f=(\[[^\]]*\])", script)[1]))


@cache
def files() -> frozenset[str]:
    """Return the names of the files that become smaller, relative to the folder `static`."""
    folder = STATIC / "static"
    return frozenset(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in COMPRESSED
    )


@cache
def _compressed(file: str, encoding: str) -> bytes:
    """Return one of `files`, compressed once for as long as the server runs."""
    content = (STATIC / "static" / file).read_bytes()
    return ENCODINGS[encoding](NOT_USED.sub(b"", content) if file.endswith(".css") else content)


def _encoding(scope: Scope) -> str:
    """Return the best encoding that the browser takes; "" for none."""
    taken = Headers(scope=scope).get("accept-encoding", "")
    names = {each.partition(";")[0].strip() for each in taken.split(",")}
    return next((name for name in ENCODINGS if name in names), "")
