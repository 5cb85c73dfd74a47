"""Links from an image, or a patch of one, to every page and method that takes it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import streamlit as st

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND
from dashboard.data import partners, runs
from dashboard.data.photographs import ChosenImage
from dashboard.views import binding, image_tabs
from dashboard.views.binding import View
from dashboard.views.definitions import CompareView, ImageView, LabView, MapView, MistakesView, NeighborsView
from dashboard.views.navigation import link
from dashboard.views.state import UNITS, ViewState, layer_holder
from dashboard.widgets.header import Opened


@dataclass(frozen=True)
class Unit:
    """Where in the network a patch comes from; methods that read a layer, a channel or a unit get it too."""

    layer: str
    channel: int
    y: int
    x: int


def links(opened: Opened, chosen: ChosenImage, unit: Unit | None = None) -> None:
    """Draw a row of links, without the one to the page itself, and a menu of the Lab's methods."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for view, label in pages(opened, chosen):
            if type(view) is not type(opened.view):
                link(view, label)
        with st.popover("In the lab", icon=":material/science:", type="tertiary"):
            for view, label in lab_views(opened, chosen, unit):
                link(view, label)


def pages(opened: Opened, chosen: ChosenImage) -> Iterator[tuple[ViewState, str]]:
    """Yield the views of the pages that take an image, and what they are called on a link."""
    image = _image(chosen)
    yield explaining(opened, **image), "Explain"
    yield _as_left(NeighborsView, opened, **image), "Neighbours"
    if runs.choices(opened.run).layers:
        yield explaining(opened, **image, tab=image_tabs.CHANNELS), "Strongest channels"
    if chosen.image_id is None:
        return
    yield _as_left(MapView, opened, image=chosen.image_id, camera="", bounds=""), "On the map"
    if partners.has_partner(opened.store, opened.run):
        yield compared(opened, image=chosen.image_id, tab="predictions", kind="all", label=""), "Compare"
    row = opened.run.image(chosen.image_id)
    if row["correct"] is False:
        lists = opened.run.manifest.labels_are_lists
        like = {} if lists else {"label": row["label"], "predicted": row["predicted"]}
        yield MistakesView(**_where(opened), **like), "Mistakes like it"


def lab_views(opened: Opened, chosen: ChosenImage, unit: Unit | None = None) -> Iterator[tuple[LabView, str]]:
    """Yield the Lab's methods that take the image: as what they start from, then as the guide or style."""
    left, image = _as_left(LabView, opened, live=False), _image(chosen)
    last = next(reversed(runs.choices(opened.run).layers), "")
    for name, method in METHODS.items():
        reads = method.needs | method.takes
        view = left.turned_to(name)
        if unit is not None and layer_holder(name) == UNITS:
            view = dataclasses.replace(view, **_of_unit(unit, reads))
        elif IMAGE in method.takes:
            # It reads an image where it has a layer and no channel.
            view = dataclasses.replace(view, layer=view.layer or last, channel=-1)
        if IMAGE in reads:
            yield dataclasses.replace(view, **image), method.title
        if SECOND in reads and chosen.image_id is not None:
            second = dataclasses.replace(view, image=0, upload="", second=chosen.image_id, second_upload="")
            yield second, f"{method.title}, this as the second image"


def compared(opened: Opened, **shown: Any) -> CompareView:
    """Return the view of two runs: this one, and the one that was compared with it last."""
    return _as_left(CompareView, opened, **shown)


def explaining(opened: Opened, image: int, upload: str = "", tab: str = ImageView.tab) -> ImageView:
    """Return the view of one image on a tab that has no method of its own."""
    return _as_left(ImageView, opened, image=image, upload=upload, tab=tab)


def _as_left(cls: type[View], opened: Opened, **shown: Any) -> View:
    """Return a page's view as it was left, showing this."""
    view = binding.following(cls, opened.view, st.session_state)
    return dataclasses.replace(view, **_where(opened), **shown)


def _where(opened: Opened) -> dict[str, str]:
    return {"store": opened.store, "run": opened.run.fingerprint}


def _image(chosen: ChosenImage) -> dict:
    return {"image": max(chosen.image_id or 0, 0), "upload": chosen.upload}


def _of_unit(unit: Unit, reads: frozenset[str]) -> dict:
    """Return what of a unit a method reads."""
    chosen = {"layer": unit.layer} if reads & {LAYER, CHANNEL, NEURON} else {}
    chosen |= {"channel": unit.channel} if reads & {CHANNEL, NEURON} else {}
    return chosen | ({"y": unit.y, "x": unit.x} if NEURON in reads else {})
