"""The runs that a run can be compared with: other stores' current ones, and older ones of its own store.

Where there is none, the page Compare is not offered; who has a link to it is told what would be one.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from compute.reports.compare.series import MOST, SHORT
from dashboard.data import comparison, runs
from dashboard.views.definitions import CompareView
from dashboard.views.navigation import PAGES, PageEntry
from dashboard.views.state import ViewState
from featurestore.places import Place as StorePlace
from featurestore.reader import Run, Store

Place = tuple[str, str]
"""A store's listed name and a run's fingerprint."""

SEPARATOR = "."
"""Between the runs of a series, in an address."""


def pages(store: str, run: Run, shown: str = "") -> list[PageEntry]:
    """Return the pages that are offered: Compare only where there is something to compare the run with.

    shown: the page that is looked at, which is offered in any case.
    """
    left = {CompareView.page} - {shown} if not has_partner(store, run) else set()
    return [entry for name, entry in PAGES.items() if name not in left]


def has_partner(store: str, run: Run) -> bool:
    """Return whether another run is over these images, as far as the manifests say.

    It is asked on every page: no table is read, and a manifest only once, as a run never changes. Of two sets
    of images from two places nothing is known, even if they have some in common.
    """
    return any(_is_over_them(run, other) for _, other in _others(store, run))


def stores_beside(store: str, run: Run) -> list[str]:
    """Return the other stores whose current run is over these images, as far as the manifests say."""
    return [name for (name, _), other in _others(store, run) if name != store and _is_over_them(run, other)]


def partner(store: str, run: Run) -> Place | None:
    """Return the run that is compared with where the address names none; None where there is none.

    It holds images of this run. One over the very same set of images goes first.
    """
    others = list(_others(store, run))
    for name in ("hash", "spec", None):
        for place, other in others:
            if (name is None or _same(run, other, name)) and comparison.in_common(run, other):
                return place
    return None


def named(view: CompareView) -> list[str]:
    """Return the beginnings of the fingerprints that the view's series names."""
    return list(dict.fromkeys(filter(None, view.series.split(SEPARATOR))))[:MOST]


def series_text(beginnings: Iterable[str]) -> str:
    """Return a series as a view has it; as many of its runs as one can have."""
    return SEPARATOR.join(list(beginnings)[:MOST])


def completed(view: CompareView, run: Run) -> CompareView:
    """Return the view with the runs of its series and their reference named, as its link is of these alone.

    A series that is without the first run was one of another: it is chosen anew. Of more runs than a series
    can have, those are taken that come first beside the first run.
    """
    first, said = run.fingerprint[:SHORT], named(view)
    if first not in said:
        said = [first, *(each for each in for_series(view.store, run) if each != first)][:MOST]
    reference = view.reference if view.reference in said else first
    return dataclasses.replace(view, series=series_text(said), reference=reference)


def series(view: CompareView, run: Run) -> dict[str, tuple[Place, Run]]:
    """Return the runs of the view's series that are served and share images with the first, by beginnings."""
    said = _said(view, run)
    known = for_series(view.store, run, said)
    return {each: known[each] for each in said if each in known}


def _said(view: CompareView, run: Run) -> list[str]:
    return named(completed(view, run))


def beside(view: ViewState, run: Run) -> tuple[Run | None, tuple[Run | None, ...]]:
    """Return the second run of a view of two, and all that a view of a series names, in its order.

    None for one that is not there, or can't be read.
    """
    second = comparison.second_run(view)
    if not isinstance(view, CompareView) or view.tab != "series":
        return second, ()
    taking_part = series(view, run)
    return second, tuple(taking_part[each][1] if each in taking_part else None for each in _said(view, run))


def for_series(store: str, run: Run, said: Collection[str] = ()) -> dict[str, tuple[Place, Run]]:
    """Return the runs that can stand in a series with a run, by the beginnings of their fingerprints.

    They are the run itself, all that it can be compared with, and those that an address names, of any store.
    said: beginnings of fingerprints. Of one run that lies in two stores, the first place is taken.
    """
    found = {run.fingerprint[:SHORT]: ((store, run.fingerprint), run)}
    for place, other in (*_others(store, run), *_called(said)):
        if other.fingerprint[:SHORT] not in found and comparison.in_common(run, other):
            found[other.fingerprint[:SHORT]] = place, other
    return found


def _called(said: Collection[str]) -> Iterator[tuple[Place, Run]]:
    """Yield the runs of any store whose fingerprints begin like that, and that can be read."""
    for name, path in runs.stores().items() if said else ():
        for fingerprint in _fingerprints(path):
            if fingerprint[:SHORT] in said:
                with suppress(ValueError):
                    yield (name, fingerprint), runs.open_run(name, fingerprint)


def _fingerprints(path: StorePlace) -> list[str]:
    try:
        return Store(path).runs()
    except ValueError:
        return []


def current(store: str) -> str | None:
    """Return the fingerprint of a store's current run; None where it has none that can be read."""
    try:
        fingerprint = Store(runs.stores()[store]).current()
        return runs.open_run(store, fingerprint).fingerprint
    except ValueError:
        return None


def _others(store: str, run: Run) -> Iterator[tuple[Place, Run]]:
    """Yield the runs of `_places` that can be read."""
    for place in _places(store, run):
        with suppress(ValueError):
            yield place, runs.open_run(*place)


def _places(store: str, run: Run) -> Iterator[Place]:
    """Yield other stores' current runs, then the other ones of this store, the latest first."""
    listed = runs.stores()
    for name in listed:
        if name != store and (fingerprint := current(name)):
            yield name, fingerprint
    for fingerprint in reversed(Store(listed[store]).runs()):
        if fingerprint != run.fingerprint:
            yield store, fingerprint


def _is_over_them(run: Run, other: Run) -> bool:
    return _same(run, other, "hash") or _same(run, other, "spec")


def _same(run: Run, other: Run, name: str) -> bool:
    return name in run.manifest.images and run.manifest.images[name] == other.manifest.images.get(name)
