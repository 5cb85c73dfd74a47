"""The controls that choose an image: by number, from pages of thumbnails, or by an upload."""

from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard.components import image_grid
from dashboard.data import runs
from dashboard.data.photographs import ChosenImage
from dashboard.data.uploads import uploads
from dashboard.findings.names import names_of
from dashboard.findings.names.class_box import class_box
from dashboard.text import sentence
from dashboard.views import binding
from dashboard.views.state import ViewState
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import grid_items, turned
from dashboard.widgets.optional_number import optional_number

PER_PAGE = 40
STAYS: dict[str, Any] = {"width": 220, "persist_state": "session"}
"""Options of a control that keeps its value while its panel is closed."""
TYPES = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "npy", "npz"]


@dataclass(frozen=True)
class Slot:
    """One of the images that a view has.

    number, upload: its fields for the image of the store, and for an uploaded one in place of that.
    label, help: of its control.
    prefix: what the keys of its controls begin with, after the page.
    unstarts: whether another choice takes back what was started.
    """

    number: str
    upload: str
    label: str
    help: str
    prefix: str = ""
    unstarts: bool = False

    def key(self, cls: type[ViewState], name: str) -> str:
        """Return the key of one of its controls on a page."""
        return f"{cls.page}/{self.prefix}{name}"

    def choose(self, cls: type[ViewState], **fields: Any) -> None:
        """Set fields of the page's view, from a callback."""
        binding.change(cls, **fields, **({"live": False} if self.unstarts else {}))


FIRST = Slot("image", "upload", "Image", "Its number in the store")
SECOND = Slot(
    "second",
    "second_upload",
    "Second image",
    "The guide or style, by its number in the store",
    prefix="second ",
    unstarts=True,
)


def pick(opened: Opened, optional: bool = False, slot: Slot = FIRST) -> ChosenImage | None:
    """Draw the controls of one of the view's images; return it, None where none is chosen.

    optional: whether there may be no image.
    """
    cls, upload = type(opened.view), getattr(opened.view, slot.upload)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if upload:
            name = uploads().name_of(upload)
            st.text_input(slot.label, name, disabled=True, width=220, help="Uploaded", key=f"{upload} name")
        else:
            _number(opened, slot, optional)
        browser = st.popover(
            "Browse", icon=":material/grid_view:", key=slot.key(cls, "browser"), on_change="rerun"
        )
        if browser.open:
            with browser:
                _browse(opened, slot)
        if runs.settings().uploads:
            with st.popover("Upload", icon=":material/upload:", key=slot.key(cls, "uploader")):
                _upload(cls, slot)
        if upload:
            st.button(
                "Back to the store",
                icon=":material/undo:",
                key=slot.key(cls, "back"),
                on_click=lambda: slot.choose(cls, **{slot.upload: ""}),
            )
    return chosen_image(opened, slot)


def chosen_image(opened: Opened, slot: Slot = FIRST) -> ChosenImage | None:
    """Return one of the view's images, None where it has none.

    ValueError where it is an upload that the server no longer keeps.
    """
    if upload := getattr(opened.view, slot.upload):
        uploads().read(upload)
        return ChosenImage(None, upload, uploads().name_of(upload), upload)
    return of_store(opened, getattr(opened.view, slot.number))


def of_store(opened: Opened, image_id: int) -> ChosenImage | None:
    """Return the run's image of this number; None for -1."""
    return ChosenImage.of(opened.run, image_id) if image_id >= 0 else None


def choose(cls: type[ViewState], image_id: int) -> None:
    """Set the view's image, from a callback."""
    FIRST.choose(cls, image=int(image_id), upload="")


def _number(opened: Opened, slot: Slot, optional: bool) -> None:
    """Draw the control of an image's number; one that is optional may be left empty, for no image."""
    cls = type(opened.view)
    key, on_change = binding.key(cls, slot.number), lambda: slot.choose(cls, **{slot.upload: ""})
    options = {"min_value": 0, "max_value": opened.run.image_count - 1, "step": 1, "width": 150}
    options |= {"help": slot.help, "on_change": on_change}
    if optional:
        optional_number(slot.label, key, -1, "no image", **options)
    else:
        st.number_input(slot.label, key=key, **options)


def _browse(opened: Opened, slot: Slot) -> None:
    """Draw thumbnails to choose from, page by page. Where one browses stays, but is not part of a link."""
    cls, run = type(opened.view), opened.run
    table = runs.table(run, "images", ("image_id", "path", "label", "predicted", "correct"))
    labels = sorted(filter(None, pc.unique(table["label"]).to_pylist()))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key, names = slot.key(cls, "browse label"), names_of(run)
        label = class_box("Label", labels, key, names, index=None, placeholder="all labels", **STAYS)
        text = st.text_input("Path contains", key=slot.key(cls, "browse path"), **STAYS)
    if label:
        table = table.filter(pc.equal(table["label"], label))
    if text:
        table = table.filter(pc.match_substring(table["path"], text))
    if not len(table):
        st.caption("No image is like that.")
        return
    page = turned(slot.key(cls, "browse page"), len(table), PER_PAGE)
    image_grid(
        grid_items(opened, table[page]),
        key=slot.key(cls, "browse"),
        label="Images to choose from",
        size=72,
        selected=getattr(opened.view, slot.number),
        on_click=lambda chosen: slot.choose(cls, **{slot.number: int(chosen), slot.upload: ""}),
    )


def _upload(cls: type[ViewState], slot: Slot) -> None:
    name = slot.key(cls, "upload")
    st.file_uploader("An image of your own", type=TYPES, key=name, on_change=lambda: _receive(cls, slot))
    st.caption("It stays in this server's memory while a page shows it, and is seen by whoever has the link.")
    if problem := st.session_state.pop(f"{name} problem", None):
        st.error(sentence(problem), icon=":material/broken_image:")


def _receive(cls: type[ViewState], slot: Slot) -> None:
    name = slot.key(cls, "upload")
    file = st.session_state[name]
    if not isinstance(file, UploadedFile):
        # Cleared, or gone already, where many were sent at the same time.
        return
    try:
        slot.choose(cls, **{slot.upload: uploads().add(file.getvalue(), file.name)})
    except ValueError as error:
        st.session_state[f"{name} problem"] = f"the file {file.name}: {error}"
