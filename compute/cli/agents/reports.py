"""Every report as a tool, made from its declaration."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from compute.cli.agents.arguments import Argument, of_parameter
from compute.cli.agents.delivery import REPORT_ROWS, check_save, delivered, delivery_arguments, file_of
from compute.cli.agents.tool import Answer, Call, Tool
from compute.cli.agents.workspace import GivenImage, Workspace, given_image
from compute.methods.base import CHANNEL, IMAGE, LAYER
from compute.reports.base import (
    MODEL,
    OTHER_MODEL,
    OTHER_RUN,
    OTHER_RUNS,
    STORED_IMAGE,
    ReportInputs,
    ReportSpec,
)
from compute.reports.drawing.report import Report
from featurestore.places import place

DELIVERED = ("rows", "from_row", "with_picture", "save", "picture")
"""Arguments that say how much is answered of a result, not which."""


def report_tool(report: type[ReportSpec], workspace: Workspace) -> Tool:
    """Return the tool that makes a report of the workspace's run."""
    arguments = (
        *input_arguments(report, workspace.stores),
        *map(of_parameter, report.parameters()),
        *delivery_arguments(REPORT_ROWS, workspace.results, report.has_picture),
    )
    work = partial(_work, report, workspace)
    reads_model = MODEL in report.needs | report.takes
    return Tool(report.name, report.title, report.description, arguments, work, reads_model)


def input_arguments(report: type[ReportSpec], stores: tuple[str, ...]) -> tuple[Argument, ...]:
    """Return the arguments that say what a report is made from, beside the run."""
    reads = report.needs | report.takes
    found: list[Argument] = []
    if OTHER_RUN in reads:
        about, needed = "the store of the run that it is compared with", OTHER_RUN in report.needs
        found.append(Argument("other_store", str, about, choices=stores, needed=needed))
        found.append(Argument("other_run", str, "fingerprint of a run of it; its current one without"))
    if OTHER_RUNS in reads:
        about = "the stores of the other runs"
        found.append(Argument("other_stores", str, about, choices=stores, needed=True, many=True))
        about = "a run's fingerprint of each of these stores, in their order; their current ones without"
        found.append(Argument("other_runs", str, about, many=True))
    if IMAGE in reads:
        found += image_arguments()
    if STORED_IMAGE in reads:
        found.append(Argument("image_id", int, "one of the store's images", low=0, needed=True))
    if {LAYER, CHANNEL} & reads:
        found.append(Argument("layer", str, "a layer's name, as `describe` lists them", needed=True))
    if CHANNEL in reads:
        found.append(Argument("channel", int, "a channel of the layer, from 0", low=0, needed=True))
    return tuple(found)


def image_arguments(prefix: str = "", what: str = "image") -> tuple[Argument, ...]:
    """Return the two arguments of which either names an image."""
    return (
        Argument(f"{prefix}image_id", int, f"the {what}: one of the store's, by its number", low=0),
        Argument(f"{prefix}image_base64", str, f"or the {what}: a file's bytes (PNG, JPEG, …) in base64"),
    )


def key_of(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return what names a result by all that it depends on."""
    said = {name: value for name, value in arguments.items() if name not in DELIVERED}
    return hashlib.sha256(json.dumps([tool, said]).encode(errors="replace")).hexdigest()


def _work(report: type[ReportSpec], workspace: Workspace, call: Call) -> Answer:
    given = _with_runs_named(workspace, call.arguments)
    check_save(given.get("save"), workspace.results)
    spec = report(**{each.name: given[of_parameter(each).name] for each in report.parameters()})

    def step() -> None:
        call.progress(0, None, report.name)

    step()
    with workspace.watched(step):
        return _answered(spec, workspace, given, step)


def _answered(
    spec: ReportSpec, workspace: Workspace, given: Mapping[str, Any], step: Callable[[], None]
) -> Answer:
    report, reads = type(spec), spec.needs | spec.takes
    image = given_image(workspace, given) if IMAGE in reads else None

    def make() -> Report:
        return spec.make(_inputs(report, workspace, given, image))

    made = workspace.kept(key_of(report.name, given), make)
    step()
    notes = [made.remark] if made.remark else []
    command = _command(spec, workspace, given, image)
    numbers = {**made.numbers, **made.notes}
    return delivered(made, numbers, given, workspace.results, command, notes)


def _inputs(
    report: type[ReportSpec], workspace: Workspace, given: Mapping[str, Any], image: GivenImage | None
) -> ReportInputs:
    reads = report.needs | report.takes
    named = given.get("other_store") is not None
    other = workspace.other_run(given["other_store"], given["other_run"]) if named else None
    return ReportInputs(
        workspace.run,
        other,
        workspace.model if MODEL in reads else None,
        given["image_id"] if reads & {IMAGE, STORED_IMAGE} else None,
        None if image is None else image.content,
        "" if image is None else image.name,
        given.get(LAYER) if reads & {LAYER, CHANNEL} else None,
        given[CHANNEL] if CHANNEL in reads else None,
        read=workspace.read,
        other_runs=tuple(map(workspace.other_run, given["other_stores"], given["other_runs"]))
        if OTHER_RUNS in reads
        else None,
        other_model=partial(workspace.other_model, other) if OTHER_MODEL in reads else None,
    )


def _with_runs_named(workspace: Workspace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with every other run by its fingerprint: a store's current one may be replaced."""
    named: dict[str, Any] = {}
    if given.get("other_store") is not None:
        named[OTHER_RUN] = workspace.named_run(given["other_store"], given["other_run"])
    if stores := given.get("other_stores"):
        fingerprints = given["other_runs"] or [None] * len(stores)
        if len(fingerprints) != len(stores):
            found = f"{len(fingerprints)} runs of {len(stores)} stores"
            raise ValueError(f"other_runs names {found}; name one of each, or none")
        named[OTHER_RUNS] = tuple(map(workspace.named_run, stores, fingerprints))
    return {**given, **named}


def _command(
    spec: ReportSpec, workspace: Workspace, given: Mapping[str, Any], image: GivenImage | None
) -> str:
    """The command line that makes the same; of an image that was sent, "image" stands for its file."""
    reads = spec.needs | spec.takes
    names = ("other_store", "other_run", "other_stores", "other_runs", "image_id", "channel")
    inputs = {name: given.get(name) for name in names}
    if reads & {LAYER, CHANNEL}:
        inputs[LAYER] = given[LAYER]
    if image is not None and image.image_id is None:
        inputs["image"] = "image"
    network = workspace.options if MODEL in reads else {}
    out = file_of(given.get("save"), spec.name)
    return spec.command(place(workspace.store), workspace.run, out, **network, **inputs)
