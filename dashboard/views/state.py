"""What a page shows, as a value, to and from the query part of its address.

The views of all pages, in `dashboard.views.definitions`, derive from the classes here. Nothing here knows
Streamlit or the store: `Choices` says what a run has to choose from. Where an address asks for something that
can't be had, the nearest thing that can is taken, and a note says so.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Inputs, Method
from compute.reports.drawing.coloring import COLOR_COLUMNS
from dashboard.views.query_text import LONGEST, Notes, abbreviated, clamp, read, resolved, write

LONGEST_RUN, LONGEST_NAME, LONGEST_PROOF = 128, 32, 400
UNASKED = -1
"""An image or channel of which the run's own choice is shown first."""

PARAMETER = "p."
"""What the name of a method's parameter begins with in an address."""
OWN_LAYER = "layer."
"""What the name of a layer begins with in an address that is kept for another holder."""
LONGEST_KEPT, LONGEST_QUERY = 700, 1880
"""Characters that an address has for what is kept for methods that it doesn't show, and for all."""
CARRIED = ("store", "run", "image", "upload", "layer", "channel", "target", "map")
"""Fields that a click in the navigation takes along to the next page."""
UNITS = "units"
"""The holder of a layer that is that of channels and units, on all pages."""


@dataclass(frozen=True)
class Choices:
    """What a run has to choose from.

    images: how many there are.
    layers: the number of channels by the layer's name.
    classes: names of the network's classes.
    maps: the methods by which there are maps, such as "tsne"; the one that is shown first comes first.
    grids: the kinds of grid by the map that they are made from.
    occlusion: whether there are occlusion maps of its images.
    columns: what the list of its images says beside label and split.
    colors: what its maps can be colored by.
    first_image: number of the image that is shown where none is asked for.
    first_channel: the layer and channel that are; None where there is no layer.
    first_whole_layer: the layer that a method of whole layers takes; "" for the last.
    """

    images: int = 0
    layers: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    grids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    occlusion: bool = True
    columns: tuple[str, ...] = ()
    colors: tuple[str, ...] = COLOR_COLUMNS
    first_image: int = 0
    first_channel: tuple[str, int] | None = None
    first_whole_layer: str = ""


def view_field(
    default: Any,
    *,
    choices: tuple | None = None,
    low: float | None = None,
    high: float | None = None,
    above: tuple[float, ...] | None = None,
    among: str | None = None,
    optional: bool = False,
    longest: int = LONGEST,
    listed: bool = False,
    former: Any = None,
    kw_only: bool = False,
) -> Any:
    """Return a dataclass field of a view, with the bounds that an address is held to.

    choices: all values that it may have.
    low, high: inclusive bounds of a number.
    above: what each number of a text of numbers, such as "0.25,-1,3", must be greater than; "" is none.
    among: the field of `Choices` that it must be one of.
    optional: whether it may be "" or -1 instead, for none of them.
    longest: a text's greatest length in an address, in characters.
    listed: whether a text is one of a list of names, so that a long one can be abbreviated and found again;
        other texts are cut off.
    former: a value that was the default in an earlier version: it stays as good as unsaid for the proofs of
        links, which were made when it was.
    """
    bounds = {
        "choices": choices,
        "low": low,
        "high": high,
        "above": above,
        "among": among,
        "optional": optional,
        "longest": longest,
        "listed": listed or bool(among),
        "former": former,
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
        for each in fields_of(cls):
            if each.name in query:
                values[each.name], note = read(each, query[each.name])
                notes += note
        return cls(**values), tuple(notes)

    @classmethod
    def taking(cls, query: Mapping[str, str], carried: Mapping[str, str]) -> Self:
        """Return the view of a query, with what is carried here from another page."""
        return cls.from_query({**query, **carried})[0]

    def carried(self) -> dict[str, str]:
        """Return what of the query is carried to the pages visited next."""
        query = self.to_query()
        return {name: query[name] for name in CARRIED if name in query}

    def to_query(self) -> dict[str, str]:
        """Return every field as texts, without those that are empty.

        Defaults are written too, so that a link means the same when a later version has another default.
        """
        texts = {each.name: write(getattr(self, each.name), each.metadata) for each in fields_of(type(self))}
        return {name: text for name, text in texts.items() if text}

    def chosen(self) -> dict[str, str]:
        """Return the part of the query that is not at its default, nor at one of before.

        It stays the same when a later version of the page has more controls, or shows something else first.
        What had another default before is said unless it is that one.
        """
        unsaid = self._defaults().to_query() | self._former()
        return {name: text for name, text in self.to_query().items() if unsaid.get(name) != text}

    def _former(self) -> dict[str, str]:
        """Return the texts of fields that had another default in an earlier version."""
        return _former_texts(dataclasses.fields(self))

    def _defaults(self) -> "ViewState":
        return type(self)()

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with every choice among those that the run has, and notes on what was changed."""
        view, notes = self, []
        for each in fields_of(type(self)):
            if each.metadata["among"]:
                value, note = _fit(each, getattr(view, each.name), view, choices)
                view = dataclasses.replace(view, **{each.name: value})
                notes += note
        return view, tuple(notes)


def _former_texts(fields: Iterable[dataclasses.Field]) -> dict[str, str]:
    former = {each.name: each.metadata.get("former") for each in fields}
    return {name: write(value) for name, value in former.items() if value is not None}


def fields_of(cls: type[ViewState]) -> tuple[dataclasses.Field, ...]:
    """Return the fields of a view that stand in an address under their own name."""
    return tuple(each for each in dataclasses.fields(cls) if each.metadata)


@dataclass(frozen=True)
class MethodView(ViewState):
    """A view of a live method.

    method: its name.
    parameters: (name, value) of every one of its parameters, in declared order.
    live: whether it is started, so that a link opens on the result.
    others: what was set for methods that are not shown, as (name, text) of an address: "fool.epsilon", "16".
    """

    method: str = view_field("")
    parameters: tuple[tuple[str, Any], ...] = ()
    live: bool = view_field(False)
    others: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        view, notes = super().from_query(query)
        parameters, more = read_parameters(view.method, beginning(PARAMETER, query))
        known = dict.fromkeys(name.partition(".")[0] for name in query)
        methods = [name for name in known if name in METHODS and name != view.method]
        others = tuple(each for name in methods for each in _set_for(name, query))
        return dataclasses.replace(view, parameters=parameters, others=others), notes + more

    def to_query(self) -> dict[str, str]:
        own = super().to_query() | {PARAMETER + name: write(value) for name, value in self.parameters}
        return own | _fitting(self.kept, own) if self.kept else own

    @property
    def kept(self) -> tuple[tuple[str, str], ...]:
        """All that the address keeps for other methods, (name, text); the last of it has room first."""
        return self.others

    def chosen(self) -> dict[str, str]:
        """Return it without what was set for other methods, which is not to be seen."""
        return super(MethodView, self.alone()).chosen()

    def alone(self) -> Self:
        """Return the view without what was set for other methods."""
        return dataclasses.replace(self, others=())

    def _defaults(self) -> "MethodView":
        return type(self)(parameters=read_parameters(self.method, {})[0])

    def _former(self) -> dict[str, str]:
        declared = METHODS[self.method].parameters() if self.method in METHODS else ()
        of_method = {PARAMETER + name: text for name, text in _former_texts(declared).items()}
        return super()._former() | of_method

    def turned_to(self, method: str, **fields: Any) -> Self:
        """Return the view of a method, with these fields; another one is as it was left.

        This one stays as it is for the way back.
        """
        if method == self.method:
            return dataclasses.replace(self, **fields)
        left = {f"{self.method}.{name}": write(value) for name, value in self.parameters}
        known = dict(self.others)
        others = (*self.others, *_set_for(self.method, left))
        return dataclasses.replace(
            self,
            method=method,
            parameters=read_parameters(method, beginning(f"{method}.", known))[0],
            others=tuple(each for each in others if not each[0].startswith(f"{method}.")),
            **fields,
        )

    @property
    def shows_result(self) -> bool:
        """Whether the page shows what the method makes."""
        return True

    def built(self) -> Method:
        """Return the method with its parameters; ValueError where they don't go together."""
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; choose from {', '.join(METHODS)}")
        return METHODS[self.method](**dict(self.parameters))


def beginning(prefix: str, query: Mapping[str, str]) -> dict[str, str]:
    """Return the part of a query whose names begin like that, by the rest of the names."""
    return {name[len(prefix) :]: text for name, text in query.items() if name.startswith(prefix)}


def _set_for(method: str, query: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parameters of a method that are not at their defaults, (name, text)."""
    read, defaults = (read_parameters(method, each)[0] for each in (beginning(f"{method}.", query), {}))
    return [
        (f"{method}.{name}", write(value))
        for (name, value), (_, default) in zip(read, defaults, strict=True)
        if value != default
    ]


def _fitting(kept: Iterable[tuple[str, str]], query: Mapping[str, str]) -> dict[str, str]:
    """Return the last ones of (name, text) that an address has room for beside its query and a proof."""
    said = {name: text for name, text in query.items() if name != "proof"}
    room = min(LONGEST_KEPT, LONGEST_QUERY - LONGEST_PROOF - len(urlencode(said, errors="replace")))
    fitting = []
    for name, text in reversed(tuple(kept)):
        room -= len(urlencode({"": "", name: text}, errors="replace"))
        if room < 0:
            break
        fitting.append((name, text))
    return dict(reversed(fitting))


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
    second_upload: name of an uploaded image, which then is taken in place of `second`.
    target: name of a class.
    layer: name of a layer.
    channel: a channel of it.
    y, x: row and column of one unit in the channel's map; -1 is the whole channel.
    whole: whether a method that takes pictures of any size gets them whole, not cropped for the network.
    layers: the layers that other holders have, as (name, text) of an address: "layer.units", "conv2".
    """

    image: int = view_field(-1, among="images", optional=True)
    upload: str = view_field("", longest=LONGEST_NAME)
    second: int = view_field(-1, among="images", optional=True)
    second_upload: str = view_field("", longest=LONGEST_NAME)
    target: str = view_field("", among="classes", optional=True)
    layer: str = view_field("", among="layers", optional=True)
    channel: int = view_field(-1, among="channels", optional=True)
    y: int = view_field(-1, low=-1)
    x: int = view_field(-1, low=-1)
    whole: bool = view_field(True, former=False)
    layers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[Self, Notes]:
        view, notes = super().from_query(query)
        holders = [name for name in beginning(OWN_LAYER, query) if name in (*METHODS, UNITS)]
        names = [OWN_LAYER + name for name in holders if name != view.holder]
        layers = tuple((name, abbreviated(query[name])) for name in names if query[name])
        return dataclasses.replace(view, layers=layers), notes

    @property
    def kept(self) -> tuple[tuple[str, str], ...]:
        return self.others + self.layers

    @classmethod
    def taking(cls, query: Mapping[str, str], carried: Mapping[str, str]) -> Self:
        """Return the view of a query, with what is carried here; a layer is that of the units."""
        if cls.from_query(query)[0].holder != UNITS and "layer" in carried:
            others = {name: text for name, text in carried.items() if name != "layer"}
            carried = others | {OWN_LAYER + UNITS: carried["layer"]}
        return super().taking(query, carried)

    def carried(self) -> dict[str, str]:
        layer, _ = self._layers_for(UNITS)
        return super(LiveView, dataclasses.replace(self, layer=layer)).carried()

    def alone(self) -> Self:
        return dataclasses.replace(super().alone(), layers=())

    def turned_to(self, method: str, **fields: Any) -> Self:
        view = dataclasses.replace(self, layer=fields.pop("layer", self.layer))
        after = dataclasses.replace(view, method=method, **fields).holder
        layer, layers = view._layers_for(after)
        return super(LiveView, view).turned_to(method, layer=layer, layers=layers, **fields)

    @property
    def holder(self) -> str:
        """For whom the layer is chosen, see `layer_holder`."""
        return layer_holder(self.method)

    def _layers_for(self, holder: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Return the layer that a holder has, and those that the others have then."""
        if holder == self.holder:
            return self.layer, self.layers
        kept = dict(self.layers) | ({OWN_LAYER + self.holder: self.layer} if self.layer else {})
        layer = kept.pop(OWN_LAYER + holder, "")
        return layer, tuple(kept.items())

    @property
    def given(self) -> Inputs:
        """The inputs that the view has, as it says them; None for each that it has not."""
        return Inputs(
            image=self.upload or _number(self.image),
            second=self.second_upload or _number(self.second),
            target=self.target or None,
            layer=self.layer or None,
            channel=_number(self.channel),
            y=_number(self.y),
            x=_number(self.x),
        )

    @property
    def asks(self) -> frozenset[str]:
        """The inputs that count, or would if they were given."""
        return self.built().asks(self.given)

    @property
    def unused(self) -> tuple[str, ...]:
        """The inputs that the view has and the method, with these parameters and inputs, doesn't read."""
        try:
            unused = self.built().unused(self.given)
        except ValueError:
            # Something is missing, which is said where the method is run.
            return ()
        return tuple(each.name for each in dataclasses.fields(Inputs) if each.name in unused)

    def fitted(self, choices: Choices) -> tuple[Self, Notes]:
        """Return this view with what the method can't do without filled in."""
        view, notes = super().fitted(choices)
        if view.method not in METHODS:
            default = next(iter(METHODS))
            notes += (f"there is no method {view.method!r}; {default!r} is taken",)
            view = dataclasses.replace(view, method=default, parameters=read_parameters(default, {})[0])
        needs = METHODS[view.method].needs
        missing = {
            "image": (IMAGE in needs and view.image < 0, choices.first_image),
            "second": (
                SECOND in needs and view.second < 0 and not view.second_upload,
                min(1, max(choices.images - 1, 0)),
            ),
            "target": (TARGET in needs and not view.target, next(iter(choices.classes), "")),
            "layer": (needs & {LAYER, CHANNEL, NEURON} and not view.layer, _first_layer(needs, choices)),
            "channel": (needs & {CHANNEL, NEURON} and view.channel < 0, 0),
        }
        view = dataclasses.replace(view, **{name: value for name, (lacks, value) in missing.items() if lacks})
        view, more = super(LiveView, view).fitted(choices)
        return view, notes + more


def _first_layer(needs: Collection[str], choices: Choices) -> str:
    whole = choices.first_whole_layer if LAYER in needs else ""
    return whole or next(reversed(choices.layers), "")


def _number(value: int) -> int | None:
    return None if value < 0 else value


def layer_holder(method: str) -> str:
    """Return for whom a method's layer is chosen: the method itself, or UNITS.

    One that takes a layer only to look closer, as Grad-CAM does, has a layer of its own; of all the others it
    is the layer of the channels and units that they are about.
    """
    takes = METHODS[method].takes if method in METHODS else frozenset()
    return method if LAYER in takes and CHANNEL not in takes else UNITS


def _fit(view_field: dataclasses.Field, value: Any, view: ViewState, choices: Choices) -> tuple[Any, Notes]:
    """Return a field's value if the run has it, else the nearest that it has, with a note."""
    name, among, optional = view_field.name, view_field.metadata["among"], view_field.metadata["optional"]
    if among == "images" and not optional and value == view_field.default == UNASKED:
        return choices.first_image, ()
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
