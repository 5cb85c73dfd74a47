"""Which of a file's tensors are the network's weights: it may hold an optimiser's, and weights averaged over
training steps (EMA, SWA) beside the last ones."""

import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from compute.models.weights.errors import Refused
from compute.models.weights.pickles import Instance, spoken
from compute.models.weights.tensors import StoredTensor, Unusable, is_array
from compute.runtime.suggestions import did_you_mean

KEPT_UNDER = (
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params",
    "net_state_dict", "network_state_dict", "model_weights", "backbone", "encoder", "state",
)  # fmt: skip
AVERAGED = frozenset({"ema", "averaged", "average", "avg", "swa", "shadow", "polyak", "teacher", "momentum"})
OF_TRAINING = frozenset(
    [
        "optimizer",
        "optimizers",
        "optimiser",
        "optim",
        "opt",
        "scheduler",
        "schedulers",
        "sched",
        "scaler",
        "rng",
        "history",
        "config",
        "cfg",
        "args",
        "hparams",
        "criterion",
        "loss",
        "losses",
        "metric",
        "metrics",
    ]
)
DEPTH = 5
LONGEST_NAME = 1000
"""Letters of a tensor's name. Networks' have fewer than a hundred; how long it takes to tell what a name
means grows with its square."""
LISTED = 10
LISTED_LETTERS = 60

State = dict[str, Any]


def choose(content: Any, key: str | None) -> tuple[str, State]:
    """The weights in what a file holds: where they are kept, as a dotted path ("" for the file itself), and
    the entries by name, tensors and others.

    key: such a path, or the beginning of names, such as "student" of "student.conv.weight"; None where only
    one set can be meant. Raises Refused that names what there is, and where the choice must be made.
    """
    if key is not None:
        return _at(content, key)
    found = states(content)
    if not found:
        raise Refused(_nothing(content))
    return _only(found, len(found) > 1)


def states(content: Any) -> dict[str, State]:
    """Every set of tensors by name in the content, by dotted path; no optimiser's."""
    found = _states(content, "", set())
    longest = max((name for state in found.values() for name in state), key=len, default="")
    if len(longest) > LONGEST_NAME:
        raise Refused(f"names a tensor by {len(longest):,} letters ({longest[:40]}…), as no network does")
    return found


def is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor | StoredTensor | Unusable) or is_array(value)


def as_mapping(value: Any) -> dict | None:
    """A dictionary, also one of a class of its own; None for anything else."""
    if isinstance(value, dict):
        return value
    return value.items if isinstance(value, Instance) and value.items else None


def is_averaged(path: str) -> bool:
    """Whether a name says that its weights are averaged over training steps: "model_ema", "emaModel",
    "swa.module"."""
    return not AVERAGED.isdisjoint(_words(path))


def starting_with(state: State, prefix: str) -> State:
    """The entries below a prefix of names, without it."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in state.items()
        if name.startswith(f"{prefix}.")
    }


def _states(content: Any, path: str, seen: set[int]) -> dict[str, State]:
    """seen: the dictionaries that were looked into, since one may hold itself."""
    items = as_mapping(content)
    if items is None or id(items) in seen or path.count(".") > DEPTH:
        return {}
    seen.add(id(items))
    own = {name: value for name, value in items.items() if isinstance(name, str)}
    inside: dict[str, State] = {}
    for name, value in own.items():
        if OF_TRAINING.isdisjoint(_words(name)):
            inside |= _states(value, f"{path}.{name}" if path else name, seen)
    # A loss or a confusion matrix beside the weights is a tensor as well.
    most = max(map(_count, inside.values()), default=0)
    return {path: own, **inside} if _count(own) > most else inside


def _count(state: State) -> int:
    return sum(map(is_tensor, state.values()))


def _words(name: str) -> list[str]:
    """Of "stateDictEMA" and "state_dict_ema": state, dict, ema."""
    return re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower())


def _only(found: dict[str, State], several: bool) -> tuple[str, State]:
    if not several:
        return next(iter(found.items()))
    usual = [path for path in found if path.rpartition(".")[2] in ("", *KEPT_UNDER) and not is_averaged(path)]
    if len(usual) == 1 and not any(map(is_averaged, found)):
        return usual[0], found[usual[0]]
    raise Refused(f"holds several sets of weights: {_listed(found)}; choose one with --checkpoint-key")


def _at(content: Any, key: str) -> tuple[str, State]:
    found = states(content)
    if key in found:
        return key, found[key]
    below = {path: state for path, state in found.items() if path.startswith(f"{key}.")}
    if below:
        return _only(below, len(below) > 1)
    within = [(path, chosen) for path, state in found.items() if (chosen := starting_with(state, key))]
    if len(within) == 1:
        path, chosen = within[0]
        return ".".join(filter(None, (path, key))), chosen
    choices = list(found) + sorted({name.partition(".")[0] for state in found.values() for name in state})
    raise Refused(f"has no weights under {key!r}{did_you_mean(key, [each for each in choices if each])}")


def _nothing(content: Any) -> str:
    networks = [name for name, value in _networks(content)]
    if networks:
        return (
            f"holds Python objects besides tensors ({networks[0]}, a whole pickled network), and loading "
            f"them could run code; where it can be trusted, load it with the code that saved it and save "
            f"`network.state_dict()` instead"
        )
    items = as_mapping(content)
    objects = [spoken(each.of) for each in (items or {"": content}).values() if isinstance(each, Instance)]
    if objects:
        return (
            f"holds Python objects besides tensors ({', '.join(objects[:LISTED])}), and loading them could "
            f"run code; save `network.state_dict()` instead"
        )
    keys = ", ".join(repr(each)[:LISTED_LETTERS] for each in list(items or ())[:LISTED])
    said = type(content).__name__ if items is None else f"a dictionary of {keys or 'nothing'}"
    return f"holds {said}, not tensors by name, plain or under one of {', '.join(KEPT_UNDER)}"


def _networks(content: Any) -> Iterable[tuple[str, Instance]]:
    values = [content, *(as_mapping(content) or {}).values()]
    for value in values:
        if isinstance(value, Instance) and isinstance(value.state, dict) and "_modules" in value.state:
            yield spoken(value.of), value


def _listed(names: Iterable[str]) -> str:
    names = [name or "(the file itself)" for name in names]
    rest = f", … ({len(names)} in all)" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
