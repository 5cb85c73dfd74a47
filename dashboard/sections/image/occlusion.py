"""The occlusion maps that a store holds of an image."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from compute.images.pictures import png, to_8_bit, upscaled
from compute.methods.attribution.occlusion import Occlusion
from compute.occlusion.drawing import PROBABILITY, Scale, Shading, at_pixels
from compute.reports.drawing.run_images import preprocessing_of
from compute.reports.occlusion_map import HALF_PIXEL, shading_of
from dashboard.data import photographs
from dashboard.data.runs import BY_FOLDER
from dashboard.findings.names import names_of
from dashboard.text import plain
from dashboard.views import binding
from dashboard.views.data_url import data_url
from dashboard.views.definitions import ImageView
from dashboard.widgets import figures
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened
from featurestore.reader import Run

VALUES = {"probability": "Probability", "logit": "Logit", "argmax": "Prediction"}
PREVIEW = 240
"""Least shorter side of a preview, in pixels."""

SHORTER_SIDE = 384
"""Least shorter side of the map, in pixels, so that the browser doesn't smooth it."""

MEANING = (
    "Red is where covering it costs the class its score: what lay there speaks for the class. Blue is where "
    "it raises it; neutral is the score without the square"
)


def draw(opened: Opened[ImageView], image_id: int) -> None:
    """Draw the map that the view asks for, with its numbers."""
    run, view = opened.run, opened.view
    maps, names = run.occlusion(image_id), names_of(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.segmented_control(
            "Value",
            list(VALUES),
            key=binding.key(ImageView, "value"),
            format_func=VALUES.get,
            label_visibility="collapsed",
            required=True,
        )
        st.toggle("Over the image", key=binding.key(ImageView, "overlay"))
        download_menu(opened)
    shading = shading_of(maps, view.value, preprocessing_of(run).size)
    chart, words = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with chart:
        _map(run, view, image_id, shading, names.class_title(maps["target"]))
    with words:
        st.metric(
            f"Unoccluded probability of {plain(names.class_title(maps['target']))}",
            f"{maps['unoccluded']:.1%}",
        )
        st.metric("Unoccluded logit", f"{maps['unoccluded_logit']:.3f}")
        if shading.scale is not None:
            st.markdown(f"Covering a part of it changes that: **{shading.scale.in_words}**.")
        st.caption(
            f"A grey square of {maps['patch']} x {maps['patch']} pixels covers the image at every "
            f"{maps['stride']} pixels; each pixel is drawn as the nearest place of the square. {MEANING} "
            "(Zeiler and Fergus 2014)."
        )


def preview(run: Run, image_id: int) -> tuple[bytes, str]:
    """Return the map of the probability over the image, as a PNG, and what it says of which class."""
    content, target, scale = _preview(run, image_id)
    return content, costs(names_of(run).class_title(target), scale)


@st.cache_data(max_entries=128, hash_funcs=BY_FOLDER, show_spinner=False)
def _preview(run: Run, image_id: int) -> tuple[bytes, str, Scale]:
    maps = run.occlusion(image_id)
    shading = shading_of(maps, PROBABILITY, preprocessing_of(run).size)
    picture = png(upscaled(map_picture(run, image_id, shading, over=True), PREVIEW))
    return picture, maps["target"], shading.scale


def is_as_fine_as_live(run: Run, image_id: int) -> bool:
    """Return whether the store's maps of an image have a stride no longer than that of a live map."""
    _, stride = Occlusion().window(preprocessing_of(run).size)
    return run.occlusion(image_id)["stride"] <= stride


def costs(target: str, scale: Scale) -> str:
    """Say what red means on a map of a class's probability, and how far it goes."""
    return f"Red: covering it costs {target} its probability, {scale.in_words}"


def map_picture(run: Run, image_id: int, shading: Shading, over: bool) -> np.ndarray:
    """Return a stored map at the size of the network's input, over the image or alone: (H, W, 3) uint8.

    The store's thumbnail stands in for a photograph that is gone.
    """
    return to_8_bit(shading.picture(preprocessing_of(run).size, crop(run, image_id) if over else None))


def crop(run: Run, image_id: int) -> np.ndarray:
    """Return what the network sees of an image, (H, W, C) in [0, 1].

    The store's thumbnail stands in for a photograph that is gone.
    """
    preprocessing = preprocessing_of(run)
    try:
        with photographs.decoded(run, image_id) as image:
            return preprocessing.shown(preprocessing.tensor(image))
    except ValueError:
        image, _ = photographs.stand_in(run, image_id)
        return preprocessing.shown(preprocessing.tensor(image))


def _map(run: Run, view: ImageView, image_id: int, shading: Shading, target: str) -> None:
    """Draw the map and what its colors mean; its values are read under the mouse."""
    picture = map_picture(run, image_id, shading, view.overlay)
    said = f"{view.value} of {target}"
    classes_called = list(map(names_of(run).class_title, run.class_names))
    st.plotly_chart(
        figures.read_under_the_mouse(
            data_url(png(upscaled(picture, SHORTER_SIDE))),
            _values(shading, classes_called),
            (shading.ys + HALF_PIXEL, shading.xs + HALF_PIXEL),
            picture.shape[:2],
        ),
        config={"displayModeBar": False},
        alt=f"{said} by where the grey patch lies",
    )
    if shading.scale is None:
        classes = at_pixels(shading.values, shading.ys, shading.xs, picture.shape[:2])
        legend = figures.class_legend(classes, classes_called)
    else:
        legend = figures.color_bar(*shading.scale.legend[:3], f"change of the {said}, {shading.scale.unit}")
    st.plotly_chart(legend, config={"displayModeBar": False}, alt=f"what the colours of the {said} mean")


def _values(shading: Shading, names: Sequence[str]) -> list[list[str]]:
    """Return what is said of each place of the patch, in rows."""
    if shading.scale is None:
        return [[names[index] for index in row] for row in shading.values.tolist()]
    pairs = zip(shading.values.tolist(), shading.changes.tolist(), strict=True)
    return [
        [f"{value:.4g} ({change:+.3g})" for value, change in zip(values, changes, strict=True)]
        for values, changes in pairs
    ]
