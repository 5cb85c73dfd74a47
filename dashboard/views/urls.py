"""Addresses of what `dashboard.server` serves beside the pages.

They are relative to the app, as it may stand behind a proxy's prefix.
"""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class MapAddresses:
    """Where the scatter component finds a map.

    points, colors: binary buffers of positions and values.
    thumbnails, captions: an image_id is appended to these.
    sprites: the levels of the thumbnails on the map, and below it the sheets of its tiles.
    hits: buffer of what a search found; "" without a search.
    clusters: JSON of the map's clusters; "" where there are none to show.
    """

    points: str
    colors: str
    thumbnails: str
    captions: str
    sprites: str
    hits: str = ""
    clusters: str = ""


@dataclass(frozen=True)
class GridAddresses:
    """Where the deep zoom finds a grid.

    tiles: the tiles of its pyramid.
    cells: the image of each cell.
    picture: the whole picture, to save.
    thumbnails, captions: an image_id is appended to these.
    hits: buffer of what a search found; "" without a search.
    """

    tiles: str
    cells: str
    picture: str
    thumbnails: str
    captions: str
    hits: str = ""


def scatter_map(store: str, fingerprint: str, method: str, color: str, search: str = "") -> MapAddresses:
    """Return the addresses of a map.

    color: the column of `images` that colors it.
    search: words whose hits are marked.
    """
    return MapAddresses(
        points=points(store, fingerprint, method),
        colors=colors(store, fingerprint, color),
        thumbnails=thumbnails(store, fingerprint),
        captions=captions(store, fingerprint),
        sprites=_address("sprites", store, fingerprint, method),
        hits=hits(store, fingerprint, search) if search else "",
        clusters=_address("clusters", store, fingerprint, method),
    )


def deep_zoom_grid(
    store: str, fingerprint: str, method: str, kind: str, with_seams: bool = False, search: str = ""
) -> GridAddresses:
    """Return the addresses of a grid.

    with_seams: whether the picture to save has seams.
    search: words whose hits are marked.
    """
    tiles = _address("tiles", store, fingerprint, method, kind)
    return GridAddresses(
        tiles=tiles,
        cells=f"{tiles}/cells",
        picture=grid_picture(store, fingerprint, method, kind, with_seams, search),
        thumbnails=thumbnails(store, fingerprint),
        captions=captions(store, fingerprint),
        hits=hits(store, fingerprint, search) if search.strip() else "",
    )


def thumbnail(store: str, fingerprint: str, image_id: int) -> str:
    """Return the address of the image's thumbnail, as stored."""
    return _address("thumbnail", store, fingerprint, image_id)


def thumbnails(store: str, fingerprint: str) -> str:
    """Return what an image_id is appended to, for its thumbnail."""
    return _address("thumbnail", store, fingerprint, "")


def captions(store: str, fingerprint: str) -> str:
    """Return what an image_id is appended to, for JSON of its path, label and prediction."""
    return _address("caption", store, fingerprint, "")


def points(store: str, fingerprint: str, method: str) -> str:
    """Return the address of a map's positions (binary, see `dashboard.server.routes.map_bytes`)."""
    return _address("points", store, fingerprint, method)


def colors(store: str, fingerprint: str, column: str) -> str:
    """Return the address of a value for each image to color it by (binary, see `Coloring.values`)."""
    return _address("colors", store, fingerprint, column)


def hits(store: str, fingerprint: str, search: str) -> str:
    """Return the address of the images that have the words of `search`, as image_ids (uint32)."""
    return _address("hits", store, fingerprint, search)


def find(store: str, fingerprint: str) -> str:
    """Return what a text is appended to, for JSON of what the run has of that name."""
    return _address("find", store, fingerprint, "")


def grid_picture(
    store: str, fingerprint: str, method: str, kind: str, with_seams: bool = False, search: str = ""
) -> str:
    """Return the address of the whole grid as a PNG to save.

    search: words of it, which veil the images that they don't find.
    """
    file = "grid-seams.png" if with_seams else "grid.png"
    found = [search] if search.strip() else []
    return _address("tiles", store, fingerprint, method, kind, file, *found)


def channel_tiles(store: str, fingerprint: str, layer: str, pictures: int) -> str:
    """Return the address of a strip of a layer's channels, at whose "{channels}" their numbers stand.

    pictures: how many channels of the layer have a picture of gradient ascent, which then stands in the
        patch's place; 0 for patches alone. The address changes with it, since a run may gain pictures.
    """
    numbers = "{channels}"
    return f"{_address('channel-tiles', store, fingerprint, pictures)}/{numbers}/{_address(layer)}"


def short_link(store: str, name: str) -> str:
    """Return the address that leads to the view that a store keeps by this name."""
    return _address("s", store, name)


def of_two_runs(runs: tuple[str, str, str, str], *parts: object) -> str:
    """Return the address of what `dashboard.server.routes.of_two_runs` serves of two runs.

    runs: store and fingerprint of the first run, then of the other.
    parts: such as "points", method, side.
    """
    return _address("compare-data", *runs, *parts)


def _address(*parts: object) -> str:
    return "/".join(quote(str(part), safe="") for part in parts)
