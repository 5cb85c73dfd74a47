"""Image: the stored occlusion map, the neighbours, or what the tab's method made."""

from pathlib import Path

from compute.exhibits.occlusion import occlusion_drawing
from dashboard import data
from dashboard.exhibits import live
from dashboard.exhibits.exhibit import Exhibit, command_line
from dashboard.exhibits.neighbors import of_image
from dashboard.image_tabs import GLANCE, NEIGHBORS, OCCLUSION
from dashboard.results import Result
from dashboard.views import ImageView
from featurestore.reader import Run

NEIGHBORS_SHOWN = 12


def exhibits(view: ImageView, run: Run, store: Path, result: Result | None) -> tuple[Exhibit, ...]:
    if view.shows_result:
        return live.exhibits(view, run, store, result)
    if view.upload:
        return ()
    if view.tab == NEIGHBORS:
        return (of_image(view, run, store, NEIGHBORS_SHOWN),)
    return (_occlusion(view, run, store),) if view.tab in (GLANCE, OCCLUSION) and _mapped(view, run) else ()


def _mapped(view: ImageView, run: Run) -> bool:
    """Whether the store holds maps of the image; images that could not be read have none."""
    return "occlusion" in run.tables() and len(run.select("occlusion", view.image, columns=["target"])) > 0


def _occlusion(view: ImageView, run: Run, store: Path) -> Exhibit:
    name = f"occlusion-{view.image}-{view.value}"
    asked = {"image_id": view.image, "value": view.value, "overlay": view.overlay}
    return Exhibit(
        name,
        "The occlusion map",
        lambda: occlusion_drawing(run, view.image, view.value, view.overlay, read=data.original),
        command_line("occlusion-map", store, run, f"{name}.png", **asked),
    )
