"""Clearing a store of old runs, and of what killed processes left.

A run stays if it is current, among the newest, open somewhere (its folder is locked, `locks`), or named by a
finding or a short link: by its fingerprint, anywhere in that file's text. Otherwise its manifest goes first,
so that after a crash in the middle it is an unfinished run, which no reader sees and a later `prune` removes.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from featurestore.files import locks
from featurestore.files.atomic import fsync_folder
from featurestore.layout import CACHE, LINKS, MANIFEST, RUNS, TEMPORARY
from featurestore.objects.clearing import prune_objects
from featurestore.places import Place, place
from featurestore.reader import Store
from featurestore.upkeep.removals import Pruning, Removal, bytes_of, named_by


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
        removal = None if name in kept else _prune_run(where, store, name, kept, older_than, dry_run)
        removed += [] if removal is None else [removal]
    removed += _prune_rest(where, {each.where for each in removed}, older_than, dry_run)
    return Pruning(tuple(removed), kept)


def _reasons(where: Path, store: Store, keep: int, findings: Path | None, links: bool) -> dict[str, str]:
    """Fingerprint -> why it stays, of all runs of which that can be told without its lock."""
    runs = store.runs()
    newest = sorted(runs, key=lambda name: (where / RUNS / name / MANIFEST).stat().st_mtime_ns)
    kept = dict.fromkeys(newest[max(0, len(newest) - keep) :], f"among the {keep} newest")
    if links:
        kept |= named_by(runs, sorted((where / LINKS).glob("*.json")), "short link")
    if findings is not None:
        kept |= named_by(runs, sorted(findings.glob("*.toml")), "finding")
    return kept | ({store.current(): "current"} if runs else {})


def _prune_run(
    where: Path, store: Store, name: str, kept: dict[str, str], older_than: float, dry_run: bool
) -> Removal | None:
    """The removal of one run; None, with the reason in `kept`, where it is in use or too young."""
    folder = where / RUNS / name
    with locks.claimed(folder) as alone:
        if not alone:
            kept[name] = "open, or being written"
            return None
        committed = (folder / MANIFEST).exists()
        if not committed and _age(folder) < older_than:
            kept[name] = "unfinished, but of late"
            return None
        if committed and store.current() == name:
            kept[name] = "current"
            return None
        removal = Removal(f"{RUNS}/{name}", "old run" if committed else "unfinished run", bytes_of(folder))
        if not dry_run:
            _remove_run(folder)
        return removal


def _remove_run(folder: Path) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    fsync_folder(folder)
    shutil.rmtree(folder)
    fsync_folder(folder.parent)


def _prune_rest(where: Path, removed: set[str], older_than: float, dry_run: bool) -> Iterator[Removal]:
    """Caches of runs that are gone, and temporary files that nobody writes any more."""
    gone = [
        folder
        for folder in sorted((where / CACHE).glob("*"))
        if folder.is_dir()
        and (f"{RUNS}/{folder.name}" in removed or not (where / RUNS / folder.name).exists())
    ]
    for folder in gone:
        yield Removal(f"{CACHE}/{folder.name}", "cache of a run that is gone", bytes_of(folder))
        if not dry_run:
            shutil.rmtree(folder)
    elsewhere = (
        file
        for file in sorted(where.rglob(f"{TEMPORARY}*"))
        if not {*gone, *(where / name for name in removed)}.intersection(file.parents)
    )
    for file in elsewhere:
        if _age(file) >= older_than:
            yield Removal(str(file.relative_to(where)), "left by a killed process", file.stat().st_size)
            if not dry_run:
                file.unlink()


def _age(path: Path) -> float:
    """Seconds since anything in it was written."""
    times = [each.lstat().st_mtime for each in (path, *path.rglob("*"))]
    return time.time() - max(times)
