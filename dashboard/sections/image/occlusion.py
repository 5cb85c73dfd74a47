"""The occlusion maps that a store holds of an image."""

import io

import numpy as np
import streamlit as st
from PIL import Image

from compute.images.pictures import overlay, png, to_8_bit, upscaled
from compute.methods.attribution.occlusion import nearest
from compute.reports.drawing.run_images import preprocessing_of
from compute.reports.occlusion_map import patch_centers, patch_centers_from_edge
from dashboard.components.data_url import data_url
from dashboard.data import photographs
from dashboard.data.runs import BY_FOLDER
from dashboard.text import plain
from dashboard.views import binding
from dashboard.views.definitions import ImageView
from dashboard.widgets import figures
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened
from featurestore.reader import Run

VALUES = {"probability": "Probability", "logit": "Logit", "argmax": "Prediction"}
PREVIEW = 240
"""Least shorter side of a picture without axes, in pixels."""


def draw(opened: Opened[ImageView], image_id: int) -> None:
    """Draw the map that the view asks for, with its numbers."""
    run, view = opened.run, opened.view
    maps = run.occlusion(image_id)
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
    chart, words = st.columns([3, 2], gap="medium", vertical_alignment="center")
    chart.plotly_chart(
        _figure(run, view, image_id, maps),
        alt=f"{view.value} of {maps['target']} by where the grey patch lies",
    )
    with words:
        st.metric(f"Unoccluded probability of {plain(maps['target'])}", f"{maps['unoccluded']:.1%}")
        st.metric("Unoccluded logit", f"{maps['unoccluded_logit']:.3f}")
        st.caption(
            f"A grey square of {maps['patch']} x {maps['patch']} pixels covers the image at every "
            f"{maps['stride']} pixels; values are drawn at its centre. Where they fall, what lay there "
            "speaks for the class (Zeiler and Fergus 2014)."
        )


@st.cache_data(max_entries=128, hash_funcs=BY_FOLDER, show_spinner=False)
def preview(run: Run, image_id: int) -> tuple[bytes, str]:
    """Return the image, bright where the grey patch costs the class its probability, and the class.

    The image is a PNG.
    """
    maps = run.occlusion(image_id)
    with Image.open(io.BytesIO(photographs.crop(run, image_id))) as crop:
        image = np.asarray(crop.convert("RGB"), np.float32) / 255
    rows, cols = (
        nearest(centers, size)
        for centers, size in zip(patch_centers(maps, image.shape[:2]), image.shape, strict=False)
    )
    loss = maps["probability"].max() - maps["probability"]
    picture = overlay(image, loss[np.ix_(rows, cols)])
    return png(upscaled(to_8_bit(picture), PREVIEW)), maps["target"]


def _figure(run: Run, view: ImageView, image_id: int, maps: dict):
    size = preprocessing_of(run).size
    image_url = data_url(photographs.crop(run, image_id)) if view.overlay else None
    ys, xs = (each.tolist() for each in patch_centers_from_edge(maps, size))
    if view.value == "argmax":
        return figures.classes_over_image(maps["argmax"], ys, xs, size, run.class_names, image_url)
    title = f"{view.value} of {maps['target']}"
    return figures.heat_over_image(maps[view.value], ys, xs, size, title=title, image_url=image_url)
