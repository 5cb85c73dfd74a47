"""A report in a notebook, from its declaration; and the images that a search finds."""

from typing import Any

from compute.methods.base import CHANNEL, IMAGE, LAYER
from compute.models.model import Model
from compute.reports.base import (
    MODEL,
    OTHER_MODEL,
    OTHER_RUN,
    OTHER_RUNS,
    RUN,
    STORED_IMAGE,
    ReportInputs,
    ReportSpec,
    originals_of,
)
from compute.reports.live.network import check_made
from compute.reports.maps.image_filter import searched
from compute.reports.notebook.given import (
    GivenImage,
    check_known,
    given_image,
    given_run,
    given_runs,
    plain,
    without_none,
)
from compute.reports.notebook.loading import loaded_as, network_of
from compute.reports.notebook.method_runs import image_option
from compute.reports.notebook.result import Result
from compute.reports.registry import REPORTS
from compute.runtime.parameters import command_line
from featurestore.notebook.images import StoredImage, StoredImages
from featurestore.reader import Run, Store


def make_report(
    name: str,
    run: Run | Store | Model | str,
    *,
    model: Model | None = None,
    other_model: Model | None = None,
    **named: Any,
) -> Result:
    """Make a report of a run.

    name: one of REPORTS, such as "patches".
    run: the run, or a store or its path, of which it is the current one; of filters a network will do.
    model, other_model: the networks of the run and of the other one, where they are loaded already; else
        they are loaded where the report needs them. ValueError for one that did not make its run.
    named: what the report reads, and its parameters: image, image_id, layer, channel, other_run, other_runs;
        count=9, say. docs/methods.md lists them.
    ValueError, with the choices, for unknown names and values, and for what is missing.
    """
    check_known("there is no report", [name], REPORTS)
    declared = REPORTS[name]
    parameters = {each.name for each in declared.parameters()}
    reads = (declared.needs | declared.takes) - {RUN, MODEL, OTHER_MODEL}
    named = plain(named)
    given = without_none({each: named.pop(each) for each in list(named) if each in _INPUTS - parameters})
    readable = reads | ({STORED_IMAGE} if IMAGE in reads else set())
    check_known(f"{name} reads no", given, readable | ({IMAGE} if STORED_IMAGE in reads else set()))
    check_known(f"{name} has no parameter", named, parameters)
    spec = declared(**named)
    if isinstance(run, Model):
        opened, network = None, run
    else:
        opened, network = given_run(run), model
    inputs, image = _inputs(spec, opened, network, other_model, given)
    report = spec.make(inputs)
    return Result(declared.title, report, *_command(spec, inputs, image, network, other_model))


def find_images(run: Run | Store | str, words: str) -> StoredImages:
    """Return the images of a run that a search finds, in the words of the Map page, as a wall of thumbnails.

    words: such as "label:=cat predicted:dog", "probability:..0.5" or "columns.NAME:1..2".
    ValueError for a malformed search.
    """
    if not isinstance(words, str):
        raise ValueError(f"images are found by the words of a search, not {type(words).__name__}")
    opened = given_run(run)
    return opened.images(searched(opened, words))


_INPUTS = {IMAGE, STORED_IMAGE, LAYER, CHANNEL, OTHER_RUN, OTHER_RUNS}


def _inputs(
    spec: ReportSpec,
    run: Run | None,
    network: Model | None,
    other_network: Model | None,
    given: dict[str, Any],
) -> tuple[ReportInputs, GivenImage | None]:
    reads = spec.needs | spec.takes
    image_id, image = given.get(STORED_IMAGE), given.get(IMAGE)
    if image is not None and image_id is not None:
        raise ValueError("image and image_id both name an image; give one of them")
    if isinstance(image, StoredImage) and run is not None and image.run.folder == run.folder:
        image_id, image = image["image_id"], None
    if image_id is not None and run is not None:
        image = run.image(image_id)
    if STORED_IMAGE in reads and image is not None and image_id is None:
        raise ValueError(f"{spec.name} is of one of the run's own images: give image_id")
    file = given_image(image) if IMAGE in reads and image is not None else None
    others = given.get(OTHER_RUNS)
    model = (lambda: network_of(run) if network is None else network) if MODEL in reads else None
    other = given_run(given[OTHER_RUN]) if OTHER_RUN in given else None
    for made, by in ((run, network), (other, other_network)):
        if made is not None and by is not None:
            check_made(made, by)
    return (
        ReportInputs(
            run,
            other,
            model,
            image_id,
            None if file is None else file.data,
            "" if file is None else file.name,
            given.get(LAYER),
            given.get(CHANNEL),
            read=ReportInputs.read if run is None else originals_of(run),
            other_runs=None if others is None else given_runs(others),
            other_model=(lambda: other_network or network_of(other)) if OTHER_MODEL in reads else None,
        ),
        file,
    )


def _command(
    spec: ReportSpec,
    inputs: ReportInputs,
    image: GivenImage | None,
    network: Model | None,
    other_network: Model | None,
) -> tuple[str | None, str]:
    """The command line that makes the report again or, in its place, why there is none."""
    options: dict[str, Any] = {}
    if inputs.run is not None:
        options = {"store": inputs.run.folder.parent.parent, "run": inputs.run.fingerprint}
    if network is not None and MODEL in spec.needs | spec.takes:
        loaded = loaded_as(network)
        if loaded is None:
            return None, "no command line makes this: the network was not loaded by load_model"
        options |= loaded.options()
    if other_network is not None and OTHER_MODEL in spec.needs | spec.takes:
        loaded = loaded_as(other_network)
        if loaded is None or loaded.run is None or set(loaded.said) - {"model", "device"}:
            return None, "no command line makes this: the other network was not loaded from its run"
        options |= {"other_model": loaded.said.get("model")}
    if image is not None:
        named = image_option(IMAGE, image, inputs.run)
        if named is None:
            return None, f"no command line makes this: {image.name} has no file that it could name"
        options |= named
    elif inputs.image_id is not None:
        options[STORED_IMAGE] = inputs.image_id
    options |= {LAYER: inputs.layer, CHANNEL: inputs.channel}
    if (other := inputs.other_run) is not None:
        options |= {"other_store": other.folder.parent.parent, OTHER_RUN: other.fingerprint}
    if others := inputs.other_runs:
        options["other_stores"] = tuple(str(each.folder.parent.parent) for each in others)
        options[OTHER_RUNS] = tuple(each.fingerprint for each in others)
    return command_line(spec.name, options | spec.options(), f"{spec.name}.png"), ""
