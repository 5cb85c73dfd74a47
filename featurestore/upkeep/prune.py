"""Clearing a store of old runs, and of what killed processes left.

A run stays if it is current, among the newest, open somewhere (its folder is locked, `locks`), or named by a
finding or a short link: by its fingerprint, anywhere in that file's text. Otherwise its manifest goes first,
so that after a crash in the middle it is an unfinished run, which no reader sees and a later `prune` removes.

Only what lies in the store itself goes: of a link the link, not what it leads to.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from featurestore.files import locks
from featurestore.files.atomic import fsync_folder
from featurestore.layout import CACHE, CURRENT, LINKS, MANIFEST, RUNS, TEMPORARY
from featurestore.objects.clearing import prune_objects
from featurestore.places import Place, place
from featurestore.reader import Store
from featurestore.upkeep.removals import (
    Clearing,
    Pruning,
    Removal,
    age,
    bytes_of,
    is_in_use,
    may_be_removed,
    named_by,
    remove,
)


def prune(
    path: str | os.PathLike | Place,
    keep: int = 1,
    findings: Path | None = None,
    links: bool = True,
    older_than: float = 24 * 3600,
    dry_run: bool = False,
) -> Pruning:
    """Removes old runs of the store at `path`, or only says which; in object storage see `objects.clearing`.

    keep: newest runs that stay, at least. findings: folder whose `*.toml` name runs that stay. links: whether
    the store's short links do, too. older_than: seconds after which an unfinished run or a temporary file
    counts as left behind. ValueError where it can't be told which run is current, OSError where a file that
    may name a run can't be read: then nothing is removed.
    """
    if not isinstance(where := place(path), Path):
        return prune_objects(where, keep, findings, links, older_than, dry_run)
    store = Store(where)
    kept = _reasons(where, store, keep, findings, links)
    removed = []
    for name in [*store.runs(), *store.unfinished()]:
        with suppress(FileNotFoundError):  # another command removes it just now
            removal = None if name in kept else _prune_run(where, store, name, kept, older_than, dry_run)
            removed += [] if removal is None else [removal]
    rest = Clearing(where, dry_run)
    _prune_rest(rest, {each.where for each in removed}, older_than)
    return Pruning((*removed, *rest.removed), kept, rest.left)


def _reasons(where: Path, store: Store, keep: int, findings: Path | None, links: bool) -> dict[str, str]:
    """Fingerprint -> why it stays, of all runs of which that can be told without its lock."""
    runs = store.runs()
    newest = sorted(runs, key=lambda name: _committed_at(where / RUNS / name))
    kept = dict.fromkeys(newest[max(0, len(newest) - keep) :], f"among the {keep} newest")
    if links:
        kept |= named_by(runs, sorted((where / LINKS).glob("*.json")), "short link")
    if findings is not None:
        kept |= named_by(runs, sorted(findings.glob("*.toml")), "finding")
    # A run whose manifest can't be seen just now (a link to a disk that is away) may be the current one.
    return kept | ({store.current(): "current"} if runs or (where / CURRENT).exists() else {})


def _committed_at(folder: Path) -> int:
    """Return when a run was committed, in nanoseconds; 0 where it is removed just now."""
    with suppress(FileNotFoundError):
        return (folder / MANIFEST).stat().st_mtime_ns
    return 0


def _prune_run(
    where: Path, store: Store, name: str, kept: dict[str, str], older_than: float, dry_run: bool
) -> Removal | None:
    """The removal of one run; None, with the reason in `kept`, where it is in use or too young."""
    folder = where / RUNS / name
    if (where / RUNS).is_symlink():
        kept[name] = f"in another place, to which {RUNS} is a link"
        return None
    is_link = folder.is_symlink()
    with locks.claimed(folder) as alone:
        if not alone:
            kept[name] = "open, or being written"
            return None
        committed = (folder / MANIFEST).exists()
        if not committed and age(folder.resolve()) < older_than:
            kept[name] = "unfinished, but of late"
            return None
        if committed and store.current() == name:
            kept[name] = "current"
            return None
        if not may_be_removed(folder):
            kept[name] = "not this user's to remove"
            return None
        why = f"{'link to an ' * is_link}{'old' if committed else 'unfinished'} run"
        removal = Removal(f"{RUNS}/{name}", why, bytes_of(folder))
        if not dry_run:
            _remove_run(folder)
        return removal


def _remove_run(folder: Path) -> None:
    if not folder.is_symlink():
        remove(folder / MANIFEST)
        fsync_folder(folder)
    remove(folder)
    fsync_folder(folder.parent)


def _prune_rest(rest: Clearing, removed: set[str], older_than: float) -> None:
    """Caches of runs that are gone, and temporary files that nobody writes any more.

    removed: the runs that went, or would, as paths within the store.
    """
    where = rest.top
    for cache in _entries(where / CACHE):
        run = f"{RUNS}/{cache.name}"
        if (cache.is_symlink() or cache.is_dir()) and (run in removed or not (where / run).exists()):
            rest.clear(cache, "cache of a run that is gone")
    gone = {where / name for name in removed} | {where / each.where for each in rest.removed}
    for path in sorted(_temporaries(where, gone)):
        if age(path) < older_than:
            continue
        if path.parent.parent == where / RUNS and is_in_use(path.parent):
            rest.left[rest.name(path)] = "its run is open, or being written"
        else:
            rest.clear(path, "left by a killed process")


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder of the store, sorted; nothing where it is a link or isn't there."""
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _temporaries(where: Path, gone: set[Path]) -> Iterator[Path]:
    """Yield what has a temporary name, outside of what is gone; no link is followed."""
    for folder, folders, files in os.walk(where):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in gone]
        yield from (here / name for name in (*folders, *files) if name.startswith(TEMPORARY))
        folders[:] = [name for name in folders if not name.startswith(TEMPORARY)]
