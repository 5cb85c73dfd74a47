"""Channels: the patches that activate one most, and the statistics of its layer's channels."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from compute.methods.attribution.guided_backprop import undefined_because
from compute.reports.drawing.report import Report
from compute.reports.patches import patches_report
from compute.reports.tables import table_report
from dashboard.data import runs
from dashboard.jobs import visitor
from dashboard.jobs.lookup import result_of
from dashboard.jobs.queued import finished
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads import method_result
from dashboard.sharing.downloads.download import NUMBERS, Download, command_line, own_code
from dashboard.views.definitions import ChannelsView
from featurestore.places import Place
from featurestore.reader import Run


@dataclass(frozen=True)
class _Drawn:
    """The one step of a job."""

    report: Report
    index: int = 1
    total: int = 1


def downloads(view: ChannelsView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    if not view.layer:
        return ()
    name = f"patches-{view.layer}-{view.channel}"
    asked = {"layer": view.layer, "channel": view.channel, "guided": view.guided}
    asked |= {"model": own_code(run)} if view.guided else {}
    owner = visitor.owner()
    patches = Download(
        name,
        "The patches" + (" and their guided backprop" if view.guided else ""),
        lambda: _patches(view, run, owner),
        command_line("patches", store, run, f"{name}.png", **asked),
    )
    statistics = Download(
        f"channels-{view.layer}",
        f"All channels of {view.layer}",
        lambda: table_report(run, "channels", view.layer),
        command_line("table", store, run, f"channels-{view.layer}.csv", name="channels", layer=view.layer),
        NUMBERS,
    )
    return patches, statistics, *(_ascent(view, run, store) if view.ascent else ())


def _ascent(view: ChannelsView, run: Run, store: Place) -> tuple[Download, ...]:
    """None before there is a result."""
    shown = view.in_the_lab(live=True)
    return method_result.downloads(shown, run, store, result_of(shown, run))


def _patches(view: ChannelsView, run: Run, owner: str) -> Report:
    if not view.guided:
        return patches_report(run, view.layer, view.channel, read=runs.original)
    said = f"patches to download {run.fingerprint} {view.layer} {view.channel}"
    key = hashlib.sha256(said.encode()).hexdigest()
    title = f"Patches of {view.layer}, channel {view.channel}"
    return finished(key, title, lambda: _guided(view, run), view, owner).report


def _guided(view: ChannelsView, run: Run) -> Iterator[_Drawn]:
    model = runs.model(run)
    able = model if undefined_because(model) is None else None
    yield _Drawn(patches_report(run, view.layer, view.channel, model=able, read=runs.original))
