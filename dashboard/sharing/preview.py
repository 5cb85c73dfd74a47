"""The picture that a preview of a link shows: what the page shows first, as large as chat programs take."""

import dataclasses
from contextlib import suppress

from PIL import Image

from compute.images.encoding import encoded, opened
from compute.images.pictures import png
from compute.reports.maps.part import part_of_map
from dashboard.components import Camera
from dashboard.data import photographs, runs
from dashboard.jobs.lookup import result_of
from dashboard.sharing.downloads import main_download
from dashboard.views.definitions import ChannelsView, ImageView, MapView
from dashboard.views.image_tabs import CHANNELS
from dashboard.views.state import ViewState
from featurestore.reader import Run

WIDTH, HEIGHT = 1200, 630
"""Pixels at most: the size that Open Graph's consumers ask for."""
LEAST = 200
"""Pixels a side: of smaller pictures no preview is drawn."""
TALLEST = 1.2
"""Height by width beyond which the upper part of a picture is shown: scaled whole, it would be a thread."""


def preview(view: ViewState, run: Run) -> bytes | None:
    """Return a view's picture as PNG; None for a page that has none, or a result that is not made yet.

    Nothing is computed on the network for it: who sends a link starts no job, so a live method's picture is
    there once its result is. The image that a page is about stands in for what it doesn't have.
    """
    shown = of_the_store(view)
    picture = None
    if shown is not None:
        with suppress(ValueError):
            picture = _picture(shown, run)
    if picture is None and getattr(view, "image", -1) >= 0 and not getattr(view, "upload", ""):
        with suppress(ValueError):
            picture = photographs.whole_or_thumbnail(run, view.image)
    return None if picture is None else _fitted(picture)


def _picture(view: ViewState, run: Run) -> bytes | None:
    if isinstance(view, MapView) and view.show == "points" and (camera := Camera.from_text(view.camera)):
        part = part_of_map(
            run,
            view.map,
            (camera.x, camera.y),
            camera.zoom,
            view.color,
            view.pictures,
            view.search.strip(),
        )
        return png(part)
    download = main_download(view, run, runs.stores()[view.store], result_of(view, run))
    return None if download is None else download.picture


def of_the_store(view: ViewState) -> ViewState | None:
    """Return the view without what the network would be run for; None where nothing is left of it."""
    if isinstance(view, ChannelsView):
        return dataclasses.replace(view, guided=False, ascent=False, picture=False)
    return None if isinstance(view, ImageView) and view.tab == CHANNELS else view


def _fitted(picture: bytes) -> bytes:
    with opened(picture) as whole:
        shown = whole.convert("RGB")
    if shown.height > TALLEST * shown.width:
        shown = shown.crop((0, 0, shown.width, min(shown.height, round(shown.width * HEIGHT / WIDTH))))
    shown.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    if min(shown.size) < LEAST:
        factor = -(-LEAST // min(shown.size))
        shown = shown.resize([min(factor * each, WIDTH) for each in shown.size], Image.Resampling.NEAREST)
    return encoded(shown, optimize=True)
