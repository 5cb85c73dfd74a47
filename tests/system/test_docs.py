"""The documentation says what the code does: commands, options, tables, targets, links and pictures."""

import argparse
import re
import shlex
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from compute.__main__ import build_parser
from compute.__main__ import main as compute
from compute.demo.networks import demo_metadata
from compute.methods import METHODS
from dashboard.__main__ import parser as dashboard_parser
from dashboard.findings.__main__ import parser as findings_parser
from docs.generate import BETWEEN, PARTS, generated
from featurestore.__main__ import build_parser as store_parser
from featurestore.schemas import TABLES
from tests.support import ROOT
from tests.support.markdown import PAGES, anchors, blocks, commands, links, prose, read, table

README_BYTES = 10_000
PROGRAMS = {
    "python -m compute": lambda: build_parser([]),
    "python -m dashboard": dashboard_parser,
    "python -m dashboard.findings": findings_parser,
    "python -m featurestore": store_parser,
}


def page_ids(path: str) -> str:
    return PurePosixPath(path).stem


each_page = pytest.mark.parametrize(
    "page", [path.read_text() for path in PAGES.values()], ids=map(page_ids, PAGES)
)


def targets() -> dict[str, str]:
    """Makefile target -> its line of help."""
    found = (re.match(r"([a-z-]+):.*?## (.+)", line) for line in read("Makefile").splitlines())
    return {match[1]: match[2] for match in found if match}


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a program's commands, by name."""
    return {
        name: command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, command in action.choices.items()
    }


def all_options() -> set[str]:
    """Every long option of every program."""
    programs = [program() for program in PROGRAMS.values()]
    parsers = [*programs, *(each for program in programs for each in subcommands(program).values())]
    return {option for parser in parsers for action in parser._actions for option in action.option_strings}


def test_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_generated_parts_are_those_of_the_code(name):
    assert generated(read(name)) == read(name), "`make docs` writes them"


def test_every_generated_part_has_its_place():
    assert sorted(
        match[2] for path in PAGES.values() for match in BETWEEN.finditer(path.read_text())
    ) == sorted(PARTS)


def test_unknown_parts_are_named():
    with pytest.raises(ValueError, match="no part 'weather' is generated; there are tables"):
        generated("<!-- generated weather -->\n\n<!-- end weather -->")


def test_every_table_is_described():
    page = read("docs/store.md")
    sections = re.split(r"^### ", page, flags=re.M)[1:]
    described = {section.split("\n")[0]: list(table(section, "column")) for section in sections}
    assert described == {name: schema.names for name, schema in TABLES.items()}


def test_the_tests_that_hold_what_always_holds_are_there():
    held = table(read("docs/store.md"), "what holds")
    named = [re.findall(r"`(tests/\S+\.py)::(\w+)`", tests) for tests in held.values()]
    assert len(held) > 10 and all(named)
    missing = [
        f"{path}::{name}"
        for path, name in {each for tests in named for each in tests}
        if not re.search(rf"^(def {name}\(|{name} = \w+\.TestCase$)", read(path), re.M)
    ]
    assert not missing


def test_every_command_is_described():
    methods, reports = read("docs/methods.md").split("\n## Reports\n")
    listed = set(table(methods, "command")), set(table(reports, "command"))
    offered = set(subcommands(build_parser([]))) - {"store", "train-demo", "mcp"}
    assert listed == (set(METHODS), offered - set(METHODS))


@each_page
def test_commands_parse(page):
    for line in commands(page):
        program, arguments = _program(line)
        if program and len(arguments) > 1 and "--help" not in arguments:
            PROGRAMS[program]().parse_args(arguments)


def _program(line: str) -> tuple[str | None, list[str]]:
    """Which of ours a command line runs, and with which arguments; None where it runs none of them."""
    match = re.search(
        r"\b(python -m (?:compute|dashboard\.findings|dashboard|featurestore))(?![\w.])(.*)", line
    )
    return (match[1], shlex.split(match[2])) if match else (None, [])


def test_commands_are_found():
    lines = [line for path in PAGES.values() for line in commands(path.read_text())]
    found = [_program(line) for line in lines]
    assert {program for program, _ in found} >= {
        "python -m compute",
        "python -m dashboard",
        "python -m featurestore",
    }
    assert sum(program is not None and len(arguments) > 1 for program, arguments in found) >= 10


@each_page
def test_options_exist(page):
    spans = re.findall(r"`([^`\n]+)`", prose(page))
    named = {option for span in spans for option in re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", span)}
    named |= set(re.findall(r"(?<=with )--[a-z-]+(?= \|)", page))
    assert named <= all_options()


@each_page
def test_targets_and_variables_exist(page):
    makefile = read("Makefile")
    for line in commands(page):
        if re.match(r"make\b", line):
            words = shlex.split(line, comments=True)[1:]
            variables = {word.partition("=")[0] for word in words if "=" in word}
            assert {word for word in words if "=" not in word} <= set(targets()), line
            assert all(re.search(rf"^{name} *\?=", makefile, re.M) for name in variables), line


def test_variables_are_those_of_the_makefile():
    named = {name for cell in table(read("README.md"), "variable") for name in re.findall(r"[A-Z]+", cell)}
    assert named
    assert all(re.search(rf"^{name} +\?=", read("Makefile"), re.M) for name in named)


def test_help_lists_all_targets():
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(f"make {name} " in listed for name in targets())


@pytest.mark.parametrize("name", PAGES, ids=page_ids)
def test_links_lead_somewhere(name):
    for link in links(read(name)):
        file, _, anchor = link.partition("#")
        target = (ROOT / name).parent / file if file else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@each_page
def test_files_that_are_named_exist(page):
    spans = {" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))}
    named = {
        span
        for span in spans
        if re.fullmatch(r"(compute|dashboard|featurestore|tests|docs|\.ci)/[\w./-]+", span)
    }
    assert {path for path in named if not (ROOT / path).exists()} == set()


@each_page
def test_pictures_have_a_text(page):
    assert all(re.findall(r"!\[([^\]]*)\]\(", page))


def test_every_picture_is_shown_or_the_dark_one_of_a_pair():
    shown = {((ROOT / name).parent / link).resolve() for name in PAGES for link in links(read(name))}
    for picture in (ROOT / "docs").rglob("*.png"):
        light = picture.with_name(picture.name.replace("-dark.", "-light."))
        dark = picture.with_name(picture.name.replace("-light.", "-dark."))
        assert {picture, light, dark} & shown, picture


@pytest.mark.parametrize("name", ["demo", "digits"])
def test_accuracy_is_the_one_in_the_weights(name):
    assert f"{demo_metadata(name)['test_accuracy']:.3f}" in read("README.md")


def test_every_page_of_docs_is_linked_from_readme():
    assert {name for name in PAGES if name != "README.md"} <= {
        link.partition("#")[0] for link in links(read("README.md"))
    }


@pytest.mark.slow
def test_notebook_runs(tmp_path, monkeypatch):
    """All blocks of docs/python.md, one after the other, with a small store of the same name."""
    monkeypatch.chdir(tmp_path)
    coarse = ["--limit", "34", "--occlusion-patch", "48", "--occlusion-stride", "48"]
    assert compute(["store", "--store", "stores/demo", "--device", "cpu", *coarse]) == 0
    names: dict = {}
    found = blocks(read("docs/python.md"), "python")
    assert len(found) >= 7
    for block in found:
        exec(block, names)
    assert names["result"].array.shape == names["model"].input_size
    assert Path("saliency.png").stat().st_size > 1000
    assert Path("map.html").is_file()
