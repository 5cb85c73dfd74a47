"""The controls that choose an image: by number, from pages of thumbnails, or by an upload."""

from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.components import image_grid
from dashboard.data import runs
from dashboard.data.photographs import ChosenImage
from dashboard.data.uploads import uploads
from dashboard.views import binding
from dashboard.views.state import ViewState
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import grid_items, turned
from dashboard.widgets.optional_number import optional_number

PER_PAGE = 40
STAYS: dict[str, Any] = {"width": 220, "persist_state": "session"}
"""Options of a control that keeps its value while its panel is closed."""
TYPES = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "npy", "npz"]


def pick(opened: Opened, optional: bool = False) -> ChosenImage | None:
    """Draw the controls; return the chosen image, None where none is chosen.

    optional: whether there may be no image.
    """
    view, cls = opened.view, type(opened.view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _number(
            opened,
            "image",
            "Image",
            optional,
            "Its number in the store",
            lambda: binding.change(cls, upload=""),
        )
        browser = st.popover(
            "Browse", icon=":material/grid_view:", key=f"{cls.page}/browser", on_change="rerun"
        )
        if browser.open:
            with browser:
                _browse(opened)
        if runs.settings().uploads:
            with st.popover("Upload", icon=":material/upload:"):
                _upload(cls)
        if view.upload:
            st.button(
                "Back to the store", icon=":material/undo:", on_click=lambda: binding.change(cls, upload="")
            )
    return chosen_image(opened)


def pick_second(opened: Opened, optional: bool) -> ChosenImage | None:
    """Draw the control of the image that a method takes besides, a guide or a style; return it."""
    cls = type(opened.view)
    help = "The guide or style, by its number in the store"
    _number(opened, "second", "Second image", optional, help, lambda: binding.change(cls, live=False))
    return of_store(opened, opened.view.second)


def chosen_image(opened: Opened) -> ChosenImage | None:
    """Return the view's image, None where it has none.

    ValueError where it is an upload that the server no longer keeps.
    """
    view = opened.view
    if view.upload:
        uploads().read(view.upload)
        return ChosenImage(None, view.upload, "uploaded image", view.upload)
    return of_store(opened, view.image)


def of_store(opened: Opened, image_id: int) -> ChosenImage | None:
    """Return the run's image of this number; None for -1."""
    if image_id < 0:
        return None
    row = opened.run.image(image_id)
    return ChosenImage(image_id, "", row["path"], row["sha256"] or "")


def choose(cls: type[ViewState], image_id: int) -> None:
    """Set the view's image, from a callback."""
    binding.change(cls, image=int(image_id), upload="")


def _number(
    opened: Opened, name: str, label: str, optional: bool, help: str, on_change: Callable[[], None]
) -> None:
    """Draw the control of an image's number; one that is optional may be left empty, for no image."""
    key = binding.key(type(opened.view), name)
    options = {"min_value": 0, "max_value": opened.run.image_count - 1, "step": 1, "width": 150, "help": help}
    if optional:
        optional_number(label, key, -1, "no image", on_change=on_change, **options)
    else:
        st.number_input(label, key=key, on_change=on_change, **options)


def _browse(opened: Opened) -> None:
    """Draw thumbnails to choose from, page by page. Where one browses stays, but is not part of a link."""
    cls, run = type(opened.view), opened.run
    table = runs.table(run, "images", ("image_id", "path", "label", "predicted", "correct"))
    labels = sorted(filter(None, pc.unique(table["label"]).to_pylist()))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox(
            "Label", labels, index=None, placeholder="all labels", key=f"{cls.page}/browse label", **STAYS
        )
        text = st.text_input("Path contains", key=f"{cls.page}/browse path", **STAYS)
    if label:
        table = table.filter(pc.equal(table["label"], label))
    if text:
        table = table.filter(pc.match_substring(table["path"], text))
    if not len(table):
        st.caption("No image is like that.")
        return
    page = turned(f"{cls.page}/browse page", len(table), PER_PAGE)
    image_grid(
        grid_items(opened, table[page]),
        key=f"{cls.page}/browse",
        label="Images to choose from",
        size=72,
        selected=opened.view.image,
        on_click=lambda chosen: choose(cls, chosen),
    )


def _upload(cls: type[ViewState]) -> None:
    name = f"{cls.page}/upload"
    st.file_uploader("An image of your own", type=TYPES, key=name, on_change=lambda: _receive(cls, name))
    st.caption("It stays in this server's memory while a page shows it, and is seen by whoever has the link.")
    if problem := st.session_state.pop(f"{name} problem", None):
        st.error(problem, icon=":material/broken_image:")


def _receive(cls: type[ViewState], name: str) -> None:
    file = st.session_state[name]
    if not isinstance(file, UploadedFile):
        # Cleared, or gone already, where many were sent at the same time.
        return
    try:
        binding.change(cls, upload=uploads().add(file.getvalue()))
    except ValueError as error:
        st.session_state[f"{name} problem"] = f"{file.name}: {error}"
