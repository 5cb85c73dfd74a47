"""Links that are more than a line of text, as HTML: the rows of a table, a picture.

A click on one goes to its page without loading the app anew: `components/frontend/keyboard.js` follows the
links of class "within". Until that has come, and with another key or button, they are a browser's own links.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import streamlit as st

from dashboard.text import one_line
from dashboard.views.navigation import address
from dashboard.views.state import ViewState

ORDERS = {"ascending": "↑", "descending": "↓"}


@dataclass(frozen=True)
class Column:
    """A column of a table of links.

    help: shown where the mouse rests on the title.
    is_number: whether its cells stand on the right.
    sorted_view: the view that a click on the title opens, sorted by the column; None for none.
    order: one of ORDERS where the rows are sorted by it, else "".
    """

    title: str
    help: str = ""
    is_number: bool = False
    sorted_view: ViewState | None = None
    order: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell that is more than a text.

    view: what a click on it opens; None for what its row opens.
    share: 0 to 1, drawn as a bar below the text; None for none.
    """

    text: str
    view: ViewState | None = None
    share: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table.

    view: what a click anywhere on it opens, but on a cell with a view of its own.
    """

    view: ViewState
    cells: Sequence[str | Cell]


def link_table(columns: Sequence[Column], rows: Iterable[Row], label: str) -> None:
    """Draw a table whose rows are links.

    label: names the table for screen readers.
    """
    head = "".join(map(_title, columns))
    body = "".join(_row(columns, row) for row in rows)
    st.html(
        f'<div class="link-table"><table aria-label="{_text(label)}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def linked_picture(
    picture: bytes, view: ViewState, alt: str, *, key: str, width: int | Literal["stretch"]
) -> None:
    """Draw an encoded picture that is a link.

    alt: what it shows, for screen readers.
    key: tells it from the page's others.
    """
    # The link lies upon the picture: in HTML, the picture's bytes would be sent with every run of the page.
    with st.container(key=f"{key}/linked picture"):
        st.image(picture, alt=alt, width=width)
        st.html(f'<a class="within over" href="{_href(view)}" aria-label="Open: {_text(alt)}"></a>')


def _title(column: Column) -> str:
    text = _text(column.title)
    if column.sorted_view is not None:
        mark = f" {ORDERS[column.order]}" if column.order else ""
        text = f'<a class="within" href="{_href(column.sorted_view)}">{text}{mark}</a>'
    said = f' title="{_text(column.help)}"' if column.help else ""
    order = f' aria-sort="{column.order}"' if column.order else ""
    return f'<th scope="col"{_kind(column)}{said}{order}>{text}</th>'


def _row(columns: Sequence[Column], row: Row) -> str:
    first, *others = (each if isinstance(each, Cell) else Cell(each) for each in row.cells)
    link = f'<a class="within whole" href="{_href(row.view)}">{_text(first.text)}</a>'
    cells = (_cell(*pair) for pair in zip(columns[1:], others, strict=True))
    return f'<tr><th scope="row"{_kind(columns[0])}>{link}</th>{"".join(cells)}</tr>'


def _cell(column: Column, cell: Cell) -> str:
    text = _text(cell.text)
    if cell.view is not None and text:
        text = f'<a class="within" href="{_href(cell.view)}">{text}</a>'
    if cell.share is not None:
        text = f'<span class="bar" style="--share: {cell.share:.4f}">{text}</span>'
    return f"<td{_kind(column)}>{text}</td>"


def _kind(column: Column) -> str:
    return ' class="number"' if column.is_number else ""


def _text(text: str) -> str:
    """Return HTML that shows a text."""
    return escape(one_line(text))


def _href(view: ViewState) -> str:
    return escape(address(view))
