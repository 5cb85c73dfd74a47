"""Whether a finding still holds: the numbers of its view are read or computed again and compared."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from dashboard.data import runs
from dashboard.data.partners import beside
from dashboard.findings.names.things import with_region
from dashboard.findings.record import Finding, Value, flat
from dashboard.jobs.result import Result
from dashboard.sharing.downloads import downloads_of
from dashboard.sharing.proof import TOLERANCE, Proof, compare, prove
from dashboard.views.definitions import ChannelsView, CompareView
from dashboard.views.navigation import PAGES
from dashboard.views.state import LiveView, ViewState
from featurestore.reader import Run, Store

Kind = Literal["holds", "differs", "unchecked"]
Compute = Callable[[LiveView, Run], Result | None]
"""Makes the result of a live view; None where it is not at hand."""

UNSAID = ("seconds",)
"""Numbers that say how it was computed, so that they are not part of a finding."""


@dataclass(frozen=True)
class Check:
    """What came of checking a finding.

    sentence: why, for people.
    differences: one text for each number that changed.
    run_gone: whether the finding's run is no longer in its store, so that the store's current run was
        checked.
    """

    kind: Kind
    sentence: str
    differences: tuple[str, ...] = ()
    run_gone: bool = False


def recheck(finding: Finding, compute: Compute, current: bool = False) -> Check:
    """Check a finding on its own run.

    compute: makes the result of a live view.
    current: whether it is checked on the store's current run instead, as it is where its own run is gone.
    """
    try:
        run, gone = run_of(finding, current)
        view, notes = view_of(finding, run)
        if notes:
            return Check("unchecked", f"its view is not there any more: {'; '.join(notes)}", run_gone=gone)
        view = with_region(view, run)
        result, wanting = _result(view, run, compute)
        if wanting:
            return Check("unchecked", wanting, run_gone=gone)
        environment = environment_of(run, result)
        now = numbers_of(view, run, result)
        verdict = _compared(finding, now, environment, prove(view, run, result, *beside(view, run)))
    except (ValueError, OSError) as error:
        return Check("unchecked", str(error))
    return dataclasses.replace(verdict, run_gone=gone, sentence=f"{verdict.sentence}{_where(finding, run)}")


def view_of(finding: Finding, run: Run | None = None) -> tuple[ViewState, tuple[str, ...]]:
    """Return a finding's view, and notes on what of it is not there any more.

    run: the run that the view is to be of; None leaves the finding's own.
    ValueError for a page that there is not.
    """
    if finding.page not in PAGES:
        raise ValueError(f"there is no page {finding.page!r} any more")
    view, notes = PAGES[finding.page].view.from_query({**finding.query, "store": finding.store})
    view = dataclasses.replace(view, proof="", run=finding.run if run is None else run.fingerprint)
    if run is None:
        return view, notes
    fitted, more = view.fitted(runs.choices(run))
    return fitted, notes + more


def numbers_of(view: ViewState, run: Run, result: Result | None) -> dict[str, Value]:
    """Return what a view says in numbers, those of its main picture first.

    What live methods add to a stored picture is left out.
    """
    store = runs.stores()[view.store]
    if isinstance(view, ChannelsView):
        view = dataclasses.replace(view, guided=False, ascent=False)
    if isinstance(view, CompareView):
        view = dataclasses.replace(view, explain=False)
    all_numbers: dict[str, Value] = {}
    for download in downloads_of(view, run, store, result):
        said = {name: value for name, value in download.numbers.items() if name not in UNSAID}
        numbers = flat(said)
        if not all_numbers:
            all_numbers = numbers
        elif not numbers.items() <= all_numbers.items():
            all_numbers |= flat(said, download.name)
    return all_numbers


def environment_of(run: Run, result: Result | None) -> dict[str, str]:
    """Return where the numbers of a view were computed: device, versions, number of threads."""
    if result is not None:
        return {name: str(value) for name, value in result.environment.items()}
    manifest = run.manifest
    said = {"device": manifest.device, "dtype": manifest.dtype, "threads": str(manifest.threads)}
    return said | {name: str(value) for name, value in manifest.versions.items()}


def differences(before: Mapping[str, Value], now: Mapping[str, Value], tolerance: float) -> Iterator[str]:
    """Yield a text for each number that is not the same.

    tolerance: relative, of floats.
    """
    for name, old in before.items():
        if name not in now:
            yield f"{name} is gone (it was {_spoken(old)})"
        elif not _same(old, now[name], tolerance):
            yield f"{name} was {_spoken(old)} and is {_spoken(now[name])}{_by(old, now[name])}"


def run_of(finding: Finding, current: bool = False) -> tuple[Run, bool]:
    """Return the run that a finding is checked on, and whether its own is gone, so that it is another one.

    ValueError where its store is not served.
    """
    listed = runs.stores()
    if finding.store not in listed:
        raise ValueError(f"its store {finding.store!r} is not served; choose from {', '.join(listed)}")
    path = listed[finding.store]
    store = Store(path)
    gone = finding.run not in store.runs()
    return runs.run_at(str(path), store.current() if gone or current else finding.run), gone


def _result(view: ViewState, run: Run, compute: Compute) -> tuple[Result | None, str]:
    """Return the live result that the view shows, if it shows one, and why it is wanting, else ""."""
    if not (isinstance(view, LiveView) and view.shows_result and view.live):
        return None, ""
    if view.upload:
        return None, "its image was uploaded, which only the dashboard that got it has"
    result = compute(view, run)
    return result, "" if result is not None else "its result is not at hand; open it, or run `make findings`"


def _compared(finding: Finding, now: dict[str, Value], environment: dict[str, str], proof: Proof) -> Check:
    same = environment == dict(finding.environment)
    changed = tuple(differences(finding.numbers, now, 0.0 if same else TOLERANCE))
    if changed:
        others = len(changed) - 1
        more = f", and {others} more number{'s' if others > 1 else ''}" if others else ""
        return Check("differs", f"{changed[0]}{more}", changed)
    verdict = compare(Proof.from_text(finding.proof), proof) if finding.proof else None
    if verdict is not None and verdict.kind == "differs" and proof.result:
        return Check("differs", verdict.sentence)
    how = "the same numbers" if same else f"within {TOLERANCE:.0%}, computed in another environment"
    if finding.numbers:
        return Check("holds", f"{len(finding.numbers)} numbers read or computed again: {how}")
    if verdict is None:
        return Check("unchecked", "it has neither numbers nor a proof to hold it against")
    return Check("differs" if verdict.kind == "differs" else "holds", verdict.sentence)


def _where(finding: Finding, run: Run) -> str:
    return "" if run.fingerprint == finding.run else f" (on run {run.fingerprint}, pinned on {finding.run})"


def _same(old: Value, new: Value, tolerance: float) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(_same(*pair, tolerance) for pair in zip(old, new, strict=True))
    if isinstance(old, float) and isinstance(new, float | int) and not isinstance(new, bool):
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    return type(old) is type(new) and old == new


def _by(old: Value, new: Value) -> str:
    """Return by how much a number changed, or how many of a list of them."""
    if isinstance(old, list) and isinstance(new, list):
        changed = sum(not _same(*pair, 0.0) for pair in zip(old, new, strict=False))
        changed += abs(len(old) - len(new))
        return f" ({changed} of {max(len(old), len(new))} changed)"
    if isinstance(old, bool | str | list) or isinstance(new, bool | str | list):
        return ""
    share = f", {(new - old) / abs(old):+.2%}" if old else ""
    return f" ({new - old:+.4g}{share})"


def _spoken(value: Value) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_spoken, value[:4])) + (", …]" if len(value) > 4 else "]")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
