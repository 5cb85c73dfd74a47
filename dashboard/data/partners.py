"""The runs that a run can be compared with: other stores' current ones, and older ones of its own store.

Where there is none, the page Compare is not offered; who has a link to it is told what would be one.
"""

from collections.abc import Iterator
from contextlib import suppress

from dashboard.data import comparison, runs
from dashboard.views.definitions import CompareView
from dashboard.views.navigation import PAGES, PageEntry
from featurestore.reader import Run, Store

Place = tuple[str, str]
"""A store's listed name and a run's fingerprint."""


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
