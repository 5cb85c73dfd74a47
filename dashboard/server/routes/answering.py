"""How a route answers: every parameter is bounded and looked up, the work is done in threads of its kind.

A route has no session. So every parameter is looked up (the store among those listed, the run among its
runs, numbers in their range) and none becomes part of a path. What a run says never changes, hence the
answers may be kept for ever, by browsers and here.
"""

import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

import pyarrow as pa
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from dashboard.data import runs
from dashboard.data.content_store import KeptBytes
from dashboard.server.routes.workers import COSTLY, LIGHT, Busy, Workers
from dashboard.text import one_line
from featurestore.errors import Damaged, Unavailable
from featurestore.reader import Run

OpenRun = Callable[[str, str], Run]
"""(store's listed name, fingerprint) -> Run; ValueError or LookupError for one that is not there."""

# Private: a cache that several people share must not answer those who have not logged in.
KEEP = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
PLAIN = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
NOT_FOUND = "no such store, run or item"
BROKEN = "this store can't be read: run `python -m featurestore verify` on it"
BUSY = "the server is busy; try again in some seconds"

LONGEST_PART = 600
"""Characters of a parameter: as many as the names of two folders have, which a store's name may be.

What is longer is nothing's name.
"""

PIECE = 64 * 1024
"""Bytes of an answer that are sent at once; the next ones wait until the connection has taken them."""

BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Payload:
    """What a route answers.

    filename: by which the browser saves it, if at all
    kept: whether it stays the same for ever
    """

    content: bytes
    media_type: str
    filename: str | None = None
    kept: bool = True

    @cached_property
    def tag(self) -> str:
        """Return what tells the content from others."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def packed(self) -> bytes | None:
        """Return the content compressed, once for all who ask; None where that is of no use."""
        if self.media_type != BINARY or len(self.content) < PIECE:
            return None
        packed = gzip.compress(self.content, compresslevel=1, mtime=0)
        return packed if len(packed) < 0.9 * len(self.content) else None

    @property
    def size(self) -> int:
        """Return the bytes that it takes."""
        return len(self.content) + len(self.packed or b"")


def as_json(said: Mapping[str, object]) -> Payload:
    """Return facts as JSON, their texts as ones that show themselves alone."""
    shown = {name: one_line(each) if isinstance(each, str) else each for name, each in said.items()}
    return Payload(json.dumps(shown).encode(), "application/json")


@st.cache_resource(show_spinner=False)
def answers() -> KeptBytes[Payload]:
    """Return the answers of all routes that are kept: a whole grid has up to 192 MB."""
    return KeptBytes(runs.settings().share("answers"), lambda payload: payload.size)


def endpoint_of(
    open_run: OpenRun, answer: Callable[..., Payload], workers: Workers = COSTLY
) -> Callable[[Request], object]:
    """Return the endpoint that answers for a run: `answer(run, **parameters)`, in the threads `workers`.

    What took work is kept here too; what is merely read, in the threads LIGHT, is read anew.
    """

    async def endpoint(request: Request) -> Response:
        asked = dict(request.path_params)
        if any(len(part) > LONGEST_PART for part in asked.values()):
            return not_found(request)

        def work() -> Payload:
            run = open_run(asked.pop("store"), asked.pop("fingerprint"))
            if workers is LIGHT:
                return answer(run, **asked)
            named = str(run.folder), request.url.path
            known = answers().get(named)
            payload = answer(run, **asked) if known is None else known
            # What is made of the content is made here, not on the event loop.
            _ = payload.tag, payload.packed
            if known is None and payload.kept:
                answers().put(named, payload)
            return payload

        try:
            payload = await workers.run(work)
        except Busy:
            return busy()
        except (Damaged, Unavailable, pa.ArrowException, OSError):
            return PlainTextResponse(BROKEN, status_code=500, headers=PLAIN)
        except (ValueError, LookupError, OverflowError):
            return not_found(request)
        return respond(payload, request.headers)

    return endpoint


def respond(payload: Payload, asked: Mapping[str, str]) -> Response:
    """Return the response to a request with these headers; a large one goes out in pieces."""
    headers = {**(KEEP if payload.kept else PLAIN), "ETag": payload.tag}
    if payload.filename:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(payload.filename)}"
    if asked.get("if-none-match") == payload.tag:
        return Response(status_code=304, headers=headers)
    if len(payload.content) < PIECE:
        return Response(payload.content, media_type=payload.media_type, headers=headers)
    content, headers["Content-Encoding"] = payload.content, "identity"
    if payload.packed is not None and "gzip" in asked.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = payload.packed, "gzip"
    headers |= {"Content-Length": str(len(content)), "Vary": "Accept-Encoding"}
    return StreamingResponse(_pieces(content), media_type=payload.media_type, headers=headers)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Yield a content bit by bit: sent whole, it would be copied for each who is slow to take it."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def busy() -> Response:
    """Return what is said where too many requests wait."""
    return PlainTextResponse(BUSY, status_code=503, headers={**PLAIN, "Retry-After": "2"})


def not_found(_: Request) -> Response:
    """Return what is said of all that is not there."""
    return PlainTextResponse(NOT_FOUND, status_code=404, headers=PLAIN)


def beneath(base_path: str, routes: list[Route]) -> list[Route]:
    """These routes below a proxy's prefix such as "/featurescope", and "not found" for all else beside them,
    which Streamlit would answer with its page."""
    closed = sorted({route.path.split("/")[1] for route in routes})
    all_routes = [(route.path, route.endpoint) for route in routes]
    all_routes += [(f"/{first}/{{rest:path}}", not_found) for first in closed]
    return [Route(base_path + path, endpoint) for path, endpoint in all_routes]
