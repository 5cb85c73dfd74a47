"""python -m compute REPORT: one sub-command a report, made from its declaration."""

import argparse
import sys
import time

from compute.cli.inputs import (
    Target,
    add_image_arguments,
    add_image_id,
    add_neuron_arguments,
    add_run_arguments,
    add_target_arguments,
    open_other_network,
    open_run,
    open_target,
    read_image,
)
from compute.cli.output import add_delivery_arguments, deliver
from compute.cli.parameters import add_parameters, chosen, escaped
from compute.methods.base import CHANNEL, IMAGE, LAYER
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
from compute.reports.registry import REPORTS
from featurestore.reader import Run, Store


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    for report in REPORTS.values():
        _add_report(subparsers, report)


def _add_report(subparsers: argparse._SubParsersAction, report: type[ReportSpec]) -> None:
    parser = subparsers.add_parser(report.name, help=report.title, description=escaped(report.description))
    _add_inputs(parser, report)
    group = parser.add_argument_group("parameters")
    add_parameters(group, report)
    add_delivery_arguments(parser)
    parser.set_defaults(run=run, report=report)


def _add_inputs(parser: argparse.ArgumentParser, report: type[ReportSpec]) -> None:
    reads = report.needs | report.takes
    if MODEL in reads:
        add_target_arguments(parser)
    else:
        add_run_arguments(parser, "the store that the report is made from", required=True)
    if MODEL in reads and RUN not in report.needs:
        parser.add_argument("--seed", type=int, metavar="N", help="of random weights (--weights none)")
    if OTHER_RUN in reads:
        parser.add_argument(
            "--other-store",
            metavar="S",
            required=OTHER_RUN in report.needs,
            help="the store of the other run",
        )
        parser.add_argument(
            "--other-run", metavar="FINGERPRINT", help="one of its runs (default: its current one)"
        )
    if OTHER_MODEL in reads:
        parser.add_argument(
            "--other-model", metavar="MODEL", help="the other run's network, where it is code of your own"
        )
    if OTHER_RUNS in reads:
        parser.add_argument(
            "--other-stores", metavar="S", nargs="+", required=True, help="the stores of the other runs"
        )
        parser.add_argument(
            "--other-runs",
            metavar="FINGERPRINT",
            nargs="+",
            help="a run of each of these stores, in their order (default: their current ones)",
        )
    if IMAGE in reads:
        add_image_arguments(parser)
    if STORED_IMAGE in reads:
        add_image_id(parser, required=True)
    add_neuron_arguments(parser, reads & {LAYER, CHANNEL}, required=True)


def run(args: argparse.Namespace) -> int:
    spec = args.report(**chosen(args, args.report))
    started = time.monotonic()
    report = spec.make(_inputs(args))
    if report.remark:
        print(f"note: {report.remark}", file=sys.stderr)
    further = dict(report.notes)
    if MODEL in spec.needs | spec.takes:
        further["seconds"] = time.monotonic() - started
    return deliver(args, report, **further)


def _inputs(args: argparse.Namespace) -> ReportInputs:
    reads = args.report.needs | args.report.takes
    run = _run(args)
    named = OTHER_RUN in reads and args.other_store is not None
    other_run = Store(args.other_store).open(args.other_run) if named else None
    image_id = args.image_id if reads & {IMAGE, STORED_IMAGE} else None
    return ReportInputs(
        run,
        other_run,
        (lambda: open_target(args).model) if MODEL in reads else None,
        image_id,
        read_image(args, Target(None, run)) if IMAGE in reads else None,
        (args.image or f"image {image_id}") if IMAGE in reads else "",
        args.layer if LAYER in reads else None,
        args.channel if CHANNEL in reads else None,
        read=originals_of(run) if run is not None else ReportInputs.read,
        other_runs=_other_runs(args) if OTHER_RUNS in reads else None,
        other_model=(lambda: open_other_network(args, other_run)) if OTHER_MODEL in reads else None,
    )


def _other_runs(args: argparse.Namespace) -> tuple[Run, ...]:
    stores, fingerprints = args.other_stores, args.other_runs or [None] * len(args.other_stores)
    if len(fingerprints) != len(stores):
        raise ValueError(
            f"--other-runs names {len(fingerprints)} runs of {len(stores)} stores; name one of each, or none"
        )
    return tuple(Store(store).open(run) for store, run in zip(stores, fingerprints, strict=True))


def _run(args: argparse.Namespace) -> Run | None:
    """None where the report needs no run, and a model is named in its place."""
    if RUN in args.report.needs:
        return open_run(args)
    return None if args.store is None or args.model is not None else open_run(args)
