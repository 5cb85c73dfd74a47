"""Clearing a store in object storage of old runs.

There are no locks there: who reads or writes a run on another machine can't be told. So besides what `prune`
keeps anyway, every run stays that anything was written to of late or that this machine writes, and only the
short links that this machine keeps are known.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from featurestore.layout import CACHE, CURRENT, LINKS, MANIFEST, RUNS
from featurestore.objects.bucket import Listed
from featurestore.objects.changes import Changes
from featurestore.objects.path import ObjectPath
from featurestore.objects.writer import SCRATCH
from featurestore.places import beside
from featurestore.reader import Store
from featurestore.upkeep.removals import Clearing, Pruning, Removal, age, is_in_use, named_by


def prune_objects(
    place: ObjectPath, keep: int, findings: Path | None, links: bool, older_than: float, dry_run: bool
) -> Pruning:
    """As `prune.prune`, of a store in object storage; raises Unavailable too."""
    place.bucket.forget()
    store, changes = Store(place), Changes(place.bucket)
    runs = _runs(place)
    kept = _reasons(store, runs, keep, findings, links)
    removed = []
    for name, objects in runs.items():
        if name in kept:
            continue
        age = time.time() - max(each.written for each in objects)
        if age < older_than:
            kept[name] = f"written to in the last {older_than / 3600:g} hours; who has it open can't be told"
        elif _is_current(changes, place, name):
            kept[name] = "current"
        elif is_in_use(beside(place) / SCRATCH / RUNS / name):
            kept[name] = "being written on this machine"
        else:
            why = "old run" if _manifest(objects) else "unfinished run"
            removed.append(Removal(f"{RUNS}/{name}", why, sum(each.bytes for each in objects)))
            if not dry_run:
                changes.remove([each.key for each in _manifest(objects)])
                changes.remove([each.key for each in objects])
    left = set(runs) - {each.where.removeprefix(f"{RUNS}/") for each in removed}
    rest = Clearing(beside(place), dry_run, named_whole=True)
    _clear_beside(rest, left, older_than)
    return Pruning((*removed, *rest.removed), kept, rest.left)


def _runs(place: ObjectPath) -> dict[str, list[Listed]]:
    """Name -> its objects, of all runs, by name."""
    top = (place / RUNS).key
    found: dict[str, list[Listed]] = {}
    for each in place.bucket.objects(top):
        name, _, rest = each.key.removeprefix(f"{top}/").partition("/")
        if rest:
            found.setdefault(name, []).append(each)
    return found


def _reasons(
    store: Store, runs: Mapping[str, list[Listed]], keep: int, findings: Path | None, links: bool
) -> dict[str, str]:
    committed = {name: found[0].written for name, objects in runs.items() if (found := _manifest(objects))}
    newest = sorted(committed, key=committed.__getitem__)
    kept = dict.fromkeys(newest[max(0, len(newest) - keep) :], f"among the {keep} newest")
    if links:
        kept |= named_by(runs, sorted((beside(store.path) / LINKS).glob("*.json")), "short link")
    if findings is not None:
        kept |= named_by(runs, sorted(findings.glob("*.toml")), "finding")
    return kept | ({store.current(): "current"} if committed else {})


def _manifest(objects: list[Listed]) -> list[Listed]:
    return [each for each in objects if each.key.endswith(f"/{MANIFEST}")]


def _is_current(changes: Changes, place: ObjectPath, name: str) -> bool:
    """Asked at the last moment: a writer may just have made it so."""
    found = changes.read((place / CURRENT).key)
    return found is not None and found[0] == f"{name}\n".encode()


def _clear_beside(rest: Clearing, left: set[str], older_than: float) -> None:
    """What this machine has of runs that are gone: caches, and scratch that nobody has written to of late.

    left: names of the runs that stay.
    """
    caches = [each for each in sorted((rest.top / CACHE).glob("*")) if each.name not in left]
    scratch = sorted((rest.top / SCRATCH / RUNS).glob("*"))
    for each in (*caches, *(each for each in scratch if age(each) >= older_than)):
        rest.clear(each, "on this machine, of a run that is gone or left unfinished")
