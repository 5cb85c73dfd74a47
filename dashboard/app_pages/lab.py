"""The Lab: any method on any image, live."""

import streamlit as st

from compute.methods import METHODS
from compute.methods.base import IMAGE, SECOND
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.data.predictions import predicts
from dashboard.findings.names import names_of
from dashboard.sections.image.neighbors import top_classes
from dashboard.text import percent, plain
from dashboard.views import binding
from dashboard.views.definitions import LabView
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_picker import SECOND as SECOND_SLOT
from dashboard.widgets.image_picker import pick
from dashboard.widgets.live.controls import input_controls, parameter_controls
from dashboard.widgets.live.run import run_method

PREDICTIONS = 3
"""Classes that are said of the image as it is."""


def draw(opened: Opened[LabView]) -> None:
    """Draw the page."""
    st.pills(
        "Method",
        list(METHODS),
        key=binding.key(LabView, "method"),
        format_func=lambda name: METHODS[name].title,
        label_visibility="collapsed",
        required=True,
        on_change=lambda: binding.change(LabView, live=False),
    )
    method = METHODS[opened.view.method]
    st.caption(f"{method.theory} *{method.reference}*")
    reads = opened.view.asks
    settings, inputs = st.columns([3, 1], gap="medium")
    with settings:
        chosen = pick(opened, optional=IMAGE not in method.needs) if IMAGE in reads else None
        second = pick(opened, SECOND not in method.needs, slot=SECOND_SLOT) if SECOND in reads else None
        input_controls(opened.view, runs.choices(opened.run), names_of(opened.run))
        parameter_controls(opened.view)
    with inputs:
        _preview(opened, chosen, "The image")
        if chosen is not None:
            with boundary():
                _predicted(opened, chosen)
        _preview(opened, second, "The second image")
    run_method(opened)


def _preview(opened: Opened[LabView], chosen: ChosenImage | None, caption: str) -> None:
    if chosen is not None:
        view = opened.view
        seen = photographs.whole if view.whole and METHODS[view.method].any_size else photographs.crop
        png = seen(opened.run, chosen.image_id or 0, chosen.upload)
        st.image(png, caption=caption, alt=chosen.name, width=160)


def _predicted(opened: Opened[LabView], chosen: ChosenImage) -> None:
    """Say what the network predicts of the image as it is, before anything is made of it."""
    run = opened.run
    if not predicts(run):
        return
    if chosen.image_id is not None:
        ranked = [(each["class"], each["probability"]) for each in run.image(chosen.image_id)["top5"] or ()]
    else:
        ranked = top_classes(run, chosen.upload) if runs.refusal(run) is None else []
    titled = names_of(run).class_title
    said = [f"{plain(titled(name))} {percent(share)}" for name, share in ranked[:PREDICTIONS]]
    if said:
        st.caption(f"Predicted **{said[0]}**{''.join(f', {each}' for each in said[1:])}")


draw(open_page(LabView))
