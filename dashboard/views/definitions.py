"""The views of all pages: what each shows, as one frozen dataclass a page."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from compute.methods import METHODS
from compute.reports.drawing.coloring import COLOR_COLUMNS
from dashboard.views import image_tabs
from dashboard.views.query_text import Notes
from dashboard.views.state import (
    LONGEST_NAME,
    LONGEST_RUN,
    PARAMETER,
    Facts,
    LiveView,
    ViewState,
    read_parameters,
    shown,
)


@dataclass(frozen=True)
class OverviewView(ViewState):
    page: ClassVar[str] = "overview"
    scaling: str = shown("filter", choices=("filter", "all"))


@dataclass(frozen=True)
class MapView(ViewState):
    page: ClassVar[str] = "map"
    map: str = shown("", among="maps")
    show: str = shown("points", choices=("points", "grid"))
    color: str = shown("label", choices=COLOR_COLUMNS)
    kind: str = shown("unique", choices=("unique", "nearest"))
    seams: bool = shown(False)
    image: int = shown(-1, among="images", optional=True)
    selection: str = shown("", longest=LONGEST_NAME)
    camera: str = shown("")
    highlight: str = shown("")
    bounds: str = shown("")
    search: str = shown("")
    hits_page: int = shown(1, low=1)
    selection_page: int = shown(1, low=1)


@dataclass(frozen=True)
class NeighborsView(ViewState):
    page: ClassVar[str] = "neighbors"
    image: int = shown(0, among="images")
    upload: str = shown("", longest=LONGEST_NAME)
    count: int = shown(12, low=1, high=20)


@dataclass(frozen=True)
class ChannelsView(ViewState):
    page: ClassVar[str] = "channels"
    layer: str = shown("", among="layers")
    channel: int = shown(0, among="channels")
    sort: str = shown("channel", choices=("channel", "mean", "max", "active_share", "selectivity"))
    only: str = shown("all", choices=("all", "live", "dead"))
    top_class: str = shown("", among="classes", optional=True)
    find: str = shown("")
    least: float = shown(0.0, low=0.0, high=1.0)
    most: float = shown(1.0, low=0.0, high=1.0)
    rank: int = shown(0, low=0, high=99)
    guided: bool = shown(False)
    ascent: bool = shown(False)

    def in_the_lab(self, live: bool = False) -> "LabView":
        """Gradient ascent on the channel at the method's own defaults: one result for both pages."""
        parameters = read_parameters("ascend", {})[0]
        asked = {"method": "ascend", "parameters": parameters, "layer": self.layer, "channel": self.channel}
        return LabView(self.store, self.run, live=live, **asked)


@dataclass(frozen=True)
class ImageView(LiveView):
    """All of one image. A tab of one method always has that method.

    source: whether the tab Occlusion shows the store's maps or makes its own. value, overlay: how the store's
    are drawn. strong: "layer/channel" that is chosen among the strongest ones, "" for the first.
    """

    page: ClassVar[str] = "image"
    method: str = shown("saliency")
    live: bool = shown(True)
    image: int = shown(0, among="images")
    tab: str = shown(image_tabs.GLANCE, choices=tuple(image_tabs.TABS))
    source: str = shown("stored", choices=("stored", "live"))
    value: str = shown("probability", choices=("probability", "logit", "argmax"))
    overlay: bool = shown(True)
    strong: str = shown("")

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        return super().from_query(image_tabs.agreeing(query, cls.method, PARAMETER))

    def fitted(self, facts: Facts) -> tuple[Self, Notes]:
        """Live occlusion where the store can't hold maps of the image."""
        view, notes = super().fitted(facts)
        missing = view.tab == image_tabs.OCCLUSION and bool(view.upload or not facts.occlusion)
        return (dataclasses.replace(view, source="live") if missing else view), notes

    @property
    def shows_result(self) -> bool:
        return image_tabs.shows_result(self.tab, self.source == "live")


@dataclass(frozen=True)
class MistakesView(ViewState):
    page: ClassVar[str] = "mistakes"
    tab: str = shown("confusion", choices=("confusion", "neighbors", "classes"))
    split: str = shown("")
    label: str = shown("")
    predicted: str = shown("")
    k: int = shown(10, low=1, high=20)
    selection: str = shown("", longest=LONGEST_NAME)
    images_page: int = shown(1, low=1)


@dataclass(frozen=True)
class LabView(LiveView):
    page: ClassVar[str] = "lab"
    method: str = shown("fool")


@dataclass(frozen=True)
class CompareView(ViewState):
    """Two runs. layer, channel, map and image are of the first; -1 is no image. label: "" for any.
    wall_page: of the images, or channels, that the tab lists."""

    page: ClassVar[str] = "compare"
    other_store: str = shown("", listed=True)
    other_run: str = shown("", longest=LONGEST_RUN)
    tab: str = shown("summary", choices=("summary", "predictions", "neighbors", "channels", "maps"))
    kind: str = shown("all", choices=("all", "fixed", "broken", "both wrong", "changed"))
    label: str = shown("")
    k: int = shown(10, low=1, high=20)
    layer: str = shown("", among="layers", optional=True)
    channel: int = shown(-1, among="channels", optional=True)
    sort: str = shown("overlap", choices=("overlap", "partner", "channel"))
    map: str = shown("", among="maps")
    color: str = shown("label", choices=("label", "kind", "moved"))
    camera: str = shown("")
    selection: str = shown("", longest=LONGEST_NAME)
    highlight: str = shown("")
    image: int = shown(-1, among="images", optional=True)
    wall_page: int = shown(1, low=1)


@dataclass(frozen=True)
class ResultsView(ViewState):
    """The live results that are kept. method: of this one alone, "" for all."""

    page: ClassVar[str] = "results"
    method: str = shown("", choices=("", *METHODS))
    sort: str = shown("used", choices=("used", "made", "size"))
    results_page: int = shown(1, low=1)


@dataclass(frozen=True)
class FindingsView(ViewState):
    """What was pinned. find: words that a finding's title or note has."""

    page: ClassVar[str] = "findings"
    find: str = shown("")
    findings_page: int = shown(1, low=1)


@dataclass(frozen=True)
class AboutView(ViewState):
    page: ClassVar[str] = "about"
