"""The views of all pages: a frozen dataclass for each page says what it shows."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from compute.analysis.channel_filter import ONLY, SORTS
from compute.analysis.image_search import MOST_LETTERS
from compute.analysis.suspicions import KINDS
from compute.methods import METHODS
from compute.reports.channels.atlas import ASCENT, PATCH
from compute.reports.channels.picture_box import PictureBox
from compute.reports.compare.series import MOST, ORDERS, SHORT
from dashboard.views import image_tabs
from dashboard.views.query_text import Notes, write
from dashboard.views.state import (
    LONGEST_NAME,
    LONGEST_RUN,
    PARAMETER,
    UNASKED,
    UNITS,
    Choices,
    LiveView,
    ViewState,
    read_parameters,
    view_field,
)

ANY = float("-inf")
CAMERA, BOUNDS = (ANY, ANY, 0.0), (ANY, ANY, ANY, ANY)
"""What the numbers of a map's camera (x, y, zoom) and of a grid's bounds are greater than."""

COMPARISONS = ("summary", "predictions", "neighbors", "channels", "maps", "series")
LONGEST_SERIES = MOST * (SHORT + 1)

PICTURES = ("near", "always", "never")
"""When thumbnails take the place of a map's points: where those in view have room, at any zoom, never."""


ASK = "ask"
LONGEST_QUESTION, LONGEST_TYPED = 900, 600
"""Characters of an address that a question in SQL takes at most, and characters that can be typed."""


@dataclass(frozen=True)
class OverviewView(ViewState):
    """The network and its images, or a question to the store's tables.

    sql: the question, one SELECT; a longer one than fits is abbreviated, and not asked.
    sql_page: of the images that its answer names.
    """

    page: ClassVar[str] = "overview"
    scaling: str = view_field("filter", choices=("filter", "all"))
    show: str = view_field("network", choices=("network", ASK))
    sql: str = view_field("", longest=LONGEST_QUESTION, listed=True)
    sql_page: int = view_field(1, low=1)


@dataclass(frozen=True)
class MapView(ViewState):
    page: ClassVar[str] = "map"
    map: str = view_field("", among="maps")
    show: str = view_field("points", choices=("points", "grid"))
    color: str = view_field("label", among="colors")
    kind: str = view_field("unique", choices=("unique", "nearest"))
    seams: bool = view_field(False)
    image: int = view_field(-1, among="images", optional=True)
    selection: str = view_field("", longest=LONGEST_NAME)
    camera: str = view_field("", above=CAMERA)
    highlight: str = view_field("")
    pictures: str = view_field("near", choices=PICTURES)
    clusters: bool = view_field(False)
    bounds: str = view_field("", above=BOUNDS)
    search: str = view_field("", longest=MOST_LETTERS)
    hits_page: int = view_field(1, low=1)
    selection_page: int = view_field(1, low=1)


@dataclass(frozen=True)
class NeighborsView(ViewState):
    page: ClassVar[str] = "neighbors"
    image: int = view_field(UNASKED, among="images", former=0)
    upload: str = view_field("", longest=LONGEST_NAME)
    count: int = view_field(12, low=1, high=20)


ATLAS, CHANNEL = "atlas", "channel"
HERE = "here"


@dataclass(frozen=True)
class ChannelsView(ViewState):
    """The channels of all layers, or one of them.

    show: the atlas or one channel; "" is the channel where it, or a part of its card, is asked for, else the
        atlas.
    opened: the layer of which the atlas shows all channels; "" for none.
    whole: whether it shows all channels of all layers.
    sort, only, top_class, find, least, most: which channels are listed, see `ChannelFilter`; sorted by HERE,
        by how unusually they respond to the picture.
    tile: whether a tile is what the channel looks for, where the store has a picture of it, or its patch.
    named: words of a name; channels alone that have such a name. "" for any.
    rare: the greatest share of the store's images that respond as strongly as the picture does.
    picture: whether channels are looked for by a picture.
    image, upload: that picture, one of the store's or an uploaded one; -1 and "" for none.
    box: the part of it that counts, in fractions of its width and height; "" for all of it.
    """

    page: ClassVar[str] = "channels"
    show: str = view_field("", choices=("", ATLAS, CHANNEL), former=CHANNEL)
    opened: str = view_field("", among="layers", optional=True)
    whole: bool = view_field(False)
    layer: str = view_field("", among="layers")
    channel: int = view_field(UNASKED, among="channels", former=0)
    sort: str = view_field("channel", choices=(*SORTS, HERE))
    only: str = view_field("all", choices=ONLY)
    top_class: str = view_field("", among="classes", optional=True)
    find: str = view_field("")
    least: float = view_field(0.0, low=0.0, high=1.0)
    most: float = view_field(1.0, low=0.0, high=1.0)
    rank: int = view_field(0, low=0, high=99)
    guided: bool = view_field(False)
    ascent: bool = view_field(False)
    tile: str = view_field(ASCENT, choices=(ASCENT, PATCH))
    named: str = view_field("")
    rare: float = view_field(1.0, low=0.0, high=1.0)
    picture: bool = view_field(False)
    image: int = view_field(-1, among="images", optional=True)
    upload: str = view_field("", longest=LONGEST_NAME)
    box: str = view_field("")

    def __post_init__(self) -> None:
        """Show one channel where it, or a part of its card, is asked for: a link to it is whole then."""
        of_one = self.layer, self.rank, self.guided, self.ascent
        if not self.show and (self.channel != UNASKED or any(of_one)):
            object.__setattr__(self, "show", CHANNEL)

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with the first channel to show, where neither it nor a layer is asked for.

        With the first picture and without a box that is none, too.
        """
        show = self.show or ATLAS
        layer, channel = self.layer, 0 if self.channel == UNASKED else self.channel
        if not layer and self.channel == UNASKED and choices.first_channel is not None:
            layer, channel = choices.first_channel
        lacks_image = self.picture and self.image < 0 and not self.upload
        image = choices.first_image if lacks_image else self.image
        box, notes = _read_box(self.box)
        view = dataclasses.replace(self, show=show, layer=layer, channel=channel, image=image, box=box)
        view, more = super(ChannelsView, view).fitted(choices)
        return view, notes + more

    @property
    def picture_box(self) -> PictureBox | None:
        """The part of the picture that counts; None for all of it. ValueError for a box that is none."""
        return PictureBox.from_text(self.box) if self.box else None

    def in_the_lab(self, live: bool = False, made_with: Mapping[str, Any] | None = None) -> "LabView":
        """Return gradient ascent on the channel at the method's own defaults: one result for both pages.

        made_with: parameters of a picture that is kept, in place of the defaults
        """
        texts = {name: write(value) for name, value in (made_with or {}).items()}
        parameters = read_parameters("ascend", texts)[0]
        asked = {"method": "ascend", "parameters": parameters, "layer": self.layer, "channel": self.channel}
        return LabView(self.store, self.run, live=live, **asked)


@dataclass(frozen=True)
class ImageView(LiveView):
    """All of one image. A tab of one method always has that method.

    source: whether the tab Occlusion shows the store's maps or makes its own.
    value, overlay: how the store's maps are drawn.
    strong: "layer/channel" that is chosen among the strongest channels; "" for the first.
    other: the method that the tab More methods had when it was left.
    """

    page: ClassVar[str] = "image"
    method: str = view_field("saliency")
    live: bool = view_field(True)
    image: int = view_field(UNASKED, among="images", former=0)
    tab: str = view_field(image_tabs.GLANCE, choices=tuple(image_tabs.TABS))
    source: str = view_field("stored", choices=("stored", "live"))
    value: str = view_field("probability", choices=("probability", "logit", "argmax"))
    overlay: bool = view_field(True)
    strong: str = view_field("")
    other: str = view_field("", choices=("", *METHODS))

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        return super().from_query(image_tabs.agreeing(query, cls.method, PARAMETER))

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with live occlusion where the store can't hold maps of the image."""
        view, notes = super().fitted(choices)
        missing = view.tab == image_tabs.OCCLUSION and bool(view.upload or not choices.occlusion)
        return (dataclasses.replace(view, source="live") if missing else view), notes

    def on_tab(self, tab: str) -> Self:
        """Return the view of the same image on another tab, with the tab's method as it was left."""
        return self.turned_to(image_tabs.METHOD_OF_TAB.get(tab, self.method), tab=tab)

    @property
    def holder(self) -> str:
        return UNITS if self.tab == image_tabs.CHANNELS else super().holder

    @property
    def shows_result(self) -> bool:
        return image_tabs.shows_result(self.tab, self.source == "live")


def _read_box(text: str) -> tuple[str, Notes]:
    """Return a box's text, "" for one that is none, and a note on that."""
    if not text:
        return "", ()
    try:
        PictureBox.from_text(text)
    except ValueError as error:
        return "", (f"{error}; the whole picture is taken",)
    return text, ()


CLASS_COLUMNS = ("class", "images", "right", "recall", "precision", "taken_for", "taken", "loss")


@dataclass(frozen=True)
class MistakesView(ViewState):
    """Which classes are taken for which.

    sort: the column that the table of classes is sorted by, with "-" for the greatest first; "" for the
        network's order.
    column, value: only images whose further column (of the list that they came with) is as said; "" for all.
    """

    page: ClassVar[str] = "mistakes"
    tab: str = view_field("confusion", choices=("confusion", "neighbors", "classes"))
    split: str = view_field("")
    label: str = view_field("")
    predicted: str = view_field("")
    column: str = view_field("", among="columns", optional=True)
    value: str = view_field("", listed=True)
    k: int = view_field(10, low=1, high=20)
    selection: str = view_field("", longest=LONGEST_NAME)
    images_page: int = view_field(1, low=1)
    sort: str = view_field("", choices=("", *CLASS_COLUMNS, *(f"-{name}" for name in CLASS_COLUMNS)))
    classes_page: int = view_field(1, low=1)


@dataclass(frozen=True)
class TriageView(ViewState):
    """Suspects, one after the other.

    kind: one suspicion alone; "" for any.
    state: whether those are listed that nobody has judged, those that somebody has, or all.
    least: the least suspicion that is listed.
    other_store: the store of a second network, whose classes are compared; "" for none.
    image: the one that is looked at; -1 is the first.
    """

    page: ClassVar[str] = "triage"
    kind: str = view_field("", choices=("", *KINDS))
    state: str = view_field("open", choices=("open", "judged", "all"))
    split: str = view_field("")
    least: float = view_field(0.5, low=0.0, high=1.0)
    other_store: str = view_field("", listed=True)
    image: int = view_field(-1, among="images", optional=True)
    wall_page: int = view_field(1, low=1)


@dataclass(frozen=True)
class LabView(LiveView):
    page: ClassVar[str] = "lab"
    method: str = view_field("fool")


@dataclass(frozen=True)
class CompareView(ViewState):
    """Two runs.

    layer, channel, map, image: of the first run; -1 is no image.
    series: beginnings of the fingerprints of the runs that take part in the series, between dots; "" for all.
    reference: beginning of the fingerprint of the run that these are compared with; "" for the first run.
    explain: whether the image is explained by both networks side by side.
    label: of the images; "" for any.
    wall_page: of the images, or channels, that the tab lists.
    """

    page: ClassVar[str] = "compare"
    other_store: str = view_field("", listed=True)
    other_run: str = view_field("", longest=LONGEST_RUN)
    tab: str = view_field("summary", choices=COMPARISONS)
    kind: str = view_field("all", choices=("all", "fixed", "broken", "both wrong", "changed"))
    label: str = view_field("")
    k: int = view_field(10, low=1, high=20)
    layer: str = view_field("", among="layers", optional=True)
    channel: int = view_field(-1, among="channels", optional=True)
    sort: str = view_field("overlap", choices=("overlap", "partner", "channel"))
    map: str = view_field("", among="maps")
    color: str = view_field("label", choices=("label", "kind", "moved"))
    camera: str = view_field("", above=CAMERA)
    selection: str = view_field("", longest=LONGEST_NAME)
    highlight: str = view_field("")
    pictures: str = view_field("near", choices=PICTURES)
    image: int = view_field(-1, among="images", optional=True)
    wall_page: int = view_field(1, low=1)
    series: str = view_field("", longest=LONGEST_SERIES)
    reference: str = view_field("", longest=LONGEST_NAME)
    order: str = view_field("name", choices=ORDERS)
    explain: bool = view_field(False)


@dataclass(frozen=True)
class ResultsView(ViewState):
    """The live results that are kept.

    method: shows those of this method alone; "" for all.
    """

    page: ClassVar[str] = "results"
    method: str = view_field("", choices=("", *METHODS))
    sort: str = view_field("used", choices=("used", "made", "size"))
    results_page: int = view_field(1, low=1)


@dataclass(frozen=True)
class FindingsView(ViewState):
    """The findings, the names that were given, or the stories told of findings.

    find: words that a finding's title or note has, or a name or what it names, or a story.
    story: the one that is shown among the stories, as its file is called; "" lists them.
    """

    page: ClassVar[str] = "findings"
    show: str = view_field("findings", choices=("findings", "names", "stories"))
    find: str = view_field("")
    findings_page: int = view_field(1, low=1)
    story: str = view_field("")


@dataclass(frozen=True)
class AboutView(ViewState):
    page: ClassVar[str] = "about"
