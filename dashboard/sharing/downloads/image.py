"""Image: the stored occlusion map, the neighbours, the strongest channels, or what the tab's method made."""

from compute.reports.base import ReportInputs
from compute.reports.occlusion_map import OcclusionMapSpec, has_maps
from dashboard.data import runs
from dashboard.jobs.result import Result
from dashboard.sharing.downloads import method_result
from dashboard.sharing.downloads.download import Download, report_download
from dashboard.sharing.downloads.neighbors import of_image
from dashboard.sharing.downloads.strongest import strongest_download
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
        return (strongest_download(view, run, store, view.layer),) if runs.choices(run).layers else ()
    mapped = view.tab in (GLANCE, OCCLUSION) and has_maps(run, view.image)
    return (_occlusion(view, run, store),) if mapped else ()


def _occlusion(view: ImageView, run: Run, store: Place) -> Download:
    spec = OcclusionMapSpec(value=view.value, overlay=view.overlay)
    inputs = ReportInputs(run, image_id=view.image, read=runs.original)
    return report_download(spec, store, inputs, f"occlusion-{view.image}-{view.value}", "The occlusion map")
