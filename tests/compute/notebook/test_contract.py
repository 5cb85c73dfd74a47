"""Every method and report in a notebook makes the bytes and numbers of the command line that it shows."""

import json
import re
import shlex
from functools import cache

import numpy as np
import pytest

from compute import METHODS, REPORTS, describe, load_model, make_report, run_method
from compute.__main__ import main
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET
from compute.methods.recipe import finite
from compute.models.model import Model
from compute.reports.base import OTHER_RUN, OTHER_RUNS
from compute.reports.notebook.result import Result
from featurestore.notebook.html import NOT_SHOWN
from tests.compute.reports.test_contract import EXAMPLES, run, second_run
from tests.support.methods import brief

pytestmark = pytest.mark.slow

MOST = 900_000
"""Characters of a card."""


@cache
def model() -> Model:
    return load_model(run(), device="cpu")


def made_method(name: str) -> Result:
    method = METHODS[name]
    reads = method.needs | method.takes
    named = {
        IMAGE: run().image(5) if IMAGE in reads else None,
        SECOND: run().image(8) if SECOND in reads else None,
        TARGET: model().classes[3] if TARGET in reads else None,
        LAYER: "conv2" if reads & {LAYER, NEURON, CHANNEL} else None,
        CHANNEL: 3 if reads & {NEURON, CHANNEL} else None,
    }
    return run_method(name, model(), progress=False, **named, **brief(method).to_dict())


def made_report(name: str) -> Result:
    report = REPORTS[name]
    reads = report.needs | report.takes
    named = {
        "image_id": 5 if {"image", "image_id"} & reads else None,
        "layer": "conv2" if "layer" in reads else None,
        "channel": 3 if "channel" in reads else None,
        OTHER_RUN: run() if OTHER_RUN in report.needs else None,
        OTHER_RUNS: (second_run(),) if OTHER_RUNS in reads else None,
    }
    given = {key: value for key, value in named.items() if value is not None}
    return make_report(name, run(), model=model(), **given | EXAMPLES[name])


def written(command: str, out, capsys) -> bytes:
    """What the command line writes to `out`."""
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "compute"] and words[-2] == "--out"
    capsys.readouterr()  # what making the store has said
    assert main([*words[3:-1], str(out), "--json"]) == 0
    return out.read_bytes()


available = [name for name in METHODS if name != "attention"]
"""The digits' network has no attention."""


@pytest.mark.parametrize("name", available)
def test_a_method_is_the_command_lines(name, tmp_path, capsys):
    result = made_method(name)
    for suffix in result.formats:
        saved = result.save(tmp_path / f"here{suffix}").read_bytes()
        assert written(result.command, tmp_path / f"x{suffix}", capsys) == saved, suffix
        printed = json.loads(capsys.readouterr().out)
        own = {key: value for key, value in result.numbers.items() if "seconds" not in key}
        assert printed.items() >= json.loads(json.dumps(finite(own))).items()
    for further in set(result.pictures) - {"result"}:
        saved = result.save(tmp_path / "further.png", picture=further).read_bytes()
        command = result.command.replace(" --out", f" --picture {shlex.quote(further)} --out")
        assert written(command, tmp_path / "x.png", capsys) == saved, further


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_the_command_lines(name, tmp_path, capsys):
    result = made_report(name)
    for suffix in result.formats:
        saved = result.save(tmp_path / f"here{suffix}").read_bytes()
        assert written(result.command, tmp_path / f"x{suffix}", capsys) == saved, suffix
        printed = json.loads(capsys.readouterr().out)
        assert printed.items() >= json.loads(json.dumps(result.numbers)).items()


@pytest.mark.parametrize("name", [*available, *REPORTS])
def test_a_result_shows_itself(name):
    result = made_method(name) if name in METHODS else made_report(name)
    card = result._repr_html_()
    assert "not shown" not in card and result.command.split()[3] in card and len(card) < MOST
    assert ("<img" in card) == (".png" in result.formats) and not re.search("<script|http|NaN", card)
    assert not NOT_SHOWN.search(card.replace("\n", "")) and result.title in repr(result)
    if ".png" in result.formats:
        assert np.asarray(result.picture).size > 1
    if result.report.array is not None:
        assert result.array.dtype == np.float32
    assert len(result.table) >= 0 and result.recipe


@pytest.mark.parametrize("name", [*METHODS, *REPORTS])
def test_a_description_names_every_parameter(name):
    declared = METHODS.get(name) or REPORTS[name]
    said = describe(name)
    assert [row[0] for row in said.rows] == [each.name for each in declared.parameters()]
    assert all(text in said._repr_html_() and text in repr(said) for text in (row[0] for row in said.rows))
    assert name in repr(describe()) and all(need in repr(said) for need in declared.needs)
    with pytest.raises(ValueError, match=f"no method or report '{name}x'; did you mean.*{name}"):
        describe(f"{name}x")


def test_a_method_that_the_network_lacks_says_why():
    with pytest.raises(ValueError, match="attention is not available for digits"):
        run_method("attention", model(), run().image(5))
