"""Channels: the patches that activate one most, and the statistics of its layer's channels."""

import dataclasses

from compute.reports.base import ReportInputs
from compute.reports.channels.atlas import AtlasSpec
from compute.reports.channels.patches import PatchesSpec
from compute.reports.channels.showcase import kept_report
from compute.reports.drawing.formats import PNG
from compute.reports.drawing.report import Report
from compute.reports.tables import TableSpec
from dashboard.data import runs
from dashboard.data.channels import filter_of, showcase
from dashboard.jobs import visitor
from dashboard.jobs.lookup import requested, result_of
from dashboard.jobs.one_step import one_step_task, value_of
from dashboard.jobs.result import Result
from dashboard.sharing.downloads import method_result
from dashboard.sharing.downloads.download import Download, own_code, report_download
from dashboard.sharing.downloads.strongest import strongest_download
from dashboard.views.definitions import ATLAS, ChannelsView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: ChannelsView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return a channel's patches, its layer's statistics and, where it is shown, what it looks for."""
    if view.show == ATLAS and runs.choices(run).layers:
        return _atlas(view, run, store)
    if not view.layer:
        return ()
    spec = PatchesSpec(guided=view.guided)
    inputs = ReportInputs(
        run, model=lambda: runs.model(run), layer=view.layer, channel=view.channel, read=runs.original
    )
    asker = visitor.owner(), visitor.address()
    patches = report_download(
        spec,
        store,
        inputs,
        f"patches-{view.layer}-{view.channel}",
        "The patches" + (" and their guided backprop" if view.guided else ""),
        (lambda: _guided(spec, inputs, view, asker)) if view.guided else None,
        model=own_code(run) if view.guided else None,
    )
    statistics = report_download(
        TableSpec("channels", view.layer),
        store,
        ReportInputs(run),
        f"channels-{view.layer}",
        f"All channels of {view.layer}",
    )
    return patches, statistics, *(_ascent(view, run, store) if view.ascent else _kept(view, run, store))


def _atlas(view: ChannelsView, run: Run, store: Place) -> tuple[Download, ...]:
    """Return the first tiles of each layer and, where one is open, all of that layer."""
    inputs, chosen = (
        ReportInputs(run, read=runs.original),
        dataclasses.asdict(filter_of(view)) | {"tile": view.tile},
    )
    every = report_download(AtlasSpec(**chosen), store, inputs, "atlas", "The channels of all layers")
    unusual = _by_picture(view, run, store)
    if not view.opened:
        return *unusual, every
    spec, title = AtlasSpec(layer=view.opened, **chosen), f"All channels of {view.opened}"
    return *unusual, every, report_download(spec, store, inputs, f"atlas-{view.opened}", title)


def _by_picture(view: ChannelsView, run: Run, store: Place) -> tuple[Download, ...]:
    """Return what responds to the picture, which comes first; none of an upload, which no command has."""
    if not view.picture or view.upload or view.image < 0:
        return ()
    return (strongest_download(view, run, store, box=view.picture_box, together=True),)


def _ascent(view: ChannelsView, run: Run, store: Place) -> tuple[Download, ...]:
    """None before there is a result."""
    shown = view.in_the_lab(live=True)
    return method_result.downloads(shown, run, store, result_of(shown, run))


def _kept(view: ChannelsView, run: Run, store: Place) -> tuple[Download, ...]:
    """The picture that the store keeps of the channel; its command makes it anew, with the same bytes."""
    picture = showcase.kept(run, view.layer, view.channel)
    if picture is None:
        return ()
    wanted = requested(view.in_the_lab(live=True, made_with=picture.parameters), run)
    name = wanted.method.name
    command = wanted.command(str(store), model=own_code(run))
    return (Download(name, "What it looks for", lambda: kept_report(picture), command, (PNG,)),)


def _guided(spec: PatchesSpec, inputs: ReportInputs, view: ChannelsView, asker: visitor.Asker) -> Report:
    """Made in the queue, as all that runs the network."""
    task = one_step_task(
        f"Patches of {view.layer}, channel {view.channel}",
        lambda: spec.make(inputs),
        view,
        depends_on=("patches to download", inputs.run.fingerprint, view.layer, view.channel),
    )
    return value_of(task, *asker)
