"""Image: the stored occlusion map, the neighbours, the strongest channels, or what the tab's method made."""

from compute.reports.drawing.report import Report
from compute.reports.occlusion_map import occlusion_map_report
from compute.reports.strongest_channels import strongest_report
from dashboard.data import photographs, runs
from dashboard.jobs import visitor
from dashboard.jobs.one_step import search
from dashboard.jobs.queued import finished
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads import method_result
from dashboard.sharing.downloads.download import Download, command_line, own_code
from dashboard.sharing.downloads.neighbors import of_image
from dashboard.views.definitions import ImageView
from dashboard.views.image_tabs import CHANNELS, GLANCE, NEIGHBORS, OCCLUSION
from featurestore.places import Place
from featurestore.reader import Run

NEIGHBORS_SHOWN = 12


def downloads(view: ImageView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    if view.shows_result:
        return method_result.downloads(view, run, store, result)
    if view.upload:
        return ()
    if view.tab == NEIGHBORS:
        return (of_image(view, run, store, NEIGHBORS_SHOWN),)
    if view.tab == CHANNELS:
        return (_strongest(view, run, store),) if runs.choices(run).layers else ()
    return (_occlusion(view, run, store),) if view.tab in (GLANCE, OCCLUSION) and _mapped(view, run) else ()


def _mapped(view: ImageView, run: Run) -> bool:
    """Whether the store holds maps of the image; images that could not be read have none."""
    return "occlusion" in run.tables() and len(run.select("occlusion", view.image, columns=["target"])) > 0


def _occlusion(view: ImageView, run: Run, store: Place) -> Download:
    name = f"occlusion-{view.image}-{view.value}"
    asked = {"image_id": view.image, "value": view.value, "overlay": view.overlay}
    return Download(
        name,
        "The occlusion map",
        lambda: occlusion_map_report(run, view.image, view.value, view.overlay, read=runs.original),
        command_line("occlusion-map", store, run, f"{name}.png", **asked),
    )


def _strongest(view: ImageView, run: Run, store: Place) -> Download:
    """From the store alone where the network may not be used here."""
    name = "-".join(filter(None, ("strongest", view.layer, str(view.image))))
    stored, owner = runs.refusal(run) is not None, visitor.owner()
    asked = {"image_id": view.image, "layer": view.layer}
    asked |= {"stored": True} if stored else {"model": own_code(run)}
    return Download(
        name,
        "The channels that answer most",
        lambda: _strongest_report(view, run, stored, owner),
        command_line("strongest", store, run, f"{name}.png", **asked),
    )


def _strongest_report(view: ImageView, run: Run, stored: bool, owner: str) -> Report:
    row, found = run.image(view.image), None
    if not stored:
        wanted = search(run, view.image, "", row["path"], row["sha256"] or "")
        found = finished(wanted.key, wanted.title, wanted.work, view, owner).layers
    photograph = photographs.photograph(run, view.image)
    return strongest_report(run, photograph, row["sha256"], view.image, view.layer, found)
