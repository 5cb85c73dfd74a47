"""The description of the command line says what the commands' own parsers say; help needs nothing else."""

import argparse

import pytest

from compute.__main__ import build_parser, described, described_parser
from compute.cli.description import COMMANDS

NAMES = tuple(build_parser([])._subparsers._group_actions[0].choices)


def command_of(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    return parser._subparsers._group_actions[0].choices[name]


def test_the_file_is_that_of_the_parsers():
    assert COMMANDS.read_text(encoding="utf-8") == described(), "`make docs` writes it"


@pytest.mark.parametrize("name", NAMES)
def test_help_is_that_of_the_commands_own_parser(name):
    said = command_of(described_parser([name]), name)
    own = command_of(build_parser([name]), name)
    assert said.format_help() == own.format_help()


def test_the_list_of_commands_is_the_same():
    assert described_parser([]).format_help() == build_parser([]).format_help()
