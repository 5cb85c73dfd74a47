"""Image: the stored occlusion map, the neighbours, the strongest channels, or what the tab's method made."""

from compute.reports.base import ReportInputs
from compute.reports.channels.strongest_channels import StrongestChannelsSpec, strongest_report
from compute.reports.drawing.report import Report
from compute.reports.occlusion_map import OcclusionMapSpec, has_maps
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs import visitor
from dashboard.jobs.one_step import strongest_units, value_of
from dashboard.jobs.result import Result
from dashboard.sharing.downloads import method_result
from dashboard.sharing.downloads.download import Download, own_code, report_download
from dashboard.sharing.downloads.neighbors import of_image
from dashboard.views.definitions import ImageView
from dashboard.views.image_tabs import CHANNELS, GLANCE, NEIGHBORS, OCCLUSION
from featurestore.places import Place
from featurestore.reader import Run

NEIGHBORS_SHOWN = 12


def downloads(view: ImageView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return what the tab shows of the image; of an upload a live result alone."""
    if view.shows_result:
        return method_result.downloads(view, run, store, result)
    if view.upload:
        return ()
    if view.tab == NEIGHBORS:
        return (of_image(view, run, store, NEIGHBORS_SHOWN),)
    if view.tab == CHANNELS:
        return (_strongest(view, run, store),) if runs.choices(run).layers else ()
    mapped = view.tab in (GLANCE, OCCLUSION) and has_maps(run, view.image)
    return (_occlusion(view, run, store),) if mapped else ()


def _occlusion(view: ImageView, run: Run, store: Place) -> Download:
    spec = OcclusionMapSpec(value=view.value, overlay=view.overlay)
    inputs = ReportInputs(run, image_id=view.image, read=runs.original)
    return report_download(spec, store, inputs, f"occlusion-{view.image}-{view.value}", "The occlusion map")


def _strongest(view: ImageView, run: Run, store: Place) -> Download:
    """From the store alone where the network may not be used here."""
    stored, asker = runs.refusal(run) is not None, (visitor.owner(), visitor.address())
    return report_download(
        StrongestChannelsSpec(view.layer, stored),
        store,
        ReportInputs(run, image_id=view.image),
        "-".join(filter(None, ("strongest", view.layer, str(view.image)))),
        "The channels that respond most",
        lambda: _strongest_report(view, run, stored, asker),
        model=None if stored else own_code(run),
    )


def _strongest_report(view: ImageView, run: Run, stored: bool, asker: visitor.Asker) -> Report:
    row, found = run.image(view.image), None
    if not stored:
        image = ChosenImage(view.image, "", row["path"], row["sha256"] or "")
        found = value_of(strongest_units(run, image, view), *asker)
    with photographs.decoded(run, view.image) as photograph:
        return strongest_report(run, photograph, row["sha256"], view.image, view.layer, found)
