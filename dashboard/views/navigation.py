"""All pages: where their scripts are, and what the navigation says of them."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from dashboard.text import one_line
from dashboard.views.definitions import (
    AboutView,
    ChannelsView,
    CompareView,
    FindingsView,
    ImageView,
    LabView,
    MapView,
    MistakesView,
    NeighborsView,
    OverviewView,
    ResultsView,
    TriageView,
)
from dashboard.views.state import ViewState

ICON = Path(__file__).with_name("icon.svg")
"""Of the browser's tab: a file of its own, as a Material icon would be fetched from Google."""


@dataclass(frozen=True)
class PageEntry:
    """One page.

    help: its tooltip in the navigation, and the line below its title.
    """

    view: type[ViewState]
    title: str
    icon: str
    help: str

    @property
    def file(self) -> str:
        return f"{self.view.page}.py"


PAGES = {
    entry.view.page: entry
    for entry in (
        PageEntry(
            OverviewView,
            "Overview",
            ":material/overview:",
            "The network and its images: accuracy, layers, filters, what can be shown and why not.",
        ),
        PageEntry(
            MapView,
            "Map",
            ":material/scatter_plot:",
            "All images laid out so that those the network sees as similar lie close together.",
        ),
        PageEntry(
            NeighborsView,
            "Neighbours",
            ":material/hub:",
            "The images most similar to one, by the network's last layer and by their pixels.",
        ),
        PageEntry(
            ChannelsView,
            "Channels",
            ":material/view_module:",
            "What each channel of each layer responds to: the patches that activate it most.",
        ),
        PageEntry(
            ImageView,
            "Image",
            ":material/image_search:",
            "One image: what the network says of it, and which part of it matters for that.",
        ),
        PageEntry(
            MistakesView,
            "Mistakes",
            ":material/rule:",
            "Which classes are taken for which, and the errors the network is most sure of.",
        ),
        PageEntry(
            TriageView,
            "Triage",
            ":material/fact_check:",
            "Images whose label, or place in the set, is worth a second look; keys 1, 2 and 3 judge them.",
        ),
        PageEntry(
            CompareView,
            "Compare",
            ":material/compare:",
            "Two networks over the same images: which predictions, neighbours, channels and maps changed.",
        ),
        PageEntry(
            LabView,
            "Lab",
            ":material/science:",
            "Run a method on an image, live: fooling images, DeepDream, gradient ascent and the others.",
        ),
        PageEntry(
            ResultsView,
            "Results",
            ":material/inventory_2:",
            "What runs and waits now, and the live results kept beside the store: links open on them at "
            "once.",
        ),
        PageEntry(
            FindingsView,
            "Findings",
            ":material/keep:",
            "What was pinned: views with their numbers, whether they still hold; names; stories.",
        ),
        PageEntry(
            AboutView,
            "About",
            ":material/menu_book:",
            "Every method in a sentence, with its paper and whether this network allows it.",
        ),
    )
}


def navigation_pages() -> list:
    """Return the pages for `st.navigation`; the first one is the default."""
    return [
        st.Page(
            entry.file, title=entry.title, icon=entry.icon, help=entry.help, url_path=name, default=index == 0
        )
        for index, (name, entry) in enumerate(PAGES.items())
    ]


def title(page: str, store: str, name: str = "") -> str:
    """Return what a browser's tab, its history and a preview of a link call a page of a store.

    name: of what the page shows, where it has one.
    """
    return " · ".join(filter(None, (one_line(name), PAGES[page].title, one_line(store), "Featurescope")))


def address(view: ViewState) -> str:
    """Return the address of a view, relative to the app."""
    return f"{_place(view)}?{urlencode(view.to_query(), errors='replace')}"


def address_up_to(view: ViewState, field: str) -> str:
    """Return the address of a view, relative to the app, up to the value of a field, which is to follow.

    It is without a proof, which is of one value alone.
    """
    query = {name: text for name, text in view.to_query().items() if name not in (field, "proof")}
    return f"{_place(view)}?{urlencode(query, errors='replace')}&{field}="


def path_of(page: str) -> str:
    """Return the page's path, below the app's; the first page has none."""
    return "" if page == next(iter(PAGES)) else page


def _place(view: ViewState) -> str:
    # A query alone would be one of the page on which the address stands.
    return path_of(view.page) or "./"


def link(view: ViewState, label: str | None = None, icon: str | None = None) -> None:
    """Draw a link to a page that shows `view`."""
    entry = PAGES[view.page]
    st.page_link(
        entry.file, label=label or entry.title, icon=icon or entry.icon, query_params=view.to_query()
    )
