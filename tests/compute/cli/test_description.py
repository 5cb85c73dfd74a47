"""The description of the command line says what the commands' own parsers say; help needs nothing else."""

import argparse
import subprocess
import sys

import pytest

from compute.__main__ import build_parser, described, described_parser
from compute.cli.description import COMMANDS
from tests.support import ROOT

NAMES = tuple(build_parser([])._subparsers._group_actions[0].choices)
HEAVY = ("torch", "torchvision", "numpy", "PIL", "pyarrow", "matplotlib", "scipy", "numba", "compute.methods")
"""What neither help nor an error of spelling needs, and takes longer to import than both to print."""
OF_OTHERS = (
    "torchvision", "torch._dynamo", "scipy.stats", "numba", "umap", "sklearn", "pandas", "timm",
    "transformers", "matplotlib.figure", "compute.pipeline.job", "compute.reports.map",
)  # fmt: skip
"""What a method on the demo has no use for."""


def command_of(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    return parser._subparsers._group_actions[0].choices[name]


def imported(names: tuple[str, ...], *arguments: str) -> tuple[int, list[str]]:
    """The exit code of `python -m compute`, in a process of its own, and which of `names` it imported."""
    code = (
        "import sys\nfrom compute.__main__ import main\n"
        "try:\n    status = main(sys.argv[1:])\nexcept SystemExit as stop:\n    status = stop.code\n"
        f"print('imported', *(each for each in {names!r} if each in sys.modules))\n"
        "sys.exit(status)\n"
    )
    run = subprocess.run(
        [sys.executable, "-B", "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    last = run.stdout.splitlines()[-1].split()
    assert last[0] == "imported", run.stderr
    return run.returncode, last[1:]


def test_the_file_is_that_of_the_parsers():
    assert COMMANDS.read_text(encoding="utf-8") == described(), "`make docs` writes it"


@pytest.mark.parametrize("name", NAMES)
def test_help_is_that_of_the_commands_own_parser(name):
    said = command_of(described_parser([name]), name)
    own = command_of(build_parser([name]), name)
    assert said.format_help() == own.format_help()


def test_the_list_of_commands_is_the_same():
    assert described_parser([]).format_help() == build_parser([]).format_help()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("saliency", "--help"), 0),
        (("salency",), 2),
        (("saliency", "--imag-id", "three"), 2),
        (("saliency", "--image", "x.png", "--stpes", "3"), 2),
        (("ascend", "--steps", "many"), 2),
        (("map",), 2),
        ((), 2),
    ],
)
def test_help_and_wrong_spelling_import_nothing_heavy(arguments, code):
    assert imported(HEAVY, *arguments) == (code, [])


def test_a_method_imports_what_it_needs(tmp_path):
    picture = ROOT / "docs" / "gallery" / "occlusion.png"
    arguments = ("saliency", "--model", "demo", "--image", str(picture))
    assert imported(OF_OTHERS, *arguments, "--out", str(tmp_path / "x.png")) == (0, [])
    assert (tmp_path / "x.png").stat().st_size > 0
