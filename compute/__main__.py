"""python -m compute COMMAND: a store of a whole data set, a method on one image, or training the demo."""

import argparse
import importlib
import os
import sys
from typing import Any

from compute.cli import description
from compute.runtime.notices import printed

ROOMS = ("store", "methods", "reports", "train_demo", "agents.command")
"""Modules of `compute.cli`, each with one command or several."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 2 for what a person can mend (said in one line), 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        arguments = _with_config(arguments)
        said = described_parser(arguments).parse_args(arguments)  # ends here for help and wrong options
        importlib.import_module("compute.cli.spelling").check(said, description.read()[arguments[0]])
        args = build_parser(arguments).parse_args(arguments)
        with printed():
            status = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads it, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where it was", file=sys.stderr)
        return 130


def _with_config(arguments: list[str]) -> list[str]:
    if not any(each.startswith("--conf") for each in arguments):
        return arguments
    return importlib.import_module("compute.cli.config").with_config(arguments)


def build_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser of the room that has the command, which it imports; of all rooms where there is no such."""
    parser = argparse.ArgumentParser(prog=description.PROGRAM, description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = description.read().get(arguments[0]) if arguments else None
    for room in ROOMS if asked is None else (asked["room"],):
        _add_room(room, subparsers)
    return parser


def described_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """The same of the description alone: it imports no room."""
    return description.parser_of(description.read(), __doc__, arguments[0] if arguments else None)


def described() -> str:
    """What the file of descriptions should say, by the rooms' own parsers."""
    commands: dict[str, dict[str, Any]] = {}
    for room in ROOMS:
        subparsers = argparse.ArgumentParser(prog=description.PROGRAM).add_subparsers()
        _add_room(room, subparsers)
        commands |= description.described(room, subparsers)
    return description.written(commands)


def _add_room(room: str, subparsers: argparse._SubParsersAction) -> None:
    importlib.import_module(f"compute.cli.{room}").add_parser(subparsers)


if __name__ == "__main__":
    sys.exit(main())
