"""Names of tensors in a file and in a network, which wrappers of either lengthen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from compute.models.weights.choosing import is_averaged
from compute.models.weights.errors import Refused
from compute.models.weights.reparametrised import plain

# What DataParallel, torch.compile, FSDP, checkpoint_wrapper and DeepSpeed put into the names of what they
# wrap.
WRAPPERS = frozenset(
    {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
)
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Match:
    """Which of a file's names mean which of the network's.

    names: the network's by the file's, also where the network has none of that name. outside: the file's
    other names. prefix: what was taken off, such as "model.". complete: whether every one of the network's
    was found.
    """

    names: dict[str, str]
    outside: tuple[str, ...]
    prefix: str
    found: int
    complete: bool


def match(names: Iterable[str], wanted: Iterable[str]) -> Match:
    """The match that finds most of `wanted`; where several are equally good, that which changes least.

    Raises Refused where two prefixes both lead to a whole network, such as "student." and "teacher.".
    """
    names, wanted = tuple(names), tuple(wanted)
    best: Match | None = None
    for simplify in (_as_it_is, _without_wrappers):
        for own in _common_prefixes([simplify(each) for each in wanted]):
            found = _match(names, wanted, simplify, own)
            if found is not None and found.complete:
                return found
            if found is not None and (best is None or found.found > best.found):
                best = found
    assert best is not None, "names as they are always match somehow"
    return best


def _match(
    names: tuple[str, ...], wanted: tuple[str, ...], simplify: Callable[[str], str], own: str
) -> Match | None:
    """With names simplified and the network's without `own` at their beginning; None where that makes two
    one."""
    by_short = {simplify(each).removeprefix(own): each for each in wanted}
    simple = {each: simplify(each) for each in names}
    if len(by_short) < len(wanted) or len(set(simple.values())) < len(simple):
        return None
    needed = {plain(each) for each in by_short if not each.endswith(COUNTER)}
    found = _found_by_prefix(simple.values(), needed)
    prefix = _chosen(found, len(needed))
    inside = {name: short.removeprefix(prefix) for name, short in simple.items() if short.startswith(prefix)}
    return Match(
        names={name: by_short.get(short, own + short) for name, short in inside.items()},
        outside=tuple(name for name in names if name not in inside),
        prefix=prefix,
        found=len(found.get(prefix, ())),
        complete=len(found.get(prefix, ())) == len(needed),
    )


def _found_by_prefix(names: Iterable[str], needed: set[str]) -> dict[str, set[str]]:
    """Which of `needed` there are behind each prefix."""
    found: dict[str, set[str]] = {}
    for name in names:
        whole = plain(name)
        start = 0
        while True:
            if whole[start:] in needed:
                found.setdefault(whole[:start], set()).add(whole[start:])
            start = whole.find(".", start) + 1
            if start == 0:
                break
    return found


def _chosen(found: dict[str, set[str]], count: int) -> str:
    complete = [prefix for prefix, each in found.items() if len(each) == count]
    if "" in complete or not found:
        return ""
    if len(complete) > 1:
        kept = ", ".join(complete)
        averaged = " (some of them averaged)" if any(map(is_averaged, complete)) else ""
        raise Refused(
            f"holds several networks{averaged}, below {kept}; choose one with "
            f"--checkpoint-key {complete[0][:-1]}"
        )
    return complete[0] if complete else max(found, key=lambda prefix: (len(found[prefix]), -len(prefix)))


def _common_prefixes(names: list[str]) -> list[str]:
    """What all names begin with, in whole parts and ever longer: "", "model.", "model.net."."""
    prefixes = [""]
    parts = [name.split(".")[:-1] for name in names]
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        prefixes.append(f"{prefixes[-1]}{level[0]}.")
    return prefixes


def _as_it_is(name: str) -> str:
    return name


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
