"""The page's keys: to the next and the previous image, "/", which finds, and "?", which lists them.

The next image is that of the list that a person came from, else of the store.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard.components import loader
from dashboard.views import urls
from dashboard.views.definitions import ATLAS, ChannelsView, CompareView, ImageView, NeighborsView, TriageView
from dashboard.views.navigation import address
from dashboard.views.state import ViewState
from featurestore.reader import Run

WALK = "images walked through"
NEXT, PREVIOUS = ("j", "ArrowRight"), ("k", "ArrowLeft")
PAGES_OF_AN_IMAGE = (ImageView, NeighborsView)
LISTS = (CompareView, TriageView)
"""Pages with a list of their own, whose images the keys go through."""

_mount = loader.declare("keyboard")


@dataclass(frozen=True)
class Key:
    """What one or several keys do.

    keys: as a browser names them, such as ("j", "ArrowRight").
    label: what they do, for the list of keys.
    address: where they go, relative to the app; "" for those of a button that listens to them itself.
    """

    keys: tuple[str, ...]
    label: str
    address: str


CHANNEL_KEYS = [Key(("n",), "Next channel of the list", ""), Key(("p",), "Previous channel of the list", "")]
"""Of the buttons beside the channel's number."""


def keyboard(view: ViewState, run: Run) -> None:
    """Listen to the keys of a page. Where the front end is not built, the page's grids say so."""
    if loader.bundle("keyboard") is None:
        return
    data = {
        "keys": [dataclasses.asdict(each) for each in keys_of(view, run)],
        "find": urls.find(view.store, run.fingerprint),
    }
    with st.container(key="keyboard"):
        _mount(key=f"{view.page}/keyboard", data=data)


def walk_through(opens: ViewState, image_ids: np.ndarray) -> None:
    """Note the list (n,) whose images a click opens: the keys then walk through it, in its order.

    opens: the view that it opens, of any image.
    """
    st.session_state[WALK] = opens, image_ids


def keys_of(view: ViewState, run: Run) -> list[Key]:
    """Return the keys of a page that shows an image or a channel; none elsewhere, or of an upload."""
    if isinstance(view, ChannelsView):
        return [] if view.show == ATLAS else CHANNEL_KEYS
    in_a_list = isinstance(view, LISTS)
    if not (in_a_list or (isinstance(view, PAGES_OF_AN_IMAGE) and not view.upload)):
        return []
    listed = _walked(view)
    places = np.flatnonzero(listed == view.image)
    if in_a_list and not len(places):
        return []
    if len(places):
        place, last = int(places[0]), len(listed) - 1
        beside = {number: int(listed[number]) for number in (place - 1, place + 1) if 0 <= number <= last}
        where = f" of the list, {place + 1} of {last + 1}"
    else:
        place, where = view.image, ""
        beside = {number: number for number in (place - 1, place + 1) if 0 <= number < run.image_count}
    said = {place + 1: (NEXT, "Next"), place - 1: (PREVIOUS, "Previous")}
    return [
        Key(keys, f"{word} image{where}", address(dataclasses.replace(view, image=beside[number], proof="")))
        for number, (keys, word) in said.items()
        if number in beside
    ]


def _walked(view: ViewState) -> np.ndarray:
    """Return the list that a person walks through on this page; empty where it is another page's.

    On Compare and Triage the list stands on the page itself, and is another one as soon as anything but the
    image is.
    """
    opens, listed = st.session_state.get(WALK, (None, np.zeros(0, int)))
    if isinstance(view, LISTS):
        same = opens is not None and dataclasses.replace(opens, image=view.image, proof=view.proof) == view
    else:
        same = type(opens) is type(view)
    return listed if same else np.zeros(0, int)
