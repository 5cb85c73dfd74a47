"""A question in SQL to the run's tables, and its answer: a table, and images where it names some."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from dashboard.jobs.question import question_task
from dashboard.text import counted, one_line, plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import ASK, LONGEST_TYPED, ImageView, OverviewView
from dashboard.views.navigation import link
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import wall
from dashboard.widgets.live.run import live_result
from featurestore.query.answers import Answer
from featurestore.query.files import cell_text, cut_said

EXAMPLES = {
    "Most confident errors": (
        "images",
        "SELECT image_id, path, label, predicted, probability FROM images\n"
        "WHERE NOT correct ORDER BY probability DESC LIMIT 48",
    ),
    "Mean loss by class": (
        "images",
        "SELECT label, count(*) AS images, avg(loss) AS loss FROM images\nGROUP BY label ORDER BY loss DESC",
    ),
    "Channels by selectivity": (
        "channels",
        "SELECT layer, channel, top_class, selectivity FROM channels\n"
        "WHERE NOT dead ORDER BY selectivity DESC LIMIT 50",
    ),
    "Columns of a table": ("images", "DESCRIBE images"),
}
"""By what a button says: the table that it needs, and the question."""


def draw(opened: Opened[OverviewView]) -> None:
    """Draw the box, and the answer to what stands in it."""
    view = opened.view
    link(dataclasses.replace(view, show="network"), "The network and its images", ":material/arrow_back:")
    st.caption(
        f"One SELECT, in DuckDB's SQL, over the run's tables: {', '.join(opened.run.tables())}. Nothing else "
        "can be read, and nothing written. Where a column is called image_id, its images are shown."
    )
    with st.container(horizontal=True):
        for name, (table, sql) in EXAMPLES.items():
            if table in opened.run.tables():
                st.button(name, key=f"ask/{name}", on_click=_asked, args=(sql,))
    st.text_area(
        "Question in SQL",
        key=binding.key(OverviewView, "sql"),
        max_chars=LONGEST_TYPED,
        height=140,
        placeholder=EXAMPLES["Most confident errors"][1],
        on_change=_first_page,
    )
    st.button("Ask", type="primary", icon=":material/play_arrow:", key="ask/ask")
    if not view.sql.strip():
        return
    job = live_result(question_task(opened.run, view), starts_itself=True)
    if job is not None:
        _answer(opened, job.step.value)


def link_here(opened: Opened[OverviewView]) -> None:
    """Draw the way from the rest of the page to the box."""
    link(dataclasses.replace(opened.view, show=ASK), "Ask the store in SQL", ":material/database_search:")


def _asked(sql: str) -> None:
    binding.change(OverviewView, sql=sql, sql_page=1)


def _first_page() -> None:
    binding.change(OverviewView, sql_page=1)


def _answer(opened: Opened[OverviewView], answer: Answer) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{counted(answer.table.num_rows, 'row')}**", width="content")
        if answer.cut:
            st.caption(sentence(f"{answer.cut}; there are more"), width="content")
        download_menu(opened)
    _images(opened, answer.table)
    st.dataframe(_texts(answer.table), hide_index=True)
    if said := cut_said(answer.table):
        st.caption(f"{plain(said)}; **Download** leaves them whole.")


def _images(opened: Opened[OverviewView], table: pa.Table) -> None:
    """Draw the images that the answer names, each once, in its order."""
    if "image_id" not in table.column_names or not pa.types.is_integer(table["image_id"].type):
        return
    named = pc.unique(table["image_id"].drop_null()).to_pylist()
    ids = [each for each in named if 0 <= each < opened.run.image_count]
    if ids:
        opens = ImageView(opened.store, opened.run.fingerprint)
        wall(opened, np.array(ids, np.int64), "sql_page", label="Images of the answer", opens=opens)
    if len(ids) < len(named):
        st.caption(f"{counted(len(named) - len(ids), 'number')} in image_id are no images of this run.")


def _texts(table: pa.Table) -> pa.Table:
    """Return the table with texts in place of all but numbers and truths, as they are to be seen, cut."""
    columns = {one_line(name): column for name, column in zip(table.column_names, table.columns, strict=True)}
    return pa.table({name: _shown(column) for name, column in columns.items()})


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column
    return pa.array(
        [None if value is None else one_line(cell_text(value)) for value in column.to_pylist()], "string"
    )
