"""The channels that respond unusually strongly to an image of the store, or in a box on it."""

from compute.reports.base import ReportInputs
from compute.reports.channels.picture_box import PictureBox
from compute.reports.channels.strongest_channels import StrongestChannelsSpec, strongest_report
from compute.reports.drawing.report import Report
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs import visitor
from dashboard.jobs.one_step import strongest_units, value_of
from dashboard.sharing.downloads.download import Download, own_code, report_download
from dashboard.views.definitions import ChannelsView, ImageView
from featurestore.places import Place
from featurestore.reader import Run


def strongest_download(
    view: ImageView | ChannelsView,
    run: Run,
    store: Place,
    layer: str = "",
    box: PictureBox | None = None,
    together: bool = False,
) -> Download:
    """Return the channels of a layer, or of all, that respond most to the view's image.

    From the store alone where the network may not be used here.
    box, together: see `strongest_report`.
    """
    stored, asker = runs.refusal(run) is not None, (visitor.owner(), visitor.address())
    text = "" if box is None or stored else box.to_text()
    name = "-".join(filter(None, ("strongest", layer, str(view.image), "box" if text else "")))
    return report_download(
        StrongestChannelsSpec(layer, stored, text, together),
        store,
        ReportInputs(run, image_id=view.image),
        name,
        "The channels that respond most" + (" in the box" if text else ""),
        lambda: _report(view, run, layer, None if stored else box, together, stored, asker),
        model=None if stored else own_code(run),
    )


def _report(
    view: ImageView | ChannelsView,
    run: Run,
    layer: str,
    box: PictureBox | None,
    together: bool,
    stored: bool,
    asker: visitor.Asker,
) -> Report:
    image, found = ChosenImage.of(run, view.image), None
    if not stored:
        found = value_of(strongest_units(run, image, view, box), *asker)
    with photographs.decoded(run, view.image) as photograph:
        return strongest_report(run, photograph, image.sha256, view.image, layer, found, box, together)
