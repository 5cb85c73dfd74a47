"""What a page shows, as a value, to and from the query part of its address.

The views of all pages, in `dashboard.views.definitions`, derive from the classes here. Nothing here knows
Streamlit or the store: `Choices` says what a run has to choose from. Where an address asks for something that
can't be had, the nearest thing that can is taken, and a note says so.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Method
from dashboard.views.query_text import LONGEST, Notes, clamp, read, resolved, write

LONGEST_RUN, LONGEST_NAME, LONGEST_PROOF = 128, 32, 400
PARAMETER = "p."
"""What the name of a method's parameter begins with in an address."""


@dataclass(frozen=True)
class Choices:
    """What a run has to choose from.

    images: how many there are.
    layers: the number of channels by the layer's name.
    classes: names of the network's classes.
    maps: the methods by which there are maps, such as "tsne".
    grids: the kinds of grid by the map that they are made from.
    occlusion: whether there are occlusion maps of its images.
    """

    images: int = 0
    layers: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    grids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    occlusion: bool = True


def view_field(
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
    """Return a dataclass field of a view, with the bounds that an address is held to.

    choices: all values that it may have.
    low, high: inclusive bounds of a number.
    among: the field of `Choices` that it must be one of.
    optional: whether it may be "" or -1 instead, for none of them.
    longest: a text's greatest length in an address, in characters.
    listed: whether a text is one of a list of names, so that a long one can be abbreviated and found again;
        other texts are cut off.
    """
    bounds = {
        "choices": choices,
        "low": low,
        "high": high,
        "among": among,
        "optional": optional,
        "longest": longest,
        "listed": listed or bool(among),
    }
    return field(default=default, metadata=bounds, kw_only=kw_only)


@dataclass(frozen=True)
class ViewState:
    """Base of all views.

    page: name of the page, the last part of its address.
    store: the store's listed name.
    run: the run's fingerprint; "" is the store's current run.
    proof: what a link was made on (see `dashboard.sharing.proof`); it holds for this very view alone.
    """

    page: ClassVar[str]
    store: str = view_field("", listed=True)
    run: str = view_field("", longest=LONGEST_RUN)
    proof: str = view_field("", longest=LONGEST_PROOF, kw_only=True)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        """Return the view that an address asks for, and notes on what could not be read.

        Names that the view doesn't have are passed over.
        """
        values, notes = {}, []
        for each in dataclasses.fields(cls):
            if each.name in query and each.name != "parameters":
                values[each.name], note = read(each, query[each.name])
                notes += note
        return cls(**values), tuple(notes)

    def to_query(self) -> dict[str, str]:
        """Return every field as texts, without those that are empty.

        Defaults are written too, so that a link means the same when a later version has another default.
        """
        written = [each for each in dataclasses.fields(self) if each.name != "parameters"]
        texts = {each.name: write(getattr(self, each.name), each.metadata) for each in written}
        return {name: text for name, text in texts.items() if text}

    def chosen(self) -> dict[str, str]:
        """Return the part of the query that is not at its default.

        It stays the same when a later version of the page has more controls.
        """
        defaults = self._defaults().to_query()
        return {name: text for name, text in self.to_query().items() if defaults.get(name) != text}

    def _defaults(self) -> "ViewState":
        return type(self)()

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with every choice among those that the run has, and notes on what was changed."""
        view, notes = self, []
        for each in dataclasses.fields(self):
            if each.metadata.get("among"):
                value, note = _fit(each, getattr(view, each.name), view, choices)
                view = dataclasses.replace(view, **{each.name: value})
                notes += note
        return view, tuple(notes)


@dataclass(frozen=True)
class MethodView(ViewState):
    """A view of a live method.

    method: its name.
    parameters: (name, value) of every one of its parameters, in declared order.
    live: whether it is started, so that a link opens on the result.
    """

    method: str = view_field("")
    parameters: tuple[tuple[str, Any], ...] = ()
    live: bool = view_field(False)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        view, notes = super().from_query(query)
        texts = {name[len(PARAMETER) :]: text for name, text in query.items() if name.startswith(PARAMETER)}
        parameters, more = read_parameters(view.method, texts)
        return dataclasses.replace(view, parameters=parameters), notes + more

    def to_query(self) -> dict[str, str]:
        return super().to_query() | {PARAMETER + name: write(value) for name, value in self.parameters}

    def _defaults(self) -> "MethodView":
        return type(self)(parameters=read_parameters(self.method, {})[0])

    @property
    def shows_result(self) -> bool:
        """Whether the page shows what the method makes."""
        return True

    def built(self) -> Method:
        """Return the method with its parameters; ValueError where they don't go together."""
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; choose from {', '.join(METHODS)}")
        return METHODS[self.method](**dict(self.parameters))


def read_parameters(method: str, texts: Mapping[str, str]) -> tuple[tuple[tuple[str, Any], ...], Notes]:
    """Return (name, value) of all parameters of a method, and notes on what could not be read.

    texts: the values as an address writes them; a parameter that is not in there has its default.
    """
    if method not in METHODS:
        return (), ()
    values, notes = [], []
    for parameter in METHODS[method].parameters():
        name = parameter.name
        value, note = read(parameter, texts[name]) if name in texts else (parameter.default, ())
        values.append((name, value))
        notes += note
    return tuple(values), tuple(notes)


@dataclass(frozen=True)
class LiveView(MethodView):
    """A view of a live method and its inputs; -1 and "" stand for none.

    image: number of the image that the method runs on.
    upload: name of an uploaded image, which then is taken in place of `image`.
    second: number of the image that the method takes besides, such as a style.
    target: name of a class.
    layer: name of a layer.
    channel: a channel of it.
    y, x: row and column of one unit in the channel's map; -1 is the whole channel.
    whole: whether the pictures are taken in their own size and not cropped for the network.
    """

    image: int = view_field(-1, among="images", optional=True)
    upload: str = view_field("", longest=LONGEST_NAME)
    second: int = view_field(-1, among="images", optional=True)
    target: str = view_field("", among="classes", optional=True)
    layer: str = view_field("", among="layers", optional=True)
    channel: int = view_field(-1, among="channels", optional=True)
    y: int = view_field(-1, low=-1)
    x: int = view_field(-1, low=-1)
    whole: bool = view_field(False)

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with what the method can't do without filled in."""
        view, notes = super().fitted(choices)
        if view.method not in METHODS:
            default = next(iter(METHODS))
            notes += (f"there is no method {view.method!r}; {default!r} is taken",)
            view = dataclasses.replace(view, method=default, parameters=read_parameters(default, {})[0])
        needs = METHODS[view.method].needs
        missing = {
            "image": (IMAGE in needs and view.image < 0, 0),
            "second": (SECOND in needs and view.second < 0, min(1, max(choices.images - 1, 0))),
            "target": (TARGET in needs and not view.target, next(iter(choices.classes), "")),
            "layer": (
                needs & {LAYER, CHANNEL, NEURON} and not view.layer,
                next(reversed(choices.layers), ""),
            ),
            "channel": (needs & {CHANNEL, NEURON} and view.channel < 0, 0),
        }
        view = dataclasses.replace(view, **{name: value for name, (lacks, value) in missing.items() if lacks})
        view, more = super(LiveView, view).fitted(choices)
        return view, notes + more


def _fit(view_field: dataclasses.Field, value: Any, view: ViewState, choices: Choices) -> tuple[Any, Notes]:
    """Return a field's value if the run has it, else the nearest that it has, with a note."""
    name, among, optional = view_field.name, view_field.metadata["among"], view_field.metadata["optional"]
    if among == "images":
        return clamp(name, value, -1 if optional else 0, max(choices.images - 1, 0))
    if among == "channels":
        last = choices.layers[view.layer] - 1 if view.layer in choices.layers else None
        spoken = f"channel of {view.layer}" if view.layer else "channel"
        return clamp(spoken, value, -1 if optional else 0, last)
    known = tuple(getattr(choices, among))
    value = resolved(value, known)
    if value in known or (optional and not value):
        return value, ()
    default = "" if optional or not known else known[0]
    note = f"there is no {name} {value!r} in this run; {default or 'none'!r} is taken"
    return default, (note,) if value else ()
