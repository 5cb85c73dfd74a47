"""The Map page: all images on a plane, as points or as a grid of thumbnails; searched, chosen by a lasso."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.analysis import image_search
from compute.reports.drawing.coloring import color_title
from compute.reports.maps.map import quality_of
from compute.reports.neighbors import how_found
from dashboard.data import partners, runs, selections
from dashboard.data.photographs import ChosenImage
from dashboard.data.predictions import NOTHING_PREDICTED, prediction, predicts
from dashboard.findings.names import Names, names_of
from dashboard.sections import brushes, map
from dashboard.text import MAP_NAMES, choice_names, counted, map_name, plain, sentence
from dashboard.views import binding
from dashboard.views.definitions import MapView, MistakesView
from dashboard.views.navigation import link
from dashboard.widgets import image_links
from dashboard.widgets.download_menu import download_menu
from dashboard.widgets.errors import boundary
from dashboard.widgets.header import Opened, open_page
from dashboard.widgets.image_wall import known, wall
from featurestore.reader import Run

OF_PREDICTIONS = {"predicted", "probability", "top5", "loss", "correct"}
"""Columns that a network without class scores leaves empty."""

SHOWN = {"points": "Points", "grid": "Grid"}
KINDS = {"unique": "Each image at most once", "nearest": "Nearest image to each cell"}
MOST_REGIONS = 50
"""Named regions that are listed."""
MOST_CLASSES = 8
"""Classes that the summary of a selection names."""


def draw(opened: Opened[MapView]) -> None:
    """Draw the page."""
    if not opened.view.map:
        st.info(
            "This run has no map yet: `python -m compute store --stages embeddings …` makes them.",
            icon=":material/scatter_plot:",
        )
        return
    opened, wrong = _searchable(opened)
    _controls(opened)
    if wrong:
        st.warning(f"{sentence(wrong)} All images are shown.", icon=":material/filter_alt_off:")
    if opened.view.show == "points" and opened.view.color in OF_PREDICTIONS and not predicts(opened.run):
        st.caption(f"{NOTHING_PREDICTED} There is nothing to colour the images by.")
    kept = selections.read(opened.store, opened.run, opened.view.selection)
    found = runs.hits(opened.run, opened.view.search) if opened.view.search.strip() else None
    chosen = kept if found is None else np.intersect1d(kept, found)
    plane, side = st.columns([2, 1], gap="medium")
    with plane:
        if opened.view.show == "points":
            map.points(opened, chosen)
        else:
            map.cells(opened)
        with boundary():
            brushes.draw(opened)
    with side, st.container(height=map.HEIGHT, border=False, gap="small", key="map/beside"):
        _selected(opened)
        if opened.view.search.strip():
            with boundary():
                _hits(opened)
        if len(kept):
            _lasso(opened, chosen, len(kept))
        _quality(opened)


def _searchable(opened: Opened[MapView]) -> tuple[Opened[MapView], str]:
    """Return the view without a search that can't be made, and why it can't; "" where it can."""
    try:
        runs.hits(opened.run, opened.view.search)
    except ValueError as error:
        view = dataclasses.replace(opened.view, search="")
        return dataclasses.replace(opened, view=view), str(error)
    return opened, ""


def _controls(opened: Opened[MapView]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _segments("Layout", "map", list(runs.choices(opened.run).maps), MAP_NAMES)
        _segments("Show as", "show", list(SHOWN), SHOWN)
        if opened.view.show == "points":
            colors = runs.choices(opened.run).colors
            st.selectbox(
                "Colour by",
                colors,
                key=_key("color"),
                format_func=choice_names(colors, color_title),
                width=200,
                on_change=lambda: binding.change(MapView, highlight=""),
            )
        else:
            _segments("Cells", "kind", list(runs.choices(opened.run).grids.get(opened.view.map, ())), KINDS)
            st.toggle(
                "Seams",
                key=_key("seams"),
                help="A line between neighbouring cells, red where they are far apart in feature space",
            )
        st.text_input(
            "Search",
            key=_key("search"),
            icon=":material/search:",
            placeholder="path, label, prediction or number",
            width=300,
            help=image_search.HELP,
            on_change=lambda: binding.change(MapView, hits_page=1),
        )
        view = opened.view
        shown = {"map": view.map, "image": view.image, "selection": view.selection}
        if partners.has_partner(opened.store, opened.run):
            link(image_links.compared(opened, tab="maps", **shown), "Compare the maps")
        _regions(opened)
        download_menu(opened)


def _regions(opened: Opened[MapView]) -> None:
    """Draw a list of the map's named regions; a click selects the images of one."""
    names = names_of(opened.run)
    if regions := names.regions(opened.view.map):
        with st.popover("Regions", icon=":material/label:", help="Parts of this map that have a name"):
            for each in regions[:MOST_REGIONS]:
                selected = {"selection": names.selection(each), "selection_page": 1, "proof": ""}
                link(
                    dataclasses.replace(opened.view, **selected), plain(each.text), ":material/lasso_select:"
                )
            if len(regions) > MOST_REGIONS:
                st.caption(f"And {len(regions) - MOST_REGIONS:,} more, on the page Findings.")


def _segments(label: str, name: str, options: list[str], words: dict[str, str]) -> None:
    st.segmented_control(
        label, options, key=_key(name), format_func=lambda each: plain(words.get(each, each))
    )


def _selected(opened: Opened[MapView]) -> None:
    view, run = opened.view, opened.run
    if view.image < 0:
        st.caption("No image is selected. Click one, or search for it.")
        return
    row = run.image(view.image)
    if view.image in runs.unreadable(run):
        st.warning("This image could not be read.", icon=":material/broken_image:")
        return
    picture, words = st.columns([1, 2], vertical_alignment="center")
    picture.image(run.thumbnail(view.image), width="stretch", alt=f"selected image {row['path']}")
    titled = names_of(run).class_title
    label = titled(row["label"] or "") or "no label"
    with words:
        st.markdown(f"**{plain(label)}**, {prediction(run, row, titled)}")
        st.caption(f"{plain(row['path'])}, image {view.image}")
    image_links.links(opened, ChosenImage.of(run, view.image))


def _quality(opened: Opened[MapView]) -> None:
    found = _quality_of(opened.run, opened.view.map)
    if found["instead"]:
        st.caption(plain(f"Not {map_name(opened.view.map)}'s own map: {found['instead']}."))
    if found["trustworthiness"] is None:
        st.caption("Too few images to say how true the map is to feature space.")
    else:
        _measures(opened, found)
    there = "problems" in opened.run.tables()
    if there and (unread := len(runs.table(opened.run, "problems", ("image_id",)))):
        st.caption(f"Not on the map: {counted(unread)} that could not be read.")


@st.cache_data(max_entries=64, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def _quality_of(run: Run, method: str) -> dict:
    return quality_of(run, method)


def _measures(opened: Opened[MapView], found: dict) -> None:
    kept, chance = found["knn_preservation"], found["by_chance"]
    with st.container(horizontal=True):
        st.metric(
            "Trustworthiness",
            f"{found['trustworthiness']:.3f}",
            help="1 where points that lie close together on the map also are close in feature space (Venna "
            "and Kaski 2001)",
        )
        st.metric(
            "Neighbours kept",
            "–" if kept is None else f"{kept:.1%}",
            help="Share of the nearest images in feature space that are among the nearest on the map"
            + ("" if chance is None else f"; {chance:.1%} of a shuffled map's are"),
        )
    if found["is_chance"]:
        st.warning(
            f"This map is no better than chance: a shuffled one keeps {chance:.1%} of the neighbours, too. "
            "What lies close on it need not be alike.",
            icon=":material/casino:",
        )
    if said := how_found(opened.run, "feature"):
        st.caption(f"Made from the nearest images in feature space. {said}")


def _hits(opened: Opened[MapView]) -> None:
    image_ids = runs.hits(opened.run, opened.view.search)
    select, clear = _selecting(opened.store, image_ids), lambda: binding.change(MapView, search="")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(image_ids):,} of {opened.run.image_count:,} images found", anchor=False)
        if len(image_ids):
            st.button("Select the hits", icon=":material/select_all:", on_click=select)
        st.button("Clear the search", icon=":material/close:", on_click=clear)
    if len(image_ids):
        _sheet(opened, image_ids, "hits_page", "Images found")
    else:
        st.caption(f"No image has {plain(opened.view.search)}. {image_search.HELP}")


def _selecting(store: str, image_ids: np.ndarray) -> Callable[[], None]:
    return lambda: binding.change(MapView, selection=selections.keep(store, image_ids), selection_page=1)


def _lasso(opened: Opened[MapView], chosen: np.ndarray, kept: int) -> None:
    """Draw the selected images that the search finds.

    kept: how many are selected
    """
    view = opened.view
    count = counted(kept) if len(chosen) == kept else f"{len(chosen):,} of {counted(kept)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        region = names_of(opened.run).region(view.selection)
        st.subheader(f"{plain(region.text)}: {count}" if region else f"{count} selected", anchor=False)
        if len(chosen) == kept:
            link(MistakesView(view.store, view.run, selection=view.selection), "Their mistakes")
        elif len(chosen):
            select = _selecting(opened.store, chosen)
            st.button("Select these alone", icon=":material/filter_alt:", on_click=select)
        st.button("Clear", icon=":material/close:", on_click=lambda: binding.change(MapView, selection=""))
    if not len(chosen):
        st.caption("The search finds none of the selected images.")
        return
    images = known(opened).select(["label", "predicted", "correct"]).take(pa.array(chosen))
    st.markdown(_summary(images, names_of(opened.run)))
    _sheet(opened, chosen, "selection_page", "Selected images")


def _summary(images: pa.Table, names: Names) -> str:
    """Say which classes the images have, and how many of them are predicted right."""
    column = "label" if images["label"].null_count < len(images) else "predicted"
    counted = images.filter(pc.is_valid(images[column])).group_by(column).aggregate([([], "count_all")])
    counted = counted.sort_by([("count_all", "descending"), (column, "ascending")]).to_pylist()
    if not counted:
        return "They have neither labels nor predictions."
    named = [
        f"{plain(names.class_title(each[column]))} {each['count_all']:,}" for each in counted[:MOST_CLASSES]
    ]
    if len(counted) > MOST_CLASSES:
        named.append(f"{len(counted) - MOST_CLASSES} more classes")
    verdicts = images["correct"].drop_null()
    right = pc.sum(verdicts).as_py() or 0
    accuracy = f"**{right / len(verdicts):.1%}** right. " if len(verdicts) else ""
    return f"{accuracy}{'Labels' if column == 'label' else 'Predictions'}: {', '.join(named)}."


def _sheet(opened: Opened[MapView], image_ids: np.ndarray, field: str, label: str) -> None:
    """Draw thumbnails; a click selects the image, which then stands above them."""
    selected = opened.view.image if opened.view.image >= 0 else None
    wall(opened, image_ids, field, label=label, selected=selected, on_click=_choose)


def _choose(image: int) -> None:
    binding.change(MapView, image=int(image))


def _key(name: str) -> str:
    return binding.key(MapView, name)


draw(open_page(MapView))
