"""Compare: one image as both networks see it, in one scale."""

from collections.abc import Callable

from compute.reports.base import ReportInputs
from compute.reports.compare.explained import (
    CHANNELS,
    METHOD,
    OCCLUSION,
    SALIENCY,
    ExplainSpec,
    Side,
    channels_report,
    occlusion_report,
    saliency_report,
    sides_of,
)
from compute.reports.compare.measures import Compared
from compute.reports.drawing.report import Report
from compute.reports.occlusion_map import has_maps
from dashboard.data import comparison, photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs import visitor
from dashboard.jobs.method_task import method_task
from dashboard.jobs.one_step import step_of, strongest_units, value_of
from dashboard.sharing.downloads.download import Download, own_code, path_said, report_download
from dashboard.views.definitions import CompareView, ImageView
from dashboard.views.image_tabs import SALIENCY as SALIENCY_TAB
from dashboard.views.state import read_parameters
from featurestore.places import Place
from featurestore.reader import Run

TITLES = {
    SALIENCY: "Both networks' saliency",
    OCCLUSION: "Both occlusion maps",
    CHANNELS: "Both networks' strongest channels",
}


def saliency_view(store: str, run: Run, image_id: int) -> ImageView:
    """Return the view of a run's image with the saliency that two networks are held side by side in."""
    view = ImageView(store, run.fingerprint, image=image_id).on_tab(SALIENCY_TAB)
    parameters, _ = read_parameters(view.method, {"variant": METHOD.variant})
    return view.turned_to(view.method, parameters=parameters, live=True)


def explained(view: CompareView, compared: Compared, store: Place) -> tuple[Download, ...]:
    """Return what is held side by side of the view's image; nothing of one that the other run lacks.

    Saliency is offered where both networks may be used, occlusion where both runs have maps; channels come
    from the stores alone where one of the networks may not be used.
    """
    try:
        sides = sides_of(compared, view.image)
    except ValueError:
        return ()
    usable = all(runs.refusal(side.run) is None for side in sides)
    shown = [CHANNELS] if all(runs.choices(side.run).layers for side in sides) else []
    if all(has_maps(side.run, side.image_id) for side in sides):
        shown.insert(0, OCCLUSION)
    if usable:
        shown.insert(0, SALIENCY)
    return tuple(_download(view, sides, store, each, usable) for each in shown)


def _download(view: CompareView, sides: tuple[Side, Side], store: Place, show: str, usable: bool) -> Download:
    first, other = sides
    codes = (own_code(side.run) if usable and show != OCCLUSION else None for side in sides)
    return report_download(
        ExplainSpec(show, stored=show == CHANNELS and not usable),
        store,
        ReportInputs(first.run, other.run, image_id=first.image_id),
        f"explain-{show}-{first.image_id}",
        TITLES[show],
        _making(view, sides, show, usable),
        other_store=path_said(runs.stores()[comparison.other_store(view)]),
        other_run=other.run.fingerprint,
        **dict(zip(("model", "other_model"), codes, strict=True)),
    )


def _making(view: CompareView, sides: tuple[Side, Side], show: str, usable: bool) -> Callable[[], Report]:
    """Return what makes the report; both networks have their turn in the queue."""
    asker = visitor.owner(), visitor.address()
    stores = view.store, comparison.other_store(view)

    def make() -> Report:
        content = photographs.stored(sides[0].run, sides[0].image_id)
        if show == OCCLUSION:
            return occlusion_report(sides, content)
        both = [
            (saliency_view(name, side.run, side.image_id), side)
            for name, side in zip(stores, sides, strict=True)
        ]
        if show == SALIENCY:
            steps = [step_of(method_task(each, side.run), *asker) for each, side in both]
            return saliency_report(sides, content, steps)
        if not usable:
            return channels_report(sides, content, [None, None])
        images = [ChosenImage.of(side.run, side.image_id) for side in sides]
        tasks = [
            strongest_units(side.run, image, each) for image, (each, side) in zip(images, both, strict=True)
        ]
        return channels_report(sides, content, [value_of(task, *asker) for task in tasks])

    return make
