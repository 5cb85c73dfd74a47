"""python -m compute COMMAND: a store of a whole data set, a method on one image, or training the demo."""

import argparse
import importlib
import os
import sys

from compute.runtime.notices import printed

COMMANDS = ("store", "methods", "reports", "train_demo")
"""Modules of `compute.cli`; one that has its own name as its only sub-command is loaded alone."""


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 2 for what a person can mend (said in one line), 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        args = build_parser(arguments).parse_args(_with_config(arguments))
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
    parser = argparse.ArgumentParser(prog="python -m compute", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = arguments[0].replace("-", "_") if arguments else None
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        importlib.import_module(f"compute.cli.{name}").add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
