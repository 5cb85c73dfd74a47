"""README says what the code does: commands, options, tables, targets and pictures."""

import re
import shlex
import subprocess
import sys

import pytest

from compute.__main__ import build_parser
from compute.cli import reports
from compute.demo.networks import demo_metadata
from compute.methods import METHODS
from featurestore.schemas import TABLES
from tests.support import ROOT

README = (ROOT / "README.md").read_text()
QUERIES = {query.__name__.rpartition(".")[2].replace("_", "-") for query in reports.QUERIES}


def rows(first_cell: str) -> dict[str, str]:
    """The README table whose header begins with `first_cell`: name in its first cell -> rest of the row."""
    table = README.partition(f"| {first_cell} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = (line.strip("| ").split(" | ", 1) for line in table)
    return {name.strip("`"): rest for name, rest in cells}


def targets() -> dict[str, str]:
    """Makefile target -> its line of help."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    found = (re.match(r"([a-z-]+):.*?## (.+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def test_tables_have_the_columns_of_the_schema():
    documented = {name: re.findall(r"`(\w+)`", columns) for name, columns in rows("table").items()}
    assert documented == {name: schema.names for name, schema in TABLES.items()}


def test_every_method_and_query_is_listed():
    assert set(rows("command")) == set(METHODS) | QUERIES


def test_commands_parse():
    parser = build_parser([])
    commands = re.findall(r"python -m compute ([^\n`|]+)", README)
    shown = [shlex.split(each.split(" #")[0]) for each in commands if "METHOD" not in each]
    assert len(shown) >= 4
    for arguments in shown:
        if arguments[1:] and arguments[-1] != "--help" and arguments[0] != "train-demo":
            parser.parse_args(arguments)


def test_variables_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = {name for cell in rows("variable") for name in re.findall(r"[A-Z]+", cell)}
    assert named
    assert all(re.search(rf"^{name} +\?=", makefile, re.M) for name in named)


def test_targets_exist_and_help_lists_them():
    named = set(re.findall(r"`?make ([a-z][a-z-]*)", README)) - {"it"}
    assert named <= set(targets())
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(f"make {name} " in listed for name in targets())


def test_pictures_are_there_and_have_a_text():
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert pictures
    for text, path in pictures:
        assert text
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("name", ["demo", "digits"])
def test_accuracy_is_the_one_in_the_weights(name):
    assert f"{demo_metadata(name)['test_accuracy']:.3f}" in README


def test_stage_options_are_in_the_help():
    shown = subprocess.run(
        [sys.executable, "-m", "compute", "store", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in re.findall(r"`(--[a-z-]+)`", README.partition("## The methods")[0]):
        assert option in shown
