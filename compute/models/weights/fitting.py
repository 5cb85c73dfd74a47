"""From tensors by the file's names to tensors by the network's, or every reason why they don't fit."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from compute.models.weights.errors import Refused
from compute.models.weights.names import COUNTER, Match, match
from compute.models.weights.reparametrised import as_wanted

StateDict = dict[str, Tensor]
LISTED = 10

# Written into networks by profilers (thop) and by torch's AveragedModel.
COUNTERS = frozenset({"total_ops", "total_params", "n_averaged"})
OF_A_LOSS = frozenset(
    [
        "loss",
        "losses",
        "criterion",
        "criteria",
        "criterions",
        "crit",
        "objective",
        "metric",
        "metrics",
        "acc",
        "accuracy",
        "auroc",
        "confmat",
        "f1",
    ]
)
LOSS_WEIGHTS = frozenset({"class_weight", "class_weights", "pos_weight"})


@dataclass(frozen=True)
class Fit:
    """tensors: by the network's names. notices: what of the file was left out or changed, a sentence each."""

    tensors: StateDict
    notices: tuple[str, ...]


def fit(state: StateDict, module: nn.Module, unused: Iterable[str] = ()) -> Fit:
    """What of `state` goes where in `module`.

    unused: parts of the network that the file may have and that play no part in its scores, such as "aux1".
    Raises Refused that names missing, unknown, misshapen and otherwise unfit tensors.
    """
    notices: list[str] = []
    wanted = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    parts = set(unused)
    state = _without(
        state, lambda name: not parts.isdisjoint(name.split(".")[:-1]), notices, "not used for scores"
    )
    state = _without(
        state,
        lambda name: name.rpartition(".")[2] in COUNTERS and name not in wanted,
        notices,
        "counters of training or of a profiler",
    )
    matched = match(state, wanted)
    inside = as_wanted({new: state[old] for old, new in matched.names.items()}, wanted)
    inside = _without(inside, lambda name: name not in wanted and _is_of_a_loss(name), notices, "of the loss")
    outside = _without({name: state[name] for name in matched.outside}, _is_of_a_loss, notices, "of the loss")
    inside = _without(
        inside, lambda name: _is_derived(name, inside, module, wanted), notices, "that the network makes"
    )
    problems = _problems(inside, outside, wanted, matched)
    if problems:
        raise Refused(f"doesn't fit {type(module).__name__}: {'; '.join(problems)}")
    tensors = {name: value for name, value in inside.items() if not _is_unlike_counter(name, value, wanted)}
    notices += _rounded(tensors, wanted)
    return Fit(tensors, tuple(notices))


def _without(state: StateDict, drop: Callable[[str], bool], notices: list[str], what: str) -> StateDict:
    dropped = {name: None for name in state if drop(name)}
    if dropped:
        notices.append(f"left out, {what}: {listed(list(dropped))}")
    return {name: value for name, value in state.items() if name not in dropped}


def _problems(inside: StateDict, outside: StateDict, wanted: StateDict, matched: Match) -> list[str]:
    # Batch norms counted their batches only from torch 0.4.1 on; the count means nothing in evaluation mode.
    missing = [name for name in wanted if name not in inside and not name.endswith(COUNTER)]
    unknown = [name for name in inside if name not in wanted and not name.endswith(COUNTER)]
    both = {name: (inside[name], tensor) for name, tensor in wanted.items() if name in inside}
    # A part that is made at the first image takes the file's shape, but has its own kind of number.
    shaped = {name: pair for name, pair in both.items() if not _is_lazy(pair[1])}
    shapes = [
        f"{name}: {tuple(stored.shape)} in the file, {tuple(tensor.shape)} in the network"
        for name, (stored, tensor) in shaped.items()
        if stored.shape != tensor.shape
    ]
    types = [
        f"{name}: {_type(stored)} in the file, {_type(tensor)} in the network"
        for name, (stored, tensor) in both.items()
        if not name.endswith(COUNTER) and not _is_castable(stored, tensor)
    ]
    lists = {
        "missing from the file": missing,
        "unknown to the network": [*unknown, *outside],
        "of another shape": shapes,
        "of another kind of number, which is not cast without being asked": types,
    }
    problems = [f"{title}: {listed(names)}" for title, names in lists.items() if names]
    problems += [
        sentence for sentence in (_of_the_head(shaped), _of_the_outside(outside, matched)) if sentence
    ]
    if not problems and (broken := [name for name, (stored, _) in both.items() if _is_broken(name, stored)]):
        problems.append(f"not finite, as a training leaves them that diverged: {listed(broken)}")
    return problems


def _of_the_head(both: dict[str, tuple[Tensor, Tensor]]) -> str | None:
    """A sentence where the number of classes alone is another."""
    unlike = {name: pair for name, pair in both.items() if pair[0].shape != pair[1].shape}
    modules = {name.rpartition(".")[0] for name in unlike}
    if len(modules) != 1 or not all(
        stored.ndim == tensor.ndim > 0 and stored.shape[1:] == tensor.shape[1:]
        for stored, tensor in unlike.values()
    ):
        return None
    if next(iter(modules)) not in {name.rpartition(".")[0] for name in list(both)[-2:]}:
        return None
    stored, tensor = next(iter(unlike.values()))
    return (
        f"so the file's classifier {min(modules)} has {len(stored)} classes and the network's {len(tensor)}: "
        f"build the network with {len(stored)}"
    )


def _of_the_outside(outside: StateDict, matched: Match) -> str | None:
    if not outside or not matched.complete or not matched.prefix:
        return None
    return f"if those are not the network's, give --checkpoint-key {matched.prefix.rstrip('.')}"


def _is_of_a_loss(name: str) -> bool:
    """Also of metrics: they lie beside the network in a training's module."""
    first = name.partition(".")[0]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", first).lower().split("_")
    return not OF_A_LOSS.isdisjoint(words) or name in LOSS_WEIGHTS


def _is_derived(name: str, state: StateDict, module: nn.Module, wanted: StateDict) -> bool:
    """Whether it is a buffer that the network makes itself and, in this version, doesn't save: of the same
    values."""
    if name in wanted:
        return False
    try:
        own = module.get_buffer(name)
    except AttributeError:
        return False
    return own.shape == state[name].shape and torch.equal(own.to(state[name].dtype).cpu(), state[name])


def _is_castable(stored: Tensor, tensor: Tensor) -> bool:
    """Between floating-point types, and between integers of which none changes."""
    if stored.dtype == tensor.dtype:
        return True
    if stored.is_floating_point() and tensor.is_floating_point():
        return stored.dtype.itemsize > 1
    if stored.is_floating_point() or tensor.is_floating_point() or stored.is_complex() or tensor.is_complex():
        return False
    return torch.equal(stored.to(tensor.dtype).to(stored.dtype), stored)


def _is_unlike_counter(name: str, stored: Tensor, wanted: StateDict) -> bool:
    return name.endswith(COUNTER) and (name not in wanted or stored.dtype != wanted[name].dtype)


def _is_broken(name: str, stored: Tensor) -> bool:
    """A mask of attention holds -inf, and is right."""
    if not stored.is_floating_point():
        return False
    return bool(stored.isnan().any() if "mask" in name else not stored.isfinite().all())


def _rounded(tensors: StateDict, wanted: StateDict) -> list[str]:
    lossy = [
        name
        for name, stored in tensors.items()
        if stored.is_floating_point()
        and stored.dtype.itemsize > wanted[name].dtype.itemsize
        and not torch.equal(stored.to(wanted[name].dtype).to(stored.dtype), stored)
    ]
    if not lossy:
        return []
    before, after = _type(tensors[lossy[0]]), _type(wanted[lossy[0]])
    return [f"rounded from {before} to the network's {after}: {listed(lossy)}"]


def _is_lazy(tensor: Tensor) -> bool:
    return isinstance(tensor, UninitializedParameter | UninitializedBuffer)


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def listed(names: list[str]) -> str:
    rest = f", … ({len(names)} in all)" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{rest}"
