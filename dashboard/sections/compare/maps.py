"""The tab Maps: the two runs' maps by one method, the other laid upon the first, side by side."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dashboard.components import Camera, Frame, GridItem, ScatterEvents, scatter
from dashboard.data import comparison, selections
from dashboard.data.comparison import Moved, Pair
from dashboard.findings.names import names_of
from dashboard.sections.compare import image, shared_images
from dashboard.text import counted, map_name, plain
from dashboard.views import binding, urls
from dashboard.views.definitions import CompareView
from dashboard.views.urls import MapAddresses

COLORS = {"label": "Label", "kind": "What the prediction became", "moved": "How far it moved"}
HEIGHT = 480
WHOLE = Camera(0, 0, 1)


def draw(pair: Pair) -> None:
    """Draw the tab."""
    maps = pair.compared.maps
    if not maps:
        st.info(
            "The runs have no map by the same method: `python -m compute store --stages embeddings …` makes "
            "them.",
            icon=":material/scatter_plot:",
        )
        return
    method = pair.view.map if pair.view.map in maps else maps[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Layout",
            maps,
            key=binding.key(CompareView, "map"),
            format_func=lambda name: plain(map_name(name)),
            on_change=shared_images.turn_back,
        )
        st.selectbox(
            "Colour by",
            list(COLORS),
            key=binding.key(CompareView, "color"),
            format_func=COLORS.get,
            width=240,
            on_change=lambda: binding.change(CompareView, highlight=""),
        )
    moved = comparison.moved(*pair.runs, method)
    _plots(pair, method, moved)
    image.show(pair)
    st.subheader("Images that moved the most", anchor=False)
    shared_images.wall(pair, moved.farthest, _item, "moved")


def _plots(pair: Pair, method: str, moved: Moved) -> None:
    view = pair.view
    frames = dict(zip(("here", "there"), comparison.frames(*pair.runs, method), strict=True))
    camera = Camera.from_text(view.camera) or WHOLE
    said = ("", ", laid upon it")
    titles = {side: names_of(run).class_titles() for side, run in zip(frames, pair.runs, strict=True)}
    sides = zip(st.columns(2), frames.items(), pair.names, said, strict=True)
    for column, (side, frame), name, how in sides:
        with column:
            st.markdown(f"**{plain(name)}**{how}")
            scatter(
                _addresses(pair, method, side),
                comparison.coloring(*pair.runs, method, view.color),
                key=f"compare/map {side}",
                camera=frame.seen_from(camera, frames["here"]),
                selected=view.image if view.image >= 0 else None,
                lasso=selections.read(view.store, pair.run, view.selection).tolist(),
                highlight=view.highlight or None,
                pictures=view.pictures,
                titles=titles[side],
                height=HEIGHT,
                label=f"{map_name(method)} of the images in both runs, {name}{how}",
                on_event=lambda events, frame=frame: _happened(view, events, frame, frames["here"]),
            )
    st.caption(
        f"{counted(len(moved.ids))}; residual {moved.aligned.residual:.3f} (0: the same map, 1: nothing in "
        "common). The other map is moved, turned or mirrored, and scaled to the same spread; both plots show "
        "the same part of the plane. A lasso in one marks the same images in the other. t-SNE and UMAP lay "
        "out even the same features differently for another seed."
    )


def _addresses(pair: Pair, method: str, side: str) -> MapAddresses:
    view = pair.view
    two = view.store, view.run, view.other_store, view.other_run
    of_first = urls.scatter_map(view.store, view.run, method, "label")
    points, sprites = (urls.of_two_runs(two, what, method, side) for what in ("points", "sprites"))
    addresses = replace(of_first, points=points, sprites=sprites, clusters="")
    if view.color != "label":
        addresses = replace(addresses, colors=urls.of_two_runs(two, "colors", method, view.color))
    return addresses if side == "here" else replace(addresses, captions=urls.of_two_runs(two, "caption", ""))


def _happened(view: CompareView, events: ScatterEvents, frame: Frame, here: Frame) -> None:
    """Write what was done in a plot into the view.

    The address has the camera of the first plot, and none where a plot is only fitted to its place.
    """
    changes = {}
    if events.clicked is not None:
        changes["image"] = events.clicked
    if events.camera is not None:
        camera = here.seen_from(events.camera, frame)
        if not np.allclose(camera, Camera.from_text(view.camera) or WHOLE, atol=1e-3):
            changes["camera"] = camera.to_text()
    if events.lasso is not None:
        changes["selection"] = selections.keep(view.store, events.lasso)
    if events.highlight is not None:
        changes["highlight"] = events.highlight
    if events.pictures is not None:
        changes["pictures"] = events.pictures
    binding.change(CompareView, **changes)


def _item(row: dict, thumbnail: str) -> GridItem:
    return GridItem(
        row["image_id"],
        thumbnail,
        alt=f"image {row['image_id']}, moved {row['moved']:.2f} of the map's spread",
        caption=f"image {row['image_id']}",
        note=f"moved {row['moved']:.2f}",
    )
