"""From an image to every tool that takes one."""

import streamlit as st

from compute.method import IMAGE
from compute.methods import METHODS
from dashboard.header import Opened
from dashboard.pages import link
from dashboard.photos import Subject
from dashboard.view_state import ImageView, LabView, MapView, NeighborsView, ViewState, read_parameters


def links(opened: Opened, subject: Subject) -> None:
    """A row of links, without the one to the page itself, and a menu of the Lab's methods."""
    where = {"store": opened.store, "run": opened.run.fingerprint}
    image = {"image": max(subject.image_id or 0, 0), "upload": subject.upload}
    views: list[tuple[ViewState, str]] = [
        (explaining(opened, **image), "Explain"),
        (NeighborsView(**where, **image), "Neighbours"),
    ]
    if subject.image_id is not None:
        views.append((MapView(**where, image=subject.image_id), "On the map"))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for view, label in views:
            if type(view) is not type(opened.view):
                link(view, label)
        with st.popover("In the lab", icon=":material/science:", type="tertiary"):
            for name, method in METHODS.items():
                if IMAGE in method.needs:
                    link(
                        LabView(**where, **image, method=name, parameters=read_parameters(name, {})[0]),
                        method.title,
                    )


def explaining(opened: Opened, image: int, upload: str = "") -> ImageView:
    """The view of one image, with its default method."""
    method = ImageView.method
    parameters = read_parameters(method, {})[0]
    return ImageView(opened.store, opened.run.fingerprint, method, parameters, image=image, upload=upload)
