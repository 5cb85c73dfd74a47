"""The two ways in which the Map page shows the images: as points, and as a grid of thumbnails."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from compute.reports.drawing import palettes
from compute.reports.drawing.coloring import Coloring, color_title
from compute.reports.maps import grid
from compute.reports.maps.clusters import named_clusters
from dashboard.components import Bounds, Camera, DeepZoomEvents, ScatterEvents, deep_zoom, scatter
from dashboard.data import runs, selections
from dashboard.findings.names import names_of
from dashboard.text import map_name, plain
from dashboard.views import binding, urls
from dashboard.views.definitions import MapView
from dashboard.widgets.header import Opened

HEIGHT = 620


def points(opened: Opened[MapView], lasso: np.ndarray) -> None:
    """Draw the scatter plot.

    lasso: image_ids of the selection.
    """
    view, run = opened.view, opened.run
    scatter(
        urls.scatter_map(opened.store, run.fingerprint, view.map, view.color, view.search),
        runs.coloring(run, view.color),
        key="map/scatter",
        palette=on_this_page(runs.coloring(run, view.color)),
        camera=Camera.from_text(view.camera),
        selected=view.image if view.image >= 0 else None,
        lasso=lasso.tolist(),
        highlight=view.highlight or None,
        pictures=view.pictures,
        outlined=view.clusters,
        titles=names_of(run).class_titles(),
        height=HEIGHT,
        label=f"{map_name(view.map)} of all images, coloured by {color_title(view.color).lower()}",
        on_event=lambda events: _happened(events, opened),
    )
    st.caption(
        "Drag to move, scroll to zoom, click a point to see its image; the lasso picks many. Close up, the "
        "points are thumbnails. The toolbar shows these at any zoom, or not at all, and outlines clusters; "
        "a click on a cluster's name selects its images."
    )


def on_this_page(coloring: Coloring) -> Sequence[str] | None:
    """Return the colors of a scale that all stand out from a dark page; None where the usual ones do."""
    numeric = coloring.categories is None and coloring.hues == palettes.VIRIDIS
    return palettes.VIRIDIS_ON_DARK if numeric and st.context.theme.type == "dark" else None


def cells(opened: Opened[MapView]) -> None:
    """Draw the grid of thumbnails."""
    view, run = opened.view, opened.run
    if view.kind not in runs.choices(run).grids.get(view.map, ()):
        st.info(
            f"This run has no such grid of {plain(map_name(view.map))}: "
            "`python -m compute store --stages grid …` makes it.",
            icon=":material/grid_off:",
        )
        return
    made = grid.grid(run, view.map, view.kind)
    deep_zoom(
        urls.deep_zoom_grid(opened.store, run.fingerprint, view.map, view.kind, view.seams, view.search),
        made.pyramid,
        key="map/grid",
        bounds=Bounds.from_text(view.bounds),
        selected=_cell(made, view.image),
        seams=view.seams,
        titles=names_of(run).class_titles(),
        height=HEIGHT,
        label=f"Grid of images by {map_name(view.map)}",
        on_event=lambda events: _zoomed(events, made),
    )
    st.caption(
        "Drag to move, scroll to zoom, click an image to select it; the toolbar saves the whole picture."
    )


def _happened(events: ScatterEvents, opened: Opened[MapView]) -> None:
    changes, store = {}, opened.store
    if events.clicked is not None:
        changes["image"] = events.clicked
    if events.camera is not None:
        changes["camera"] = events.camera.to_text()
    if events.lasso is not None:
        changes |= {"selection": selections.keep(store, events.lasso), "selection_page": 1}
    if events.highlight is not None:
        changes["highlight"] = events.highlight
    if events.pictures is not None:
        changes["pictures"] = events.pictures
    if events.outlined is not None:
        changes["clusters"] = events.outlined
    if events.cluster is not None:
        members = named_clusters(opened.run, opened.view.map).members(events.cluster)
        changes |= {"selection": selections.keep(store, members), "selection_page": 1}
    binding.change(MapView, **changes)


def _zoomed(events: DeepZoomEvents, made: grid.Grid) -> None:
    changes = {}
    if events.bounds is not None:
        changes["bounds"] = events.bounds.to_text()
    if events.clicked is not None and (image := int(made.image_id[events.clicked])) >= 0:
        changes["image"] = image
    binding.change(MapView, **changes)


def _cell(made: grid.Grid, image: int) -> tuple[int, int] | None:
    """Return the first cell of the grid that shows an image, (row, column); None where none does."""
    places = np.argwhere(made.image_id == image) if image >= 0 else ()
    return tuple(places[0].tolist()) if len(places) else None
