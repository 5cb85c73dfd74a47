"""What holds for every declared report: its options, its command line, its files and numbers, its errors."""

import argparse
import dataclasses
import io
import json
import shlex
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from compute.__main__ import build_parser, main
from compute.cli.parameters import chosen
from compute.methods.recipe import RECIPE, finite
from compute.models.model import Model
from compute.models.zoo import ModelSpec, load
from compute.reports.base import (
    MODEL,
    OTHER_MODEL,
    OTHER_RUN,
    OTHER_RUNS,
    RUN,
    ReportInputs,
    ReportSpec,
    originals_of,
)
from compute.reports.compare.report import SHOWN
from compute.reports.drawing.formats import CSV, NPY, PARQUET, PNG
from compute.reports.drawing.report import Report
from compute.reports.registry import REPORTS
from featurestore.reader import Run, Store
from tests.support.stores.served import second_store, served_store

pytestmark = pytest.mark.slow

EXAMPLES = {
    "filters": {"scaling": "all", "pixel_space": False, "side": 20},
    "map": {"method": "pca", "color": "loss", "filter": "probability:0.5.. label:3"},
    "clusters": {"method": "umap", "color": "loss", "spread": 0.02, "filter": "loss:..<1"},
    "grid": {"method": "pca", "kind": "nearest", "seams": True, "filter": "label:=3 label:=4"},
    "neighbors": {"count": 3, "side": 30},
    "atlas": {
        "layer": "conv2",
        "sort": "mean",
        "only": "live",
        "find": "0-20",
        "columns": 5,
        "side": 20,
        "tile": "patch",
    },
    "patches": {"count": 4, "side": 30, "guided": False},
    "strongest": {"layer": "conv2", "stored": True},
    "occlusion-map": {"value": "logit", "target": "", "overlay": False},
    "confusion": {"split": "test"},
    "mistakes": {"split": "test", "label": "3", "predicted": "3"},
    "outvoted": {"count": 7, "split": "", "label": "", "majority": ""},
    "classes": {"split": "train"},
    "suspects": {"kind": "copy", "split": "train", "least": 0.4, "alike": 0.3},
    "compare": {"show": "neighbors", "k": 4, "kind": "fixed", "color": "moved"},
    "explain": {"show": "channels", "stored": False},
    "series": {"k": 4, "order": "made", "reference": ""},
    "table": {"table": "layers"},
}
"""Parameters other than the defaults, wherever the digits' store has what they ask for."""


@cache
def run() -> Run:
    return Store(served_store()).open()


@cache
def second_run() -> Run:
    return Store(second_store()).open()


@cache
def digits() -> Model:
    return load(ModelSpec("digits"), "cpu")


def inputs_of(report: type[ReportSpec]) -> ReportInputs:
    """Of the served store, what the report reads."""
    reads = report.needs | report.takes
    return ReportInputs(
        run(),
        run() if OTHER_RUN in report.needs else None,
        digits if MODEL in reads and RUN in report.needs else None,
        image_id=5 if {"image", "image_id"} & reads else None,
        layer="conv2" if "layer" in reads else None,
        channel=3 if "channel" in reads else None,
        read=originals_of(run()),
        other_runs=(second_run(),) if OTHER_RUNS in reads else None,
        other_model=digits if OTHER_MODEL in reads else None,
    )


def example(name: str) -> ReportSpec:
    return REPORTS[name](**EXAMPLES[name])


@cache
def made(name: str) -> Report:
    return example(name).make(inputs_of(REPORTS[name]))


def command(spec: ReportSpec, out: str) -> list[str]:
    """The words after `python -m compute` that make the report again."""
    inputs = inputs_of(type(spec))
    options = {name: getattr(inputs, name) for name in ("image_id", "layer", "channel")}
    if OTHER_RUN in spec.needs:
        options |= {"other_store": served_store(), "other_run": run().fingerprint}
    if OTHER_RUNS in spec.needs:
        options |= {"other_stores": (second_store(),), "other_runs": (second_run().fingerprint,)}
    return shlex.split(spec.command(served_store(), run(), out, **options))[3:]


every_report = pytest.mark.parametrize("name", REPORTS)


def test_every_report_has_an_example():
    assert set(EXAMPLES) == set(REPORTS)


@every_report
def test_a_report_is_declared_whole(name):
    report = REPORTS[name]
    assert report.name == name and report.title and report.description.endswith(".")
    assert dataclasses.is_dataclass(report) and report.__dataclass_params__.frozen
    assert RUN in report.needs or {RUN, MODEL} <= report.takes
    for each in report.parameters():
        assert each.metadata["help"] and type(each.default) in (bool, int, float, str)


@every_report
def test_every_parameter_reaches_the_command_line_and_comes_back(name):
    words = command(example(name), "x.png")
    args = build_parser(words).parse_args(words)
    assert args.report is REPORTS[name] and args.out == "x.png" and args.store == str(served_store())
    assert REPORTS[name](**chosen(args, REPORTS[name])) == example(name)
    inputs = inputs_of(REPORTS[name])
    for each in ("image_id", "layer", "channel"):
        if (value := getattr(inputs, each)) is not None:
            assert getattr(args, each) == value


@every_report
def test_the_command_line_writes_the_same_files_and_numbers(name, tmp_path, capsys):
    report = made(name)
    for suffix in report.formats():
        out = tmp_path / f"x{suffix}"
        words = command(example(name), str(out))
        capsys.readouterr()  # of the stores, which are built when the first test asks for them
        assert main([*words, "--json"]) == 0
        assert out.read_bytes() == report.file(suffix), suffix
        printed = json.loads(capsys.readouterr().out)
        assert printed.items() >= finite({**report.numbers, **report.notes}).items()


@every_report
def test_made_again_it_is_the_same_and_its_numbers_are_finite(name):
    first, again = made(name), example(name).make(inputs_of(REPORTS[name]))
    assert first.formats() == again.formats() and first.recipe_text() == again.recipe_text()
    for suffix in first.formats():
        assert first.file(suffix) == again.file(suffix)
    assert (PNG in first.formats()) == REPORTS[name].has_picture
    assert {CSV, PARQUET} <= set(first.formats())
    json.dumps(dict(first.numbers), allow_nan=False)
    if PNG in first.formats():
        with Image.open(io.BytesIO(first.file(PNG))) as picture:
            assert picture.width > 0 and picture.text[RECIPE] == first.recipe_text()
    if NPY in first.formats():
        assert np.isfinite(np.load(io.BytesIO(first.file(NPY)))).all()


@every_report
def test_the_recipe_names_the_report_and_what_it_was_made_from(name):
    recipe = made(name).recipe
    assert recipe["exhibit"].split()[0] == name
    assert recipe["weights_hash"] == run().manifest.model["weights_hash"]
    asked = {key: value for key, value in EXAMPLES[name].items() if key in recipe and value != ""}
    assert asked.items() <= recipe.items()
    table = pq.read_table(io.BytesIO(made(name).file(PARQUET)))
    assert table.schema.metadata[RECIPE.encode()].decode() == made(name).recipe_text()


@every_report
def test_another_value_of_a_parameter_is_another_recipe(name):
    for each in REPORTS[name].parameters():
        if name == "compare" and each.name not in ("show", "k"):
            continue  # read by other comparisons than the example's
        if (value := another(each, getattr(example(name), each.name))) is not None:
            spec = dataclasses.replace(example(name), **{each.name: value})
            report = spec.make(inputs_of(REPORTS[name]))
            assert report.recipe_text() != made(name).recipe_text(), each.name


def another(parameter: dataclasses.Field, value: object) -> object | None:
    """Another value that a parameter may have; None of free text, which must name something there is."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    choices = parameter.metadata["choices"] or ()
    return next((each for each in choices if each != value), None)


@every_report
def test_unknown_choices_and_values_beyond_the_bounds_are_named(name):
    for each in REPORTS[name].parameters():
        if choices := each.metadata["choices"]:
            with pytest.raises(ValueError, match=f"'nothing'.*{choices[0]}"):
                dataclasses.replace(example(name), **{each.name: "nothing"})
        if (low := each.metadata["low"]) is not None:
            with pytest.raises(ValueError, match=f"{each.name} is {low - 1}.*(at least {low}|{low} to)"):
                dataclasses.replace(example(name), **{each.name: low - 1})


@every_report
def test_what_is_missing_is_said(name):
    if REPORTS[name].needs:
        with pytest.raises(ValueError, match=f"{name} needs .*--"):
            example(name).make(ReportInputs())


@pytest.mark.parametrize("show", SHOWN)
def test_a_run_compared_with_itself_agrees(show):
    spec = dataclasses.replace(example("compare"), show=show, kind="all")
    report = spec.make(inputs_of(type(spec)))
    assert report.recipe["exhibit"] == f"compare {show}"
    table = report.tabulate()
    if "overlap" in table.column_names:
        assert {1.0, None} >= set(table["overlap"].to_pylist())


def test_options_are_the_declared_ones():
    parser = build_parser([])
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    for name, report in REPORTS.items():
        offered = {each.dest for each in commands.choices[name]._actions}
        assert {each.name for each in report.parameters()} <= offered
