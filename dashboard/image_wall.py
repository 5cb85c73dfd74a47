"""Rows of `images` as thumbnails, page by page; a click opens the image's page."""

from dataclasses import replace

import pyarrow as pa
import streamlit as st

from dashboard.components import image_grid
from dashboard.header import Opened
from dashboard.pages import PAGES
from dashboard.picker import grid_items
from dashboard.tools import explaining

PER_PAGE = 48


def wall(opened: Opened, table: pa.Table, key: str, size: int = 84) -> None:
    pages = -(-len(table) // PER_PAGE)
    number = st.pagination(pages, key=f"{key} page") if pages > 1 else 1
    shown = table.slice((number - 1) * PER_PAGE, PER_PAGE)
    items = grid_items(opened, shown)
    if "probability" in shown.column_names:
        sure = [value.as_py() or 0 for value in shown["probability"]]
        items = [replace(item, badge=f"{value:.0%}") for item, value in zip(items, sure, strict=True)]
    clicked = image_grid(items, key=key, label="Images", size=size)
    if clicked is not None:
        view = explaining(opened, int(clicked))
        st.switch_page(PAGES[view.page].file, query_params=view.to_query())
