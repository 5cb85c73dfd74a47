"""From an image, or a patch of one, to every tool that takes it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND
from dashboard.data import runs
from dashboard.data.photographs import Subject
from dashboard.views import binding, image_tabs
from dashboard.views.definitions import CompareView, ImageView, LabView, MapView, MistakesView, NeighborsView
from dashboard.views.navigation import link
from dashboard.views.state import ViewState, read_parameters
from dashboard.widgets.header import Opened


@dataclass(frozen=True)
class Unit:
    """Where in the network a patch comes from: tools that read a layer, a channel or a unit get it too."""

    layer: str
    channel: int
    y: int
    x: int


def links(opened: Opened, subject: Subject, unit: Unit | None = None) -> None:
    """A row of links, without the one to the page itself, and a menu of the Lab's methods."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for view, label in pages(opened, subject):
            if type(view) is not type(opened.view):
                link(view, label)
        with st.popover("In the lab", icon=":material/science:", type="tertiary"):
            for view, label in lab_views(opened, subject, unit):
                link(view, label)


def pages(opened: Opened, subject: Subject) -> Iterator[tuple[ViewState, str]]:
    """The pages that take an image, with what they are called on a link."""
    where, image = _where(opened), _image(subject)
    yield explaining(opened, **image), "Explain"
    yield NeighborsView(**where, **image), "Neighbours"
    if runs.facts(opened.run).layers:
        yield explaining(opened, **image, tab=image_tabs.CHANNELS), "Strongest channels"
    if subject.image_id is None:
        return
    yield MapView(**where, image=subject.image_id), "On the map"
    yield compared(opened, image=subject.image_id, tab="predictions", kind="all", label=""), "Compare"
    row = opened.run.image(subject.image_id)
    if row["correct"] is False:
        yield MistakesView(**where, label=row["label"], predicted=row["predicted"]), "Mistakes like it"


def lab_views(opened: Opened, subject: Subject, unit: Unit | None = None) -> Iterator[tuple[LabView, str]]:
    """The Lab's methods that take the image: as what they start from, then as the guide or style."""
    where, image = _where(opened), _image(subject)
    for name, method in METHODS.items():
        reads = method.needs | method.takes
        parameters = read_parameters(name, {})[0]
        chosen = {} if unit is None else _of_unit(unit, reads)
        if IMAGE in reads:
            yield LabView(**where, **image, **chosen, method=name, parameters=parameters), method.title
        if SECOND in reads and subject.image_id is not None:
            view = LabView(
                **where, **chosen, image=0, second=subject.image_id, method=name, parameters=parameters
            )
            yield view, f"{method.title}, this as the second image"


def compared(opened: Opened, **shown: Any) -> CompareView:
    """The view of two runs: beside this one, the other that was compared with it last."""
    view = binding.following(CompareView, opened.view, st.session_state)
    return dataclasses.replace(view, **_where(opened), **shown)


def explaining(opened: Opened, image: int, upload: str = "", tab: str = ImageView.tab) -> ImageView:
    """The view of one image, with its default method."""
    method = ImageView.method
    parameters = read_parameters(method, {})[0]
    shown = {"image": image, "upload": upload, "tab": tab}
    return ImageView(**_where(opened), method=method, parameters=parameters, **shown)


def _where(opened: Opened) -> dict[str, str]:
    return {"store": opened.store, "run": opened.run.fingerprint}


def _image(subject: Subject) -> dict:
    return {"image": max(subject.image_id or 0, 0), "upload": subject.upload}


def _of_unit(unit: Unit, reads: frozenset[str]) -> dict:
    """What of a unit a method reads."""
    chosen = {"layer": unit.layer} if reads & {LAYER, CHANNEL, NEURON} else {}
    chosen |= {"channel": unit.channel} if reads & {CHANNEL, NEURON} else {}
    return chosen | ({"y": unit.y, "x": unit.x} if NEURON in reads else {})
