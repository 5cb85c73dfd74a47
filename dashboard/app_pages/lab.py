"""Any method on any image, live."""

import streamlit as st

from compute.method import IMAGE, SECOND
from compute.methods import METHODS
from dashboard import binding, data, live, photos
from dashboard.controls import input_controls, parameter_controls
from dashboard.header import Opened, open_page
from dashboard.photos import Subject
from dashboard.picker import pick, pick_second
from dashboard.views import LabView


def draw(opened: Opened[LabView]) -> None:
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
    reads = method.needs | method.takes
    settings, inputs = st.columns([3, 1], gap="medium")
    with settings:
        subject = pick(opened, optional=IMAGE not in method.needs) if IMAGE in reads else None
        second = pick_second(opened, optional=SECOND not in method.needs) if SECOND in reads else None
        input_controls(opened.view, data.facts(opened.run))
        parameter_controls(opened.view)
    with inputs:
        _preview(opened, subject, "The image")
        _preview(opened, second, "The second image")
    live.run_method(opened, subject, second)


def _preview(opened: Opened[LabView], subject: Subject | None, caption: str) -> None:
    if subject is not None:
        png = photos.crop(opened.run, subject.image_id or 0, subject.upload)
        st.image(png, caption=caption, alt=subject.name, width=160)


draw(open_page(LabView))
