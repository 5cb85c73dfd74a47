"""What a page shows, as a value: one frozen dataclass a page, to and from the query part of its address.

Nothing here knows Streamlit or the store: `Facts` says what a run has. What an address asks for and can't
have is replaced by the nearest thing that can be had, and a note says so.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from compute.exhibits.coloring import COLOR_COLUMNS
from compute.method import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Method
from compute.methods import METHODS
from dashboard import image_tabs
from dashboard.address_text import LONGEST, Notes, clamp, read, resolved, write

LONGEST_RUN, LONGEST_NAME, LONGEST_PROOF = 128, 32, 400
PARAMETER = "p."
"""Before the name of a method's parameter in an address."""


@dataclass(frozen=True)
class Facts:
    """What a run has to choose from. layers: name -> number of channels. grids: map -> kinds of its grid.

    occlusion: whether there are occlusion maps of its images.
    """

    images: int = 0
    layers: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    grids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    occlusion: bool = True


def shown(
    default: Any,
    *,
    choices: tuple | None = None,
    low: float | None = None,
    high: float | None = None,
    among: str | None = None,
    optional: bool = False,
    longest: int = LONGEST,
    listed: bool = False,
    kw_only: bool = False,
) -> Any:
    """A field of a view. among: which of the run's `Facts` it must be one of; optional: or "" or -1, none.

    longest: a text's length in an address. listed: whether a text is a name of a list, so that one that is
    too long can be abbreviated and found again; other texts are cut.
    """
    facts = {
        "choices": choices, "low": low, "high": high, "among": among, "optional": optional, "longest": longest,
        "listed": listed or bool(among),
    }  # fmt: skip
    return field(default=default, metadata=facts, kw_only=kw_only)


@dataclass(frozen=True)
class ViewState:
    """Base of all views: the store and the run's fingerprint ("" is the current one) are in every address.

    proof: what a link says that it was made on (`dashboard.proof`); it is of this very view, and in no other.
    """

    page: ClassVar[str]
    store: str = shown("", listed=True)
    run: str = shown("", longest=LONGEST_RUN)
    proof: str = shown("", longest=LONGEST_PROOF, kw_only=True)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        """The view that an address asks for, and what of it could not be read. Unknown names don't count."""
        values, notes = {}, []
        for each in dataclasses.fields(cls):
            if each.name in query and each.name != "parameters":
                values[each.name], note = read(each, query[each.name])
                notes += note
        return cls(**values), tuple(notes)

    def to_query(self) -> dict[str, str]:
        """Every field, defaults too, so that a later default changes no link; what is empty is left out."""
        written = [each for each in dataclasses.fields(self) if each.name != "parameters"]
        texts = {each.name: write(getattr(self, each.name), each.metadata) for each in written}
        return {name: text for name, text in texts.items() if text}

    def fitted(self, facts: Facts) -> tuple[Self, Notes]:
        """This view with every choice among those the run has."""
        view, notes = self, []
        for each in dataclasses.fields(self):
            if each.metadata.get("among"):
                value, note = _fit(each, getattr(view, each.name), view, facts)
                view = dataclasses.replace(view, **{each.name: value})
                notes += note
        return view, tuple(notes)


@dataclass(frozen=True)
class MethodView(ViewState):
    """A view of a live method: its name and every one of its parameters, in declared order.

    live: whether it is started, so that a link opens on the result.
    """

    method: str = shown("")
    parameters: tuple[tuple[str, Any], ...] = ()
    live: bool = shown(False)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        view, notes = super().from_query(query)
        texts = {name[len(PARAMETER) :]: text for name, text in query.items() if name.startswith(PARAMETER)}
        parameters, more = read_parameters(view.method, texts)
        return dataclasses.replace(view, parameters=parameters), notes + more

    def to_query(self) -> dict[str, str]:
        return super().to_query() | {PARAMETER + name: write(value) for name, value in self.parameters}

    @property
    def shows_result(self) -> bool:
        """Whether the page shows what the method makes."""
        return True

    def built(self) -> Method:
        """The method; ValueError where parameters don't go together."""
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; choose from {', '.join(METHODS)}")
        return METHODS[self.method](**dict(self.parameters))


def read_parameters(method: str, texts: Mapping[str, str]) -> tuple[tuple[tuple[str, Any], ...], Notes]:
    """All parameters of a method, those that are not in `texts` at their defaults."""
    if method not in METHODS:
        return (), ()
    values, notes = [], []
    for each in METHODS[method].parameters():
        value, note = read(each, texts[each.name]) if each.name in texts else (each.default, ())
        values.append((each.name, value))
        notes += note
    return tuple(values), tuple(notes)


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


@dataclass(frozen=True)
class LiveView(MethodView):
    """A view of a method on its inputs; -1 and "" stand for none.

    upload: name of an uploaded image, which then stands for `image`. y, x: a unit of the channel's map.
    whole: the pictures in their own size, not the network's crop (methods that take any size).
    """

    image: int = shown(-1, among="images", optional=True)
    upload: str = shown("", longest=LONGEST_NAME)
    second: int = shown(-1, among="images", optional=True)
    target: str = shown("", among="classes", optional=True)
    layer: str = shown("", among="layers", optional=True)
    channel: int = shown(-1, among="channels", optional=True)
    y: int = shown(-1, low=-1)
    x: int = shown(-1, low=-1)
    whole: bool = shown(False)

    def fitted(self, facts: Facts) -> tuple[Self, Notes]:
        """Fills in what the method can't do without."""
        view, notes = super().fitted(facts)
        if view.method not in METHODS:
            default = next(iter(METHODS))
            notes += (f"there is no method {view.method!r}; {default!r} is taken",)
            view = dataclasses.replace(view, method=default, parameters=read_parameters(default, {})[0])
        needs = METHODS[view.method].needs
        missing = {
            "image": (IMAGE in needs and view.image < 0, 0),
            "second": (SECOND in needs and view.second < 0, min(1, max(facts.images - 1, 0))),
            "target": (TARGET in needs and not view.target, next(iter(facts.classes), "")),
            "layer": (needs & {LAYER, CHANNEL, NEURON} and not view.layer, next(reversed(facts.layers), "")),
            "channel": (needs & {CHANNEL, NEURON} and view.channel < 0, 0),
        }
        view = dataclasses.replace(view, **{name: value for name, (lacks, value) in missing.items() if lacks})
        view, more = super(LiveView, view).fitted(facts)
        return view, notes + more


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
    """Two runs. layer, channel, map and image are of the first; -1 is no image. label: "" for any."""

    page: ClassVar[str] = "compare"
    other_store: str = shown("")
    other_run: str = shown("")
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
    selection: str = shown("")
    highlight: str = shown("")
    image: int = shown(-1, among="images", optional=True)


@dataclass(frozen=True)
class ResultsView(ViewState):
    """The live results that are kept. method: of this one alone, "" for all."""

    page: ClassVar[str] = "results"
    method: str = shown("", choices=("", *METHODS))
    sort: str = shown("used", choices=("used", "made", "size"))


@dataclass(frozen=True)
class FindingsView(ViewState):
    """What was pinned. find: words that a finding's title or note has."""

    page: ClassVar[str] = "findings"
    find: str = shown("")


@dataclass(frozen=True)
class AboutView(ViewState):
    page: ClassVar[str] = "about"


def _fit(each: dataclasses.Field, value: Any, view: ViewState, facts: Facts) -> tuple[Any, Notes]:
    among, optional = each.metadata["among"], each.metadata["optional"]
    if among == "images":
        return clamp(each.name, value, -1 if optional else 0, max(facts.images - 1, 0))
    if among == "channels":
        last = facts.layers[view.layer] - 1 if view.layer in facts.layers else None
        return clamp(
            f"channel of {view.layer}" if view.layer else "channel", value, -1 if optional else 0, last
        )
    choices = tuple(getattr(facts, among))
    value = resolved(value, choices)
    if value in choices or (optional and not value):
        return value, ()
    default = "" if optional or not choices else choices[0]
    note = (
        (f"there is no {each.name} {value!r} in this run; {default or 'none'!r} is taken",) if value else ()
    )
    return default, note
