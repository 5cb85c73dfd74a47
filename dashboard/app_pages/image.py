"""The Image page: prediction, occlusion, saliency, segmentation, neighbours and channels of one image."""

import streamlit as st

from compute.methods import METHODS
from compute.methods.base import IMAGE, SECOND
from compute.reports.occlusion_map import has_maps
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.data.predictions import NOTHING_PREDICTED, labels_above, predicts
from dashboard.findings.names import names_of
from dashboard.sections.image import glance, occlusion, strongest_channels
from dashboard.sections.image.neighbors import SPACES, strip, top_classes
from dashboard.text import plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import ImageView, NeighborsView
from dashboard.views.image_tabs import (
    CHANNELS,
    GLANCE,
    LIVE,
    METHOD_OF_TAB,
    NEIGHBORS,
    OCCLUSION,
    TAB_OF_METHOD,
    TABS,
)
from dashboard.views.navigation import link
from dashboard.widgets import bar_charts, image_links
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_picker import pick
from dashboard.widgets.live.controls import input_controls, parameter_controls
from dashboard.widgets.live.run import run_method
from featurestore.reader import Run

SOURCES = {"stored": "From the store", "live": "Live"}
NEIGHBORS_SHOWN = 12
EXPLAINING = [
    name
    for name, each in METHODS.items()
    if each.output in ("heatmap", "mask", "gradient") and IMAGE in each.needs and SECOND not in each.needs
]
OTHERS = [name for name in EXPLAINING if name not in TAB_OF_METHOD]


def draw(opened: Opened[ImageView]) -> None:
    """Draw the page."""
    chosen = pick(opened)
    image, explained = st.columns([1, 2], gap="large")
    with image:
        _photographs(opened, chosen)
        image_links.links(opened, chosen)
        _prediction(opened, chosen)
    with explained:
        st.segmented_control(
            "Show",
            list(TABS),
            key=binding.key(ImageView, "tab"),
            format_func=TABS.get,
            label_visibility="collapsed",
            required=True,
            on_change=_turn_to_tab,
            args=(opened.view,),
        )
        _tab(opened, chosen)


def _turn_to_tab(view: ImageView) -> None:
    """Take the method of the tab that was chosen: its only one, or the one that it had when it was left."""
    tab = st.session_state[binding.key(ImageView, "tab")]
    if view.tab == LIVE:
        binding.change(ImageView, other=view.method)
    if tab == LIVE and view.method not in OTHERS:
        binding.change(ImageView, method=view.other if view.other in OTHERS else OTHERS[0])
    elif tab in METHOD_OF_TAB:
        binding.change(ImageView, method=METHOD_OF_TAB[tab], live=True)


def _tab(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    tab = opened.view.tab
    if tab == GLANCE:
        glance.draw(opened, chosen)
    elif tab == OCCLUSION:
        _occlusion(opened, chosen)
    elif tab == NEIGHBORS:
        _neighbors(opened, chosen)
    elif tab == CHANNELS:
        strongest_channels.draw(opened, chosen)
    elif tab == LIVE:
        _others(opened)
    else:
        _method(opened)


def _photographs(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    run, view = opened.run, opened.view
    with st.grid(2, min_column_width=80, gap="small"):
        st.image(
            photographs.whole_or_thumbnail(run, view.image, chosen.upload),
            caption="The photograph",
            alt=f"photograph {chosen.name}",
            width="stretch",
        )
        st.image(
            photographs.crop_or_thumbnail(run, view.image, chosen.upload),
            caption="What the network sees",
            alt="the crop at the network's input size",
            width="stretch",
        )
    _gone(run, view, chosen.upload)


def _gone(run: Run, view: ImageView, upload: str) -> None:
    """Say that the photograph is not to be had, and what still is."""
    if (reason := photographs.gone_because(run, view.image, upload)) is not None:
        st.caption(f":material/no_photography: {plain(sentence(reason))} {photographs.MOVED}")


def _prediction(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    run = opened.run
    if not predicts(run):
        st.info(NOTHING_PREDICTED, icon=":material/label_off:")
    if chosen.image_id is None:
        if predicts(run):
            _ranked(run, top_classes(run, chosen.upload))
        return
    if chosen.image_id in runs.unreadable(run):
        st.warning("This image could not be read when the store was made.", icon=":material/broken_image:")
        return
    row = run.image(chosen.image_id)
    verdict = {True: ":green-badge[right]", False: ":red-badge[wrong]", None: ""}[row["correct"]]
    titled = names_of(run).class_title
    label = f"label **{plain(titled(row['label']))}**" if row["label"] else "no label"
    if predicts(run):
        said = "most probable" if run.manifest.independent_labels else "predicted"
        st.markdown(f"{said} **{plain(titled(row['predicted']))}**, {label} {verdict}")
        _ranked(run, [(each["class"], each["probability"]) for each in row["top5"]])
    else:
        st.markdown(label)
    loss = "" if row["loss"] is None else f", loss {row['loss']:.3f} nat"
    split = f", split {plain(row['split'])}" if row["split"] else ""
    st.caption(f"{plain(row['path'])}, {row['width']} x {row['height']} pixels{split}{loss}.")


def _ranked(run: Run, top: list[tuple[str, float]]) -> None:
    titled = names_of(run).class_title
    if said := labels_above(run, top, titled):
        st.markdown(f"{said}.")
    bar_charts.probabilities(
        [titled(name) for name, _ in top],
        [probability for _, probability in top],
        alt="the most probable classes",
    )


def _occlusion(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    stored = has_maps(opened.run, chosen.image_id)
    if stored:
        st.segmented_control(
            "Maps",
            list(SOURCES),
            key=binding.key(ImageView, "source"),
            format_func=SOURCES.get,
            label_visibility="collapsed",
            required=True,
        )
    else:
        what = "of an uploaded image" if chosen.image_id is None else "of this image"
        stage = "`python -m compute store --stages occlusion …`"
        more = "" if chosen.image_id is None else f" ({stage} makes them)"
        st.caption(f"The store holds no occlusion map {what}{more}; this one is made live.")
    if stored and opened.view.source == "stored":
        occlusion.draw(opened, chosen.image_id)
    else:
        _method(opened)


def _neighbors(opened: Opened[ImageView], chosen: ChosenImage) -> None:
    for space in SPACES:
        strip(opened, chosen, space, NEIGHBORS_SHOWN)
    view = NeighborsView(
        opened.store, opened.run.fingerprint, image=max(chosen.image_id or 0, 0), upload=chosen.upload
    )
    link(view, "All neighbours, and how many share the label")
    download_menu(opened)


def _others(opened: Opened[ImageView]) -> None:
    st.segmented_control(
        "Method",
        OTHERS,
        key=binding.key(ImageView, "method"),
        format_func=lambda name: METHODS[name].title,
        required=True,
    )
    _method(opened)


def _method(opened: Opened[ImageView]) -> None:
    view = opened.view
    method = METHODS[view.method]
    st.caption(f"{method.theory} *{method.reference}*")
    input_controls(view, runs.choices(opened.run), names_of(opened.run))
    parameter_controls(view)
    run_method(opened)


draw(open_page(ImageView))
