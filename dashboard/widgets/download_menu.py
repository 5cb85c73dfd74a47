"""The files of what a page shows, made when they are asked for, and the command line that makes the same."""

import streamlit as st

from compute.reports.drawing.formats import CSV, NPY, PARQUET, PNG
from dashboard.data import runs
from dashboard.sharing.downloads import downloads_of
from dashboard.sharing.downloads.download import Download, path_said
from dashboard.text import command_line, one_line, plain
from dashboard.widgets.header import Opened

FILES = {
    PNG: ("PNG", "image/png", "The picture, with its recipe in the metadata"),
    CSV: (
        "CSV",
        "text/csv",
        "The numbers, one row each; before a text that a spreadsheet would run stands a '",
    ),
    PARQUET: ("Parquet", "application/vnd.apache.parquet", "The numbers in full precision, with the recipe"),
    NPY: ("NumPy", "application/octet-stream", "The array, float32, as .npy"),
}


def download_menu(opened: Opened) -> None:
    """A menu of the page's pictures; nothing where there is none."""
    view = opened.view
    downloads = downloads_of(view, opened.run, path_said(runs.stores()[opened.store]), opened.result)
    if not downloads:
        return
    menu = st.popover(
        "Download",
        icon=":material/download:",
        help="The picture, its numbers, and the command line that makes the same",
        key=f"{view.page}/download",
        on_change="rerun",
    )
    if menu.open:
        with menu:
            for download in downloads:
                _draw(download, opened)


def _draw(download: Download, opened: Opened) -> None:
    st.markdown(f"**{plain(download.title)}**")
    with st.container(horizontal=True, gap="small"):
        for suffix in download.formats:
            label, mime, help_text = FILES[suffix]
            st.download_button(
                label,
                lambda suffix=suffix: download.file(suffix),
                one_line(f"{opened.store}-{download.name}{suffix}"),
                mime,
                key=f"{opened.view.page}/{download.name}{suffix}",
                icon=":material/download:",
                help=help_text,
                on_click="ignore",
            )
    if download.command is not None:
        st.code(command_line(download.command), language="shell", wrap_lines=True)
