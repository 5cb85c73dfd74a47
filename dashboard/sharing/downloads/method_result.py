"""What a live method made: the picture and the array behind it, its further pictures, its curves."""

from compute.methods.recipe import result_recipe
from compute.reports.drawing.formats import NPY, PNG
from compute.reports.drawing.report import Report
from compute.reports.live.result import curves_table, result_report
from dashboard.jobs.lookup import requested
from dashboard.jobs.request import Request
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import NUMBERS, PICTURE_AND_NUMBERS, Download, own_code
from dashboard.views.state import LiveView
from featurestore.places import Place
from featurestore.reader import Run

INPUTS = ("target", "layer", "channel", "y", "x", "whole")


def downloads(view: LiveView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the result, its further pictures and its curves; nothing before there is a result."""
    if result is None:
        return ()
    wanted = requested(view, run)
    recipe, code = recipe_of(wanted, run), own_code(run)
    name = wanted.method.name
    whole = Download(
        name,
        "The result",
        lambda: result_report(result, recipe),
        wanted.command(str(store), model=code),
        (*PICTURE_AND_NUMBERS, NPY),
    )
    further = (
        Download(
            f"{name}-{each}",
            each.capitalize(),
            lambda each=each: result_report(result, recipe, name=each),
            wanted.command(str(store), model=code, picture=each),
            (PNG,),
        )
        for each in result.pictures
        if each != "result"
    )
    return whole, *further, *_curves(result, recipe, name)


def recipe_of(wanted: Request, run: Run) -> dict:
    """Return the recipe as the command line says it, whose files have the same bytes."""
    inputs = {each: getattr(wanted, each) for each in INPUTS}
    inputs |= {each: (getattr(wanted, each) or (None,))[0] for each in ("image", "second")}
    return result_recipe(wanted.method, run.manifest.model["name"], wanted.weights, inputs, run.fingerprint)


def _curves(result: Result, recipe: dict, name: str) -> tuple[Download, ...]:
    table = curves_table(result)
    if table is None:
        return ()
    make = Report({**recipe, "curves": True}, {}, None, lambda: table)
    return (Download(f"{name}-curves", "Deletion and insertion", lambda: make, None, NUMBERS),)
