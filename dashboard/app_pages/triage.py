"""The Triage page: suspects one after the other, and what people say of them."""

import dataclasses
from collections.abc import Callable

import streamlit as st

from compute.analysis.suspicions import KINDS, Judged
from compute.reports.drawing.formats import CSV
from compute.reports.drawing.report import Report
from dashboard.data import comparison, partners
from dashboard.findings.verdicts.cleaned import cleaned_list, csv_of, images_folder, verdict_table
from dashboard.findings.verdicts.log import ERROR
from dashboard.sections.triage import card
from dashboard.sections.triage.listed import Listed, listed, splits_of
from dashboard.text import choice_names, counted, one_line, percent, plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import TriageView
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_wall import wall
from dashboard.widgets.keyboard import walk_through
from featurestore.reader import Run

STATES = {"open": "To judge", "judged": "Judged", "all": "All"}
THEORY = (
    "An image is suspicious where the network is sure of another class, its label is improbable, its "
    "neighbours carry another label (Wilson 1972), two networks disagree, or a near copy is in the set. Each "
    "suspicion is a number from 0 to 1, and the list is in the order of the greatest."
)


def complete(view: TriageView, run: Run) -> TriageView:
    """Return the view with a split that there is, and the first suspect where no image is asked for."""
    view = view if not view.split or view.split in splits_of(run) else dataclasses.replace(view, split="")
    if view.image >= 0:
        return view
    first = listed(view, run, comparison.second_run(view)).ids[:1]
    return dataclasses.replace(view, image=int(first[0])) if len(first) else view


def draw(opened: Opened[TriageView]) -> None:
    """Draw the page."""
    other = comparison.second_run(opened.view)
    shown = listed(opened.view, opened.run, other)
    _controls(opened, shown)
    for each in shown.problems:
        st.warning(sentence(f"a verdict can't be read: {each}"), icon=":material/rule:")
    if not len(shown.table):
        _none(opened, shown)
    else:
        list_, one = st.columns([3, 2], gap="large")
        with list_:
            _list(opened, shown)
        with one:
            image = opened.view.image if opened.view.image >= 0 else int(shown.ids[0])
            card.draw(opened, shown, image)
    _measured(shown)
    _exports(opened, shown)
    st.caption(THEORY)


def _controls(opened: Opened[TriageView], shown: Listed) -> None:
    counts = {kind: shown.judged(kind).suspects for kind in shown.found.scores}
    first = {"on_change": lambda: binding.change(TriageView, image=-1, wall_page=1)}
    st.pills(
        "Suspicion",
        ["", *counts],
        key=_key("kind"),
        format_func=lambda kind: (
            f"{KINDS[kind]} ({counts[kind]:,})" if kind else f"any ({len(shown.every):,})"
        ),
        required=True,
        **first,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Show", list(STATES), key=_key("state"), format_func=STATES.get, required=True, **first
        )
        if len(splits := splits_of(opened.run)) > 1:
            names = ("", *splits)
            st.selectbox(
                "Split", names, key=_key("split"), width=150,
                format_func=choice_names(names, lambda name: name or "all splits"), **first,
            )  # fmt: skip
        st.number_input(
            "Suspicion from", min_value=0.0, max_value=1.0, step=0.05, key=_key("least"), width=130, **first
        )
        beside = partners.stores_beside(opened.store, opened.run)
        if beside or opened.view.other_store:
            stores = tuple(dict.fromkeys(["", *beside, comparison.other_store(opened.view)]))
            st.selectbox(
                "Second network", stores, key=_key("other_store"), width=200,
                format_func=choice_names(stores, lambda name: name or "none"), **first,
            )  # fmt: skip
        download_menu(opened)


def _none(opened: Opened[TriageView], shown: Listed) -> None:
    kind = opened.view.kind
    if kind in shown.found.missing:
        st.info(
            sentence(f"this suspicion can't be computed: {shown.found.missing[kind]}"), icon=":material/info:"
        )
    elif opened.view.state == "open" and shown.said:
        st.success("Nothing is left to judge here.", icon=":material/done_all:")
    else:
        st.info("No image is that suspicious.", icon=":material/check_circle:")


def _list(opened: Opened[TriageView], shown: Listed) -> None:
    st.subheader(f"{counted(len(shown.table), 'suspect')}", anchor=False)
    st.caption("On each its suspicion, below it the verdict. Keys: 1, 2 and 3 judge, J and K go on and back.")
    walk_through(opened.view, shown.ids)
    wall(
        opened,
        shown.ids,
        "wall_page",
        label="Suspects",
        badges=[percent(each) for each in shown.table["suspicion"].to_pylist()],
        notes=[shown.said.get(each, "") for each in shown.ids.tolist()],
        judged=False,
        selected=opened.view.image,
        on_click=lambda image: binding.change(TriageView, image=int(image)),
    )


def _measured(shown: Listed) -> None:
    """Draw how many of each suspicion's judged suspects are label errors."""
    st.subheader("How often a suspicion is right", anchor=False)
    rows = [(kind, shown.judged(kind)) for kind in shown.found.scores]
    st.table(
        {
            "Suspicion": [KINDS[kind] for kind, _ in rows],
            "Suspects": [f"{each.suspects:,}" for _, each in rows],
            "Judged": [f"{each.judged:,}" for _, each in rows],
            "Label errors": [f"{each.errors:,}" for _, each in rows],
            "Ambiguous": [f"{each.ambiguous:,}" for _, each in rows],
            "Fine": [f"{each.fine:,}" for _, each in rows],
            "Precision": [_precision(each) for _, each in rows],
        },
        border="horizontal",
    )
    st.caption(
        "Precision is the share of label errors among those judged, with its 95% interval (Wilson 1927), as "
        "if they were drawn at random: whoever begins at the top of the list judges the most suspicious ones."
    )


def _precision(judged: Judged) -> str:
    if judged.precision is None:
        return "–"
    low, high = judged.interval
    return f"{judged.precision:.0%} ({low:.0%} to {high:.0%})"


def _exports(opened: Opened[TriageView], shown: Listed) -> None:
    """Draw the buttons that save the verdicts, and the list of images without label errors."""
    if not shown.said:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        verdicts = Report({}, {}, None, lambda: verdict_table(opened.run, shown.said))
        _save(opened, "verdicts", lambda: verdicts.file(CSV))
        try:
            folder = images_folder(opened.run)
        except ValueError as error:
            st.caption(sentence(f"there is no cleaned list: {error}"))
            return
        errors = sum(each == ERROR for each in shown.said.values())
        _save(opened, "cleaned list", lambda: csv_of(cleaned_list(opened.run, shown.said, (ERROR,))))
        st.caption(
            f"The list leaves out {counted(errors)} with a label error; put it into {plain(str(folder))}, "
            "and give it as `--images`."
        )


def _save(opened: Opened[TriageView], name: str, make: Callable[[], bytes]) -> None:
    file = one_line(f"{opened.store}-{name.replace(' ', '-')}{CSV}")
    st.download_button(
        f"{name.capitalize()} (CSV)",
        make,
        file,
        "text/csv",
        key=f"triage/{name}",
        icon=":material/download:",
        on_click="ignore",
    )


def _key(name: str) -> str:
    return binding.key(TriageView, name)


draw(open_page(TriageView, complete))
