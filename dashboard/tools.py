"""From an image to every tool that takes one."""

import streamlit as st

from compute.method import IMAGE
from compute.methods import METHODS
from dashboard.header import Opened
from dashboard.pages import link
from dashboard.photos import Subject
from dashboard.view_state import ImageView, LabView, MapView, NeighborsView, ViewState, read_parameters


def links(opened: Opened, subject: Subject) -> None:
    """A row of links, without the one to the page itself."""
    here = type(opened.view)
    where = {"store": opened.store, "run": opened.run.fingerprint}
    image = {"image": max(subject.image_id or 0, 0), "upload": subject.upload}
    targets: list[tuple[ViewState, str]] = [
        (ImageView(**where, **image, parameters=read_parameters("saliency", {})[0]), "Explain"),
        (NeighborsView(**where, **image), "Neighbours"),
    ]
    if subject.image_id is not None:
        targets.append((MapView(**where, image=subject.image_id), "On the map"))
    targets += [
        (LabView(**where, **image, method=name, parameters=read_parameters(name, {})[0]), METHODS[name].title)
        for name in METHODS
        if IMAGE in METHODS[name].needs
    ]
    with st.container(horizontal=True, gap="small"):
        for view, label in targets:
            if type(view) is not here or isinstance(view, LabView):
                link(view, label)
