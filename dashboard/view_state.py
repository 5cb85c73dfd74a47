"""What a page shows, as a value: one frozen dataclass a page, to and from the query part of its address.

Nothing here knows Streamlit or the store: `Facts` says what a run has. What an address asks for and can't
have is replaced by the nearest thing that can be had, and a note says so.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from compute.method import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Method
from compute.methods import METHODS

LONGEST = 200
PARAMETER = "p."
"""Before the name of a method's parameter in an address."""

Notes = tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What a run has to choose from. layers: name -> number of channels. grids: map -> kinds of its grid."""

    images: int = 0
    layers: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    grids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shown(
    default: Any,
    *,
    choices: tuple | None = None,
    low: float | None = None,
    high: float | None = None,
    among: str | None = None,
    optional: bool = False,
) -> Any:
    """A field of a view. among: which of the run's `Facts` it must be one of; optional: or "" or -1, none."""
    facts = {"choices": choices, "low": low, "high": high, "among": among, "optional": optional}
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class ViewState:
    """Base of all views: the store and the run's fingerprint ("" is the current one) are in every address."""

    page: ClassVar[str]
    store: str = shown("")
    run: str = shown("")

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        """The view that an address asks for, and what of it could not be read. Unknown names don't count."""
        values, notes = {}, []
        for each in dataclasses.fields(cls):
            if each.name in query and each.name != "parameters":
                values[each.name], note = _read(each, query[each.name])
                notes += note
        return cls(**values), tuple(notes)

    def to_query(self) -> dict[str, str]:
        """Every field, defaults too, so that a later default changes no link; what is empty is left out."""
        names = [each.name for each in dataclasses.fields(self) if each.name != "parameters"]
        texts = {name: _write(getattr(self, name)) for name in names}
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
        return super().to_query() | {PARAMETER + name: _write(value) for name, value in self.parameters}

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
        value, note = _read(each, texts[each.name]) if each.name in texts else (each.default, ())
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
    color: str = shown("label", choices=("label", "predicted", "correct", "split", "loss", "probability"))
    kind: str = shown("unique", choices=("unique", "nearest"))
    seams: bool = shown(False)
    image: int = shown(-1, among="images", optional=True)
    selection: str = shown("")
    camera: str = shown("")
    highlight: str = shown("")
    bounds: str = shown("")


@dataclass(frozen=True)
class NeighborsView(ViewState):
    page: ClassVar[str] = "neighbors"
    image: int = shown(0, among="images")
    upload: str = shown("")
    count: int = shown(12, low=1, high=20)


@dataclass(frozen=True)
class ChannelsView(ViewState):
    page: ClassVar[str] = "channels"
    layer: str = shown("", among="layers")
    channel: int = shown(0, among="channels")
    sort: str = shown("channel", choices=("channel", "mean", "max", "active_share", "selectivity"))
    only: str = shown("all", choices=("all", "live", "dead"))
    rank: int = shown(0, low=0, high=99)
    guided: bool = shown(False)


@dataclass(frozen=True)
class LiveView(MethodView):
    """A view of a method on its inputs; -1 and "" stand for none.

    upload: name of an uploaded image, which then stands for `image`. y, x: a unit of the channel's map.
    whole: the pictures in their own size, not the network's crop (methods that take any size).
    """

    image: int = shown(-1, among="images", optional=True)
    upload: str = shown("")
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
    page: ClassVar[str] = "image"
    method: str = shown("saliency")
    live: bool = shown(True)
    image: int = shown(0, among="images")
    tab: str = shown("occlusion", choices=("occlusion", "live"))
    value: str = shown("probability", choices=("probability", "logit", "argmax"))
    overlay: bool = shown(True)


@dataclass(frozen=True)
class MistakesView(ViewState):
    page: ClassVar[str] = "mistakes"
    split: str = shown("")
    label: str = shown("", among="classes", optional=True)
    predicted: str = shown("", among="classes", optional=True)


@dataclass(frozen=True)
class LabView(LiveView):
    page: ClassVar[str] = "lab"
    method: str = shown("fool")


@dataclass(frozen=True)
class AboutView(ViewState):
    page: ClassVar[str] = "about"


def _write(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _read(each: dataclasses.Field, text: str) -> tuple[Any, Notes]:
    """The value of `text` in the field's type and bounds; else the default or the bound, with a note."""
    name, default, facts = each.name, each.default, each.metadata
    try:
        value = _parse(type(default), text)
    except ValueError:
        return default, (f"{name} {text[:LONGEST]!r} can't be read; {default!r} is taken",)
    if facts.get("choices") is not None and value not in facts["choices"]:
        choices = ", ".join(map(str, facts["choices"]))
        return default, (f"{name} {text[:LONGEST]!r} is not one of {choices}; {default!r} is taken",)
    return _clamp(name, value, facts.get("low"), facts.get("high"))


def _parse(kind: type, text: str) -> Any:
    if kind is str:
        return text[:LONGEST]
    if kind is bool:
        return bool(("0", "1").index(text))
    value = kind(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value


def _clamp(name: str, value: Any, low: float | None, high: float | None) -> tuple[Any, Notes]:
    if low is not None and value < low:
        return type(value)(low), (f"{name} {value} is below {low}; {low} is taken",)
    if high is not None and value > high:
        return type(value)(high), (f"{name} {value} is above {high}; {high} is taken",)
    return value, ()


def _fit(each: dataclasses.Field, value: Any, view: ViewState, facts: Facts) -> tuple[Any, Notes]:
    among, optional = each.metadata["among"], each.metadata["optional"]
    if among == "images":
        return _clamp(each.name, value, -1 if optional else 0, max(facts.images - 1, 0))
    if among == "channels":
        last = facts.layers[view.layer] - 1 if view.layer in facts.layers else None
        return _clamp(
            f"channel of {view.layer}" if view.layer else "channel", value, -1 if optional else 0, last
        )
    choices = tuple(getattr(facts, among))
    if value in choices or (optional and not value):
        return value, ()
    default = "" if optional or not choices else choices[0]
    note = (
        (f"there is no {each.name} {value!r} in this run; {default or 'none'!r} is taken",) if value else ()
    )
    return default, note
