"""HTTP routes beside the app: thumbnails, captions, point buffers, tiles and the components' bundles.

A route has no session. So every parameter is looked up (the store among those listed, the run among its
runs, numbers in their range) and none becomes part of a path. What a run says never changes, hence the
answers may be kept for ever.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from compute.reports.drawing.coloring import coloring
from compute.reports.grid import grid, grid_picture
from dashboard.components import loader
from dashboard.data import image_search
from dashboard.server import map_bytes
from dashboard.views.data_url import media_type
from featurestore.errors import Damaged, Unavailable
from featurestore.reader import Run

OpenRun = Callable[[str, str], Run]
"""(store's listed name, fingerprint) -> Run; ValueError or LookupError for one that is not there."""

# Private: a cache that several people share must not answer those who have not logged in.
KEEP = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
PLAIN = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
NOT_FOUND = "no such store, run or item"
BROKEN = "this store can't be read: run `python -m featurestore verify` on it"


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


def make_routes(open_run: OpenRun) -> list[Route]:
    """Return the routes for `st.App(…, routes=…)`; addresses are made by `dashboard.views.urls`."""
    run = "{store}/{fingerprint}"
    answers: dict[str, Callable[..., Payload]] = {
        f"/thumbnail/{run}/{{image_id}}": _thumbnail,
        f"/caption/{run}/{{image_id}}": _caption,
        f"/points/{run}/{{method}}": _points,
        f"/colors/{run}/{{column:path}}": _colors,
        f"/hits/{run}/{{text:path}}": _hits,
        f"/tiles/{run}/{{method}}/{{kind}}/cells": _cells,
        f"/tiles/{run}/{{method}}/{{kind}}/grid.png": _picture,
        f"/tiles/{run}/{{method}}/{{kind}}/grid-seams.png": _picture_with_seams,
        f"/tiles/{run}/{{method}}/{{kind}}/{{layer}}/{{z}}/{{x}}_{{y}}.webp": _tile,
    }
    routes = [Route(path, endpoint_of(open_run, answer)) for path, answer in answers.items()]
    return [Route("/frontend/{digest}/{name}.js", _frontend), *routes]


def beneath(base_path: str, routes: list[Route]) -> list[Route]:
    """These routes below a proxy's prefix such as "/featurescope", and "not found" for all else beside them,
    which Streamlit would answer with its page."""
    closed = sorted({route.path.split("/")[1] for route in routes})
    all_routes = [(route.path, route.endpoint) for route in routes]
    all_routes += [(f"/{first}/{{rest:path}}", _not_found) for first in closed]
    return [Route(base_path + path, endpoint) for path, endpoint in all_routes]


def endpoint_of(open_run: OpenRun, answer: Callable[..., Payload]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        parameters = dict(request.path_params)
        try:
            run = open_run(parameters.pop("store"), parameters.pop("fingerprint"))
            payload = answer(run, **parameters)
        except (Damaged, Unavailable, pa.ArrowException, OSError):
            return PlainTextResponse(BROKEN, status_code=500, headers=PLAIN)
        except (ValueError, LookupError, OverflowError):
            return _not_found(request)
        return _respond(payload, request.headers)

    return endpoint


def _respond(payload: Payload, asked: Mapping[str, str]) -> Response:
    tag = f'"{hashlib.sha256(payload.content).hexdigest()[:32]}"'
    headers = {**(KEEP if payload.kept else PLAIN), "ETag": tag}
    if payload.filename:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(payload.filename)}"
    if asked.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(payload.content, media_type=payload.media_type, headers=headers)


def _not_found(_: Request) -> Response:
    return PlainTextResponse(NOT_FOUND, status_code=404, headers=PLAIN)


def _frontend(request: Request) -> Response:
    name = request.path_params["name"]
    content = loader.bundle(name) if name in loader.NAMES else None
    if content is None:
        return _not_found(request)
    return _respond(Payload(content, "text/javascript"), request.headers)


def _thumbnail(run: Run, image_id: str) -> Payload:
    content = run.thumbnail(int(image_id))
    return Payload(content, media_type(content))


def _caption(run: Run, image_id: str) -> Payload:
    image = run.image(int(image_id))
    shown = ("image_id", "path", "label", "predicted", "probability", "correct")
    return Payload(json.dumps({name: image.get(name) for name in shown}).encode(), "application/json")


def _points(run: Run, method: str) -> Payload:
    return Payload(map_bytes.positions(run, method), "application/octet-stream")


def _colors(run: Run, column: str) -> Payload:
    return Payload(coloring(run, column).values.tobytes(), "application/octet-stream")


def _hits(run: Run, text: str) -> Payload:
    found = image_search.search(run.table("images", image_search.COLUMNS), text)
    return Payload(found.astype("<u4").tobytes(), "application/octet-stream")


def _cells(run: Run, method: str, kind: str) -> Payload:
    image_id = grid(run, method, kind).image_id
    return Payload(image_id.astype("<i4").tobytes(), "application/octet-stream")


def _picture(run: Run, method: str, kind: str, with_seams: bool = False) -> Payload:
    content = grid_picture(run, method, kind, with_seams)
    return Payload(content, "image/png", filename=f"{run.folder.parent.parent.name}-grid-{method}-{kind}.png")


def _picture_with_seams(run: Run, method: str, kind: str) -> Payload:
    return _picture(run, method, kind, with_seams=True)


def _tile(run: Run, method: str, kind: str, layer: str, z: str, x: str, y: str) -> Payload:
    return Payload(map_bytes.tile(run, method, kind, layer, int(z), int(x), int(y)), "image/webp")
