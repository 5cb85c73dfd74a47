"""What a page shows, as a value, to and from its address: the base of `dashboard.views.definitions`.

Nothing here knows Streamlit or the store: `Facts` says what a run has. What an address asks for and can't
have is replaced by the nearest thing that can be had, and a note says so.
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
        "choices": choices,
        "low": low,
        "high": high,
        "among": among,
        "optional": optional,
        "longest": longest,
        "listed": listed or bool(among),
    }
    return field(default=default, metadata=facts, kw_only=kw_only)


@dataclass(frozen=True)
class ViewState:
    """Base of all views: the store and the run's fingerprint ("" is the current one) are in every address.

    proof: what a link says that it was made on (`dashboard.sharing.proof`); it is of this very view, and in
    no other.
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

    def chosen(self) -> dict[str, str]:
        """Of the query, what is not at its default: it stays the same when the page gets another control."""
        usual = self._usual().to_query()
        return {name: text for name, text in self.to_query().items() if usual.get(name) != text}

    def _usual(self) -> "ViewState":
        return type(self)()

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

    def _usual(self) -> "MethodView":
        return type(self)(parameters=read_parameters(self.method, {})[0])

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
