"""Weights that a training kept in parts: pruned (Han et al. 2015), weight-normalised (Salimans and Kingma
2016) or spectrally normalised (Miyato et al. 2018)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from compute.models.weights.errors import Refused

MASK = "mask"
"""A part that says which elements stay, by numbers of any kind."""

StateDict = dict[str, Tensor]
PART = re.compile(
    r"^(?P<parent>|.*\.)(?:parametrizations\.(?P<new>\w+)\.(?:original[01]?|0\._[uv])|(?P<old>\w+?)_(?:orig|mask|[guv]))$"
)


@dataclass(frozen=True)
class Form:
    """How torch keeps a weight in parts.

    layouts: the parts' names by part, of torch's functions of old and of new; `{0}` is the module's name with
    its dot, `{1}` the weight's. main: the part that has the weight's shape. whole: the weight that the parts
    mean.
    """

    main: str
    layouts: tuple[Mapping[str, str], ...]
    whole: Callable[..., Tensor]


def as_wanted(state: StateDict, wanted: Mapping[str, object]) -> StateDict:
    """The state with its parts named as the network names its own, or put together where it has the whole
    weight."""
    state = dict(state)
    bases = {(found["parent"], found["new"] or found["old"]) for name in state if (found := PART.match(name))}
    for parent, weight in sorted(bases):
        for form in FORMS:
            _bring(state, wanted, form, parent, weight)
    return state


def plain(name: str) -> str:
    """The name of the whole weight that a part belongs to; any other name as it is."""
    found = PART.match(name)
    return f"{found['parent']}{found['new'] or found['old']}" if found else name


def _bring(state: StateDict, wanted: Mapping[str, object], form: Form, parent: str, weight: str) -> None:
    layouts = [{part: name.format(parent, weight) for part, name in each.items()} for each in form.layouts]
    there = next((each for each in layouts if state.keys() >= set(each.values())), None)
    if there is None or wanted.keys() >= set(there.values()):
        return
    target = next((each for each in layouts if wanted.keys() >= set(each.values())), None)
    if target is None and f"{parent}{weight}" not in wanted:
        return
    parts = {part: state.pop(name) for part, name in there.items()}
    if target is None:
        state[f"{parent}{weight}"] = _put_together(f"{parent}{weight}", form, parts, wanted)
    else:
        state.update({target[part]: value for part, value in parts.items()})


def _put_together(name: str, form: Form, parts: Mapping[str, Tensor], wanted: Mapping[str, object]) -> Tensor:
    """The whole weight; the main part alone where that can't be the network's, which is then said of it.

    Raises Refused where the other parts don't go with it.
    """
    main, tensor = parts[form.main], wanted[name]
    is_lazy = isinstance(tensor, UninitializedParameter | UninitializedBuffer)
    if not main.is_floating_point() or not (is_lazy or main.shape == getattr(tensor, "shape", None)):
        return main
    said = ", ".join(f"{part} {_described(each)}" for part, each in parts.items())
    kinds = {each.dtype for part, each in parts.items() if part != MASK}
    if len(kinds) > 1 or any(each.is_complex() or each.numel() > main.numel() for each in parts.values()):
        raise Refused(f"keeps {name} in parts that don't go together: {said}")
    try:
        return form.whole(**parts)
    except (RuntimeError, IndexError) as error:
        raise Refused(f"keeps {name} in parts that don't go together: {said}") from error


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _pruned(original: Tensor, mask: Tensor) -> Tensor:
    if mask.shape != original.shape:
        raise IndexError("another shape")
    return original * mask.to(original.dtype)


def _weight_normalised(g: Tensor, v: Tensor) -> Tensor:
    """g v / |v|, the norm over all axes but the one that g has."""
    if g.ndim == 0:
        return v * (g / v.norm())
    axis = next((axis for axis, length in enumerate(g.shape) if length > 1), 0)
    return torch._weight_norm(v, g, axis)


def _spectrally_normalised(original: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """W / (u' W v), W as a matrix with the outputs as rows; they are the second axis of a transposed
    convolution."""
    rows = 0 if original.shape[0] == len(u) else 1
    matrix = original.movedim(rows, 0).flatten(1)
    return original / torch.dot(u, torch.mv(matrix, v))


FORMS = (
    Form("original", ({"original": "{0}{1}_orig", MASK: "{0}{1}_mask"},), _pruned),
    Form(
        "v",
        (
            {"g": "{0}{1}_g", "v": "{0}{1}_v"},
            {"g": "{0}parametrizations.{1}.original0", "v": "{0}parametrizations.{1}.original1"},
        ),
        _weight_normalised,
    ),
    Form(
        "original",
        (
            {"original": "{0}{1}_orig", "u": "{0}{1}_u", "v": "{0}{1}_v"},
            {
                "original": "{0}parametrizations.{1}.original",
                "u": "{0}parametrizations.{1}.0._u",
                "v": "{0}parametrizations.{1}.0._v",
            },
        ),
        _spectrally_normalised,
    ),
)
