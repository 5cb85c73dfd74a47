"""Addresses of what ``dashboard.server.routes`` serves, relative to the app: it may stand behind a prefix."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class MapAddresses:
    """Where the scatter component finds a map: two buffers, two prefixes an image_id is appended to, and the
    buffer of what a search found ("" without a search)."""

    points: str
    colors: str
    thumbnails: str
    captions: str
    hits: str = ""


@dataclass(frozen=True)
class GridAddresses:
    """Where the deep zoom finds a grid: its tiles, the image of each cell, the whole picture to save, and two
    prefixes an image_id is appended to."""

    tiles: str
    cells: str
    picture: str
    thumbnails: str
    captions: str


def scatter_map(store: str, fingerprint: str, method: str, color: str, search: str = "") -> MapAddresses:
    """The map of ``method`` with colours by the column ``color`` of ``images``, and what ``search`` finds."""
    return MapAddresses(
        points=points(store, fingerprint, method),
        colors=colors(store, fingerprint, color),
        thumbnails=thumbnails(store, fingerprint),
        captions=captions(store, fingerprint),
        hits=hits(store, fingerprint, search) if search else "",
    )


def deep_zoom_grid(
    store: str, fingerprint: str, method: str, kind: str, with_seams: bool = False
) -> GridAddresses:
    """The grid ``kind`` of ``method``; ``with_seams`` is about the picture to save."""
    tiles = _address("tiles", store, fingerprint, method, kind)
    return GridAddresses(
        tiles=tiles,
        cells=f"{tiles}/cells",
        picture=grid_picture(store, fingerprint, method, kind, with_seams),
        thumbnails=thumbnails(store, fingerprint),
        captions=captions(store, fingerprint),
    )


def thumbnail(store: str, fingerprint: str, image_id: int) -> str:
    """The image's thumbnail, as stored."""
    return _address("thumbnail", store, fingerprint, image_id)


def thumbnails(store: str, fingerprint: str) -> str:
    """What an image_id is appended to, for its thumbnail."""
    return _address("thumbnail", store, fingerprint, "")


def captions(store: str, fingerprint: str) -> str:
    """What an image_id is appended to, for JSON of its path, label and prediction."""
    return _address("caption", store, fingerprint, "")


def points(store: str, fingerprint: str, method: str) -> str:
    """The positions of a map (binary, see ``dashboard.server.points.positions``)."""
    return _address("points", store, fingerprint, method)


def colors(store: str, fingerprint: str, column: str) -> str:
    """One value an image to colour by (binary, see ``compute.reports.drawing.coloring.Coloring.values``)."""
    return _address("colors", store, fingerprint, column)


def hits(store: str, fingerprint: str, search: str) -> str:
    """The images that have the words of ``search``, as image_ids (uint32)."""
    return _address("hits", store, fingerprint, search)


def grid_picture(store: str, fingerprint: str, method: str, kind: str, with_seams: bool = False) -> str:
    """The whole grid as a PNG to save."""
    return _address("tiles", store, fingerprint, method, kind, "grid-seams.png" if with_seams else "grid.png")


def short_link(store: str, name: str) -> str:
    """What leads to the view that a store keeps by this name."""
    return _address("s", store, name)


def of_two_runs(runs: tuple[str, str, str, str], *parts: object) -> str:
    """Return the address of what ``dashboard.server.compare_routes`` serves of two runs.

    runs: store and fingerprint of the first run, then of the other. parts: such as "points", method, side.
    """
    return _address("compare-data", *runs, *parts)


def _address(*parts: object) -> str:
    return "/".join(quote(str(part), safe="") for part in parts)
