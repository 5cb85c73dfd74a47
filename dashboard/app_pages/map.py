"""All images on a plane: points by an embedding, or thumbnails in a grid."""

import numpy as np
import streamlit as st

from compute.exhibits import grid
from dashboard import addresses, binding, data, tools
from dashboard.components import Bounds, Camera, DeepZoomEvents, ScatterEvents, deep_zoom, image_grid, scatter
from dashboard.header import Opened, open_page
from dashboard.photos import Subject
from dashboard.picker import grid_items
from dashboard.view_state import MapView

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
SHOWN = {"points": "Points", "grid": "Grid"}
COLORS = {
    "label": "Label",
    "predicted": "Prediction",
    "correct": "Right or wrong",
    "split": "Split",
    "loss": "Loss",
    "probability": "Probability",
}
KINDS = {"unique": "Each image at most once", "nearest": "Nearest image to each cell"}
PER_PAGE = 60
HEIGHT = 620


def draw(opened: Opened[MapView]) -> None:
    if not opened.view.map:
        st.info(
            "This run has no map yet: `python -m compute store --stages embeddings …` makes them.",
            icon=":material/scatter_plot:",
        )
        return
    _controls(opened)
    plane, side = st.columns([3, 1], gap="medium")
    with plane:
        if opened.view.show == "points":
            _points(opened)
        else:
            _grid(opened)
    with side:
        _selected(opened)
        _quality(opened)
    if opened.view.selection:
        _lasso(opened)


def _controls(opened: Opened[MapView]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _segments("Layout", "map", list(data.facts(opened.run).maps), METHODS)
        _segments("Show as", "show", list(SHOWN), SHOWN)
        if opened.view.show == "points":
            st.selectbox(
                "Colour by",
                list(COLORS),
                key=_key("color"),
                format_func=COLORS.get,
                width=200,
                on_change=lambda: binding.change(MapView, highlight=""),
            )
        else:
            _segments("Cells", "kind", list(data.facts(opened.run).grids.get(opened.view.map, ())), KINDS)
            st.toggle(
                "Seams",
                key=_key("seams"),
                help="A line between neighbouring cells, red where they are far apart in feature space",
            )


def _segments(label: str, name: str, options: list[str], words: dict[str, str]) -> None:
    st.segmented_control(label, options, key=_key(name), format_func=lambda each: words.get(each, each))


def _points(opened: Opened[MapView]) -> None:
    view, run = opened.view, opened.run
    scatter(
        addresses.scatter_map(opened.store, run.fingerprint, view.map, view.color),
        data.coloring(run, view.color),
        key="map/scatter",
        camera=_numbers(view.camera, Camera),
        selected=view.image if view.image >= 0 else None,
        lasso=_ids(view.selection).tolist() if view.selection else (),
        highlight=view.highlight or None,
        height=HEIGHT,
        label=f"{METHODS.get(view.map, view.map)} of all images, coloured by {view.color}",
        on_event=_happened,
    )
    st.caption("Drag to move, scroll to zoom, click a point to see its image; the lasso picks many.")


def _grid(opened: Opened[MapView]) -> None:
    view, run = opened.view, opened.run
    kinds = data.facts(run).grids.get(view.map, ())
    if view.kind not in kinds:
        st.info(
            f"This run has no such grid of {METHODS.get(view.map, view.map)}.", icon=":material/grid_off:"
        )
        return
    made = grid.grid(run, view.map, view.kind)
    deep_zoom(
        addresses.deep_zoom_grid(opened.store, run.fingerprint, view.map, view.kind, view.seams),
        made.pyramid,
        key="map/grid",
        bounds=_numbers(view.bounds, Bounds),
        selected=_cell(made, view.image),
        seams=view.seams,
        height=HEIGHT,
        label=f"Grid of images by {METHODS.get(view.map, view.map)}",
        on_event=lambda events: _zoomed(events, made),
    )
    st.caption(
        "Drag to move, scroll to zoom, click an image to select it; the toolbar saves the whole picture."
    )


def _cell(made: grid.Grid, image: int) -> tuple[int, int] | None:
    """Where an image lies first in the grid."""
    places = np.argwhere(made.image_id == image) if image >= 0 else ()
    return tuple(places[0].tolist()) if len(places) else None


def _zoomed(events: DeepZoomEvents, made: grid.Grid) -> None:
    changes = {}
    if events.bounds is not None:
        changes["bounds"] = _text(events.bounds)
    if events.clicked is not None and (image := int(made.image_id[events.clicked])) >= 0:
        changes["image"] = image
    binding.change(MapView, **changes)


def _happened(events: ScatterEvents) -> None:
    changes = {}
    if events.clicked is not None:
        changes["image"] = events.clicked
    if events.camera is not None:
        changes["camera"] = _text(events.camera)
    if events.lasso is not None:
        changes["selection"] = (
            data.selections().add(np.array(events.lasso, "<i8").tobytes()) if events.lasso else ""
        )
    if events.highlight is not None:
        changes["highlight"] = events.highlight
    binding.change(MapView, **changes)


def _selected(opened: Opened[MapView]) -> None:
    view, run = opened.view, opened.run
    if view.image < 0:
        st.caption("No image is selected.")
        return
    row = run.image(view.image)
    if row["predicted"] is None:
        st.warning("This image could not be read.", icon=":material/broken_image:")
        return
    st.image(run.thumbnail(view.image), width="stretch", alt=f"selected image {row['path']}")
    st.markdown(f"**{row['label'] or 'no label'}**, predicted {row['predicted']} ({row['probability']:.0%})")
    st.caption(f"{row['path']}, image {view.image}")
    tools.links(opened, Subject(view.image, "", row["path"], row["sha256"] or ""))


def _quality(opened: Opened[MapView]) -> None:
    found = [row for row in data.table(opened.run, "maps").to_pylist() if row["method"] == opened.view.map]
    for row in found:
        if row["trustworthiness"] is None:
            st.caption("Too few images to say how true the map is to feature space.")
            continue
        with st.container(horizontal=True):
            st.metric(
                "Trustworthiness",
                f"{row['trustworthiness']:.3f}",
                help="1 where points that lie close "
                "together on the map also are close in feature space (Venna and Kaski 2001)",
            )
            st.metric(
                "Neighbours kept",
                "–" if row["knn_preservation"] is None else f"{row['knn_preservation']:.1%}",
                help="Share of the nearest images in feature space that are among the nearest on the map",
            )


def _lasso(opened: Opened[MapView]) -> None:
    ids = _ids(opened.view.selection)
    table = opened.run.rows(
        "images", ids[: _most(len(ids))], ("image_id", "path", "label", "predicted", "correct")
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(ids):,} images selected", anchor=False)
        st.button("Clear", icon=":material/close:", on_click=lambda: binding.change(MapView, selection=""))
    pages = -(-len(table) // PER_PAGE)
    number = st.pagination(pages, key="map/page") if pages > 1 else 1
    image_grid(
        grid_items(opened, table.slice((number - 1) * PER_PAGE, PER_PAGE)),
        key="map/lasso",
        label="Selected images",
        size=80,
        selected=opened.view.image,
        on_click=lambda chosen: binding.change(MapView, image=int(chosen)),
    )


def _most(count: int) -> int:
    """Thumbnails of a selection that are offered page by page."""
    return min(count, 50 * PER_PAGE)


def _ids(selection: str) -> np.ndarray:
    return np.frombuffer(data.selections().read(selection), "<i8")


def _text(numbers: tuple[float, ...]) -> str:
    return ",".join(f"{each:.4g}" for each in numbers)


def _numbers(text: str, kind: type[Camera] | type[Bounds]) -> Camera | Bounds | None:
    """A camera or bounds as a link writes them; None where there is none, or it can't be read."""
    try:
        return kind(*map(float, text.split(",")))
    except (ValueError, TypeError):
        return None


def _key(name: str) -> str:
    return binding.key(MapView, name)


draw(open_page(MapView))
