"""Views of every page, drawn at random among all that a page may show."""

import dataclasses
import random

from compute.methods import METHODS
from dashboard.views.image_tabs import METHOD_OF_TAB
from dashboard.views.navigation import PAGES
from dashboard.views.state import Choices, MethodView, ViewState, fields_of

CHOICES = Choices(
    images=50,
    layers={"stem": 4, "body.conv1": 8},
    classes=("ant", "bee/wasp", "ça & là=?"),
    maps=("pca", "tsne"),
    grids={"pca": ("unique", "nearest"), "tsne": ("unique",)},
)
VIEWS = [entry.view for entry in PAGES.values()]


def drawn(each: dataclasses.Field, view: type[ViewState], rng: random.Random):
    """A value that the field may have in a run with CHOICES."""
    facts = each.metadata
    if facts.get("choices"):
        return rng.choice(facts["choices"])
    match facts.get("among"):
        case "images":
            return rng.randrange(-1 if facts["optional"] else 0, CHOICES.images)
        case "channels":
            return rng.randrange(0, min(CHOICES.layers.values()))
        case str() as among:
            return rng.choice([*([""] if facts["optional"] else []), *getattr(CHOICES, among)])
    if each.name == "box":
        left, top = rng.uniform(0, 0.4), rng.uniform(0, 0.4)
        return rng.choice(["", f"{left:.4g},{top:.4g},{left + 0.5:.4g},{top + 0.1:.4g}"])
    if facts.get("above"):
        return rng.choice(["", ",".join(f"{rng.uniform(max(low, -9), 9):.4g}" for low in facts["above"])])
    if isinstance(each.default, bool):
        return rng.random() < 0.5
    if isinstance(each.default, int):
        return rng.randint(facts.get("low") or 0, facts.get("high") or 9)
    if isinstance(each.default, float):
        return rng.uniform(facts["low"], facts["high"])
    return "".join(rng.choices("abcé &=+%/?#", k=rng.randrange(8)))


def drawn_parameter(each: dataclasses.Field, rng: random.Random):
    facts = each.metadata
    if facts["choices"]:
        return rng.choice(facts["choices"])
    if isinstance(each.default, bool):
        return rng.random() < 0.5
    low = each.default if facts["low"] is None else facts["low"]
    high = low + 10 if facts["high"] is None else facts["high"]
    if isinstance(each.default, int):
        return rng.randint(int(low), int(high))
    return rng.uniform(low, high) if isinstance(each.default, float) else each.default


def drawn_parameters(method: str, rng: random.Random):
    return tuple((each.name, drawn_parameter(each, rng)) for each in METHODS[method].parameters())


def any_view(cls: type[ViewState], rng: random.Random) -> ViewState:
    """A view of this class, every field drawn among the values that it may have in a run with CHOICES."""
    values = {each.name: drawn(each, cls, rng) for each in fields_of(cls)}
    if not issubclass(cls, MethodView):
        return cls(**values)
    values["method"] = method = rng.choice(methods_of(values.get("tab")))
    before, layer = rng.choice(list(METHODS)), rng.choice(list(CHOICES.layers))
    left = cls(method=before, parameters=drawn_parameters(before, rng), layer=layer)
    turned = left.turned_to(method, **{name: values[name] for name in ("tab",) if name in values})
    # As few as the shortest room is for.
    values |= {"others": turned.others[-2:], "parameters": drawn_parameters(method, rng)}
    return dataclasses.replace(turned, **values)


def methods_of(tab: str | None) -> list[str]:
    """A tab of one method has that one, and "live" has the others."""
    if tab in METHOD_OF_TAB:
        return [METHOD_OF_TAB[tab]]
    return [name for name in METHODS if tab != "live" or name not in METHOD_OF_TAB.values()]
