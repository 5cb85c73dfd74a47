"""The Mistakes page's choice of images by a further column of the list that they came with."""

import streamlit as st

from compute.reports.drawing.further_columns import is_numeric
from dashboard.data import runs
from dashboard.data.labelled_images import Labelled, condition, images_where, values_of
from dashboard.text import choice_names, counted, plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import MistakesView
from dashboard.widgets.header import Opened


def column_choice(opened: Opened[MistakesView]) -> None:
    """Draw the choice of a column, and of its value; nothing where the images came without columns."""
    columns = runs.choices(opened.run).columns
    if not columns:
        return
    st.selectbox(
        "Only where",
        ["", *columns],
        key=binding.key(MistakesView, "column"),
        width=180,
        format_func=choice_names(["", *columns], lambda name: name or "all images"),
        on_change=lambda: binding.change(MistakesView, value="", images_page=1),
    )
    if opened.view.column:
        _value_choice(opened)


def _value_choice(opened: Opened[MistakesView]) -> None:
    column, key = opened.view.column, binding.key(MistakesView, "value")
    if is_numeric(opened.run, column):
        st.text_input(
            "is",
            key=key,
            width=160,
            placeholder="0.5..2, ..2 or 3",
            help="A number, or the lowest and the highest one with two dots between them",
            on_change=_turn_back,
        )
        return
    names = values_of(opened.run, column)
    asked = [name for name in (st.session_state[key],) if name and name not in names]
    offered = ["", *asked, *names]
    st.selectbox(
        "is",
        offered,
        key=key,
        width=180,
        format_func=choice_names(offered, lambda name: name or "anything"),
        on_change=_turn_back,
    )


def of_column(opened: Opened[MistakesView], shown: Labelled) -> Labelled:
    """Return those of the images whose column is as chosen, and say so; all where nothing is chosen."""
    where = condition(opened.run, opened.view)
    if not where:
        return shown
    try:
        chosen = images_where(opened.run, where)
    except ValueError as error:
        st.warning(sentence(error), icon=":material/filter_alt_off:")
        return shown
    st.markdown(f"Of the **{counted(len(chosen))}** with {plain(where)} alone.")
    return shown.of(chosen)


def _turn_back() -> None:
    binding.change(MistakesView, images_page=1)
