"""The page of ``component_app``: each component on the small store; the address says which and what is set.

Its last line is all that came back so far, as JSON.
"""

import json
import os

import numpy as np
import streamlit as st

from compute.reports.drawing.coloring import Coloring, coloring
from compute.reports.maps.grid import grid
from dashboard.components import (
    Bounds,
    Camera,
    GridItem,
    Pair,
    confusion_matrix,
    deep_zoom,
    image_box,
    image_grid,
    scatter,
)
from dashboard.views import urls
from featurestore.reader import Store
from tests.support.stores.small import FINGERPRINT, SIDE

GRID = ("small", FINGERPRINT, "pca", "unique")
run = Store(os.environ["STORE"]).open(FINGERPRINT)
asked = st.query_params
came = st.session_state.setdefault("came", {})


def numbers(name):
    return [float(part) for part in asked[name].split(",")] if name in asked else None


def remember(events):
    came.update({name: value for name, value in vars(events).items() if value is not None})


TITLES = {"ant": "<b>wood ants</b> (ant)", "constructor": "nobody"}
"""What a class is called where the page is asked for it."""


def show_image_grid():
    items = [
        GridItem(
            i,
            urls.thumbnail("small", FINGERPRINT, i),
            alt=f"image {i}",
            badge="wrong",
            tone="bad",
            box=(0.25, 0.5, 0.75, 1.0),
        )
        for i in range(12)
    ]
    selected = came.get("clicked")
    image_grid(items, key="grid", columns=4, selected=selected, on_click=lambda id: came.update(clicked=id))


def show_scatter():
    camera = numbers("camera")
    color = asked.get("color", "label")
    many = Coloring("label", None, tuple(f"name {number}" for number in range(100)))
    made = many if color == "many" else coloring(run, color)
    scatter(
        urls.scatter_map("small", FINGERPRINT, "pca", made.column, asked.get("search", "")),
        made,
        key="map",
        camera=came.get("camera", Camera(*camera) if camera else None),
        selected=came.get("clicked", 14 if "selected" in asked else None),
        lasso=came.get("lasso", ()),
        highlight=came.get("highlight"),
        pictures=came.get("pictures", asked.get("pictures", "near")),
        outlined=came.get("outlined", False),
        titles=TITLES if "titled" in asked else {},
        height=400,
        on_event=remember,
    )


def show_deep_zoom():
    bounds = numbers("bounds")
    deep_zoom(
        urls.deep_zoom_grid(*GRID),
        grid(run, "pca", "unique").pyramid,
        key="zoom",
        bounds=came.get("bounds", Bounds(*bounds) if bounds else None),
        selected=came.get("clicked", (SIDE - 2, 1) if "selected" in asked else None),
        seams=True,
        height=400,
        on_event=remember,
    )


def show_confusion_matrix():
    counts, names = np.array([[7, 2, 0], [1, 5, 0]]), ("ant", "bee", "cow")
    selected = Pair(*came.get("clicked", ("", "")))
    confusion_matrix(
        counts,
        names[:2],
        names,
        (9, 12),
        key="matrix",
        selected=selected,
        titles=TITLES if "titled" in asked else {},
        on_click=lambda pair: came.update(clicked=pair),
    )


def show_image_box():
    image_box(
        urls.thumbnail("small", FINGERPRINT, 3),
        alt="image 3",
        key="box",
        label="The part that counts",
        box=came["box"] if "box" in came else numbers("box"),
        seen=tuple(numbers("seen") or (0, 0, 1, 1)),
        on_change=lambda box: came.update(box=box),
    )


SHOWN = {
    "image_grid": show_image_grid,
    "image_box": show_image_box,
    "scatter": show_scatter,
    "deep_zoom": show_deep_zoom,
    "confusion_matrix": show_confusion_matrix,
}
SHOWN[asked["show"]]()
st.text(json.dumps(came))
