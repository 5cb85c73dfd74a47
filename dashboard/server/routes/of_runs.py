"""HTTP routes of one run: thumbnails, captions, point buffers, tiles; and the components' bundles."""

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from compute.analysis.image_search import MOST_LETTERS
from compute.images.encoding import encoded
from compute.reports.drawing.coloring import coloring
from compute.reports.maps.grid import grid, grid_picture
from compute.reports.maps.image_filter import searched
from compute.reports.maps.thumbnails import with_room
from dashboard.components import loader
from dashboard.data import channels as channel_data
from dashboard.data.channels import showcase
from dashboard.server.routes import map_bytes, thumbnail_sheets
from dashboard.server.routes.answering import (
    BINARY,
    OpenRun,
    Payload,
    as_json,
    busy,
    endpoint_of,
    not_found,
    respond,
)
from dashboard.server.routes.workers import COSTLY, DRAWING, LIGHT, Busy
from dashboard.text import one_line
from dashboard.views.data_url import media_type
from featurestore.reader import Run


def make_routes(open_run: OpenRun) -> list[Route]:
    """Return the routes for `st.App(…, routes=…)`; addresses are made by `dashboard.views.urls`."""
    run = "{store}/{fingerprint}"
    answers = {
        f"/thumbnail/{run}/{{image_id}}": (_thumbnail, LIGHT),
        f"/caption/{run}/{{image_id}}": (_caption, LIGHT),
        f"/points/{run}/{{method}}": (_points, COSTLY),
        f"/colors/{run}/{{column:path}}": (_colors, COSTLY),
        f"/hits/{run}/{{text:path}}": (_hits, COSTLY),
        f"/sprites/{run}/{{method}}": (_sprite_levels, COSTLY),
        f"/sprites/{run}/{{method}}/{{z}}/{{x}}_{{y}}": (_sprites, COSTLY),
        f"/clusters/{run}/{{method}}": (_clusters, COSTLY),
        f"/channel-tiles/{run}/{{pictures}}/{{channels}}/{{layer:path}}": (_channel_tiles, COSTLY),
        f"/tiles/{run}/{{method}}/{{kind}}/cells": (_cells, COSTLY),
        f"/tiles/{run}/{{method}}/{{kind}}/grid.png": (_picture, DRAWING),
        f"/tiles/{run}/{{method}}/{{kind}}/grid-seams.png": (_picture_with_seams, DRAWING),
        f"/tiles/{run}/{{method}}/{{kind}}/grid.png/{{text:path}}": (_picture_of_search, DRAWING),
        f"/tiles/{run}/{{method}}/{{kind}}/grid-seams.png/{{text:path}}": (_seams_of_search, DRAWING),
        f"/tiles/{run}/{{method}}/{{kind}}/{{layer}}/{{z}}/{{x}}_{{y}}.webp": (_tile, COSTLY),
    }
    routes = [Route(path, endpoint_of(open_run, *answer)) for path, answer in answers.items()]
    return [Route("/frontend/{digest}/{name}.js", _frontend), *routes]


async def _frontend(request: Request) -> Response:
    name = request.path_params["name"]
    try:
        content = await LIGHT.run(lambda: loader.bundle(name)) if name in loader.NAMES else None
    except Busy:
        return busy()
    if content is None:
        return not_found(request)
    return respond(Payload(content, "text/javascript"), request.headers)


def _thumbnail(run: Run, image_id: str) -> Payload:
    content = run.thumbnail(int(image_id))
    return Payload(content, media_type(content))


def _caption(run: Run, image_id: str) -> Payload:
    image = run.image(int(image_id))
    shown = ("image_id", "path", "label", "predicted", "probability", "correct")
    return as_json({name: image.get(name) for name in shown})


def _points(run: Run, method: str) -> Payload:
    return Payload(map_bytes.positions(run, method), BINARY)


def _colors(run: Run, column: str) -> Payload:
    return Payload(coloring(run, column).values.tobytes(), BINARY)


def _hits(run: Run, text: str) -> Payload:
    return Payload(searched(run, _bounded(text)).astype("<u4").tobytes(), BINARY)


def _bounded(text: str) -> str:
    """Return the text of a search; ValueError for one that is longer than an address may have."""
    if len(text) > MOST_LETTERS:
        raise ValueError(f"{len(text):,} characters are more than the {MOST_LETTERS} that a search may have")
    return text


def _sprite_levels(run: Run, method: str) -> Payload:
    return thumbnail_sheets.levels(with_room(run, method)[0])


def _sprites(run: Run, method: str, z: str, x: str, y: str) -> Payload:
    return thumbnail_sheets.sheet(run, *with_room(run, method), int(z), int(x), int(y))


def _clusters(run: Run, method: str) -> Payload:
    return as_json({"clusters": map_bytes.clusters(run, method)})


def _channel_tiles(run: Run, pictures: str, channels: str, layer: str) -> Payload:
    numbers = [int(each) for each in channels.split(",")]
    kept = showcase.kept if int(pictures) else None
    picture = Image.fromarray(channel_data.strip(run, layer, numbers, kept))
    return Payload(encoded(picture, "WEBP", quality=90, method=1), "image/webp")


def _cells(run: Run, method: str, kind: str) -> Payload:
    image_id = grid(run, method, kind).image_id
    return Payload(image_id.astype("<i4").tobytes(), BINARY)


def _picture(run: Run, method: str, kind: str, with_seams: bool = False, text: str = "") -> Payload:
    content = grid_picture(run, method, kind, with_seams, _bounded(text).strip())
    name = one_line(f"{run.folder.parent.parent.name}-grid-{method}-{kind}.png")
    return Payload(content, "image/png", filename=name)


def _picture_with_seams(run: Run, method: str, kind: str) -> Payload:
    return _picture(run, method, kind, with_seams=True)


def _picture_of_search(run: Run, method: str, kind: str, text: str) -> Payload:
    return _picture(run, method, kind, text=text)


def _seams_of_search(run: Run, method: str, kind: str, text: str) -> Payload:
    return _picture(run, method, kind, with_seams=True, text=text)


def _tile(run: Run, method: str, kind: str, layer: str, z: str, x: str, y: str) -> Payload:
    return Payload(map_bytes.tile(run, method, kind, layer, int(z), int(x), int(y)), "image/webp")
