"""The tab Classes of the Mistakes page: how well each class is recognised; a click shows its images."""

from dataclasses import replace

import pyarrow as pa
import streamlit as st

from compute.reports.mistakes import class_table
from dashboard.data.labelled_images import Labelled
from dashboard.findings.names import Names, names_of
from dashboard.text import percent
from dashboard.views.definitions import CLASS_COLUMNS, MistakesView
from dashboard.views.link_html import Cell, Column, Row, link_table
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import page_of

PER_PAGE = 100

TITLES = {
    "class": ("Class", ""),
    "images": ("Images", "With that label"),
    "right": ("Right", "Of these, predicted so"),
    "recall": ("Recall", "Right, of those with the label"),
    "precision": ("Precision", "Right, of those predicted so"),
    "taken_for": ("Most often taken for", ""),
    "taken": ("How often", ""),
    "loss": ("Mean loss (nat)", ""),
}
WORDS = ("class", "taken_for")
"""Columns of words, which begin with A; of numbers, the greatest come first."""


def classes(opened: Opened[MistakesView], shown: Labelled) -> None:
    """Draw the tab.

    shown: the labelled images of the page's split and selection.
    """
    view, lists = opened.view, opened.run.manifest.labels_are_lists
    table = ordered(class_table(shown.images, shown.classes, lists), view.sort)
    page = page_of(MistakesView, "classes_page", len(table), PER_PAGE)
    names = names_of(opened.run)
    rows = [_row(view, each, lists, names) for each in table[page].to_pylist()]
    columns = [_column(view, name) for name in CLASS_COLUMNS]
    link_table(columns, rows, "Counts, recall and precision of each class")
    st.caption(
        "A click on a class shows its errors, or what is right where it has none; on a number of right ones, "
        "these; on its precision, what is wrongly taken for it; on a column's name, it sorts by it."
    )


def ordered(table: pa.Table, sort: str) -> pa.Table:
    """Return the classes sorted as a view asks; equal ones in their order, those without a value last."""
    order = "descending" if sort.startswith("-") else "ascending"
    return table.sort_by([(sort.removeprefix("-"), order)]) if sort else table


def _column(view: MistakesView, name: str) -> Column:
    """Return a column whose title sorts by it, the other way round where the rows are in that order."""
    first, second = (name, f"-{name}") if name in WORDS else (f"-{name}", name)
    asked = second if view.sort == first else first
    order = {name: "ascending", f"-{name}": "descending"}.get(view.sort, "")
    title, help = TITLES[name]
    sorted_view = replace(view, sort=asked, classes_page=1, proof="")
    return Column(title, help, name not in WORDS, sorted_view, order)


def _row(view: MistakesView, row: dict, lists: bool, names: Names) -> Row:
    """Return a class's row: it leads to its errors, or to what is right where it has none.

    lists: whether images have several labels, of which none is taken for another.
    """
    name = row["class"]

    def images(label: str, predicted: str) -> MistakesView:
        asked = {"tab": "confusion", "label": label, "predicted": predicted, "images_page": 1}
        return replace(view, **asked, proof="")

    right = images(name, name) if row["right"] and not lists else None
    mistaken = images(name, row["taken_for"]) if row["taken_for"] else None
    taken_so = images("", name) if row["precision"] not in (None, 1) else None
    errors = images(name, "") if row["images"] > row["right"] or lists else None
    cells = [
        names.class_title(name),
        f"{row['images']:,}",
        Cell(f"{row['right']:,}", right),
        _share(row["recall"]),
        _share(row["precision"], taken_so),
        Cell(names.class_title(row["taken_for"] or ""), mistaken),
        Cell(f"{row['taken']:,}" if mistaken else "", mistaken),
        "–" if row["loss"] is None else f"{row['loss']:.3f}",
    ]
    return Row(errors or right or images("", name), cells)


def _share(share: float | None, view: MistakesView | None = None) -> str | Cell:
    return "–" if share is None else Cell(percent(share), view, share)
