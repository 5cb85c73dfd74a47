"""The command line without what it runs: for help, and for what is spelt wrong, nothing of torch is imported.

`commands.json` says of every command what its own parser says of it. `python -m docs.generate` writes the
file from the parsers, and a test holds that both print the same help.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from compute.runtime.option_values import names, numbers, on_or_off, size, value_range
from compute.runtime.parameters import BOUNDS, Parameters

COMMANDS = Path(__file__).with_name("commands.json")
TYPES = {each.__name__: each for each in (int, float, size, numbers, value_range, on_or_off, names)}
"""How a value is read, by the name that the description gives it."""

PLAIN = ("option_strings", "dest", "nargs", "const", "default", "choices", "required", "help", "metavar")
PROGRAM = "python -m compute"


def read() -> dict[str, dict[str, Any]]:
    """Return every command's description by its name."""
    return json.loads(COMMANDS.read_text(encoding="utf-8"))


def written(commands: dict[str, dict[str, Any]]) -> str:
    """Return the descriptions as the file has them."""
    return json.dumps(commands, indent=1, ensure_ascii=False) + "\n"


def described(room: str, parsers: argparse._SubParsersAction) -> dict[str, dict[str, Any]]:
    """Describe the commands that a module of `compute.cli`, its room, has added to `parsers`."""
    summaries = {each.dest: each.help for each in parsers._choices_actions}
    return {
        name: {
            "room": room,
            "summary": summaries[name],
            "description": parser.description,
            "groups": [group.title for group in parser._action_groups],
            "parameters": _bounds(parser._defaults.get("method") or parser._defaults.get("report")),
            "options": [
                {"group": group.title, **_described(each)}
                for each in parser._actions
                for group in parser._action_groups
                if each in group._group_actions and each.dest != "help"
            ],
        }
        for name, parser in parsers.choices.items()
    }


def parser_of(
    commands: dict[str, dict[str, Any]], about: str | None, asked: str | None
) -> argparse.ArgumentParser:
    """Return a parser of what is described, with the options of the command that is asked for alone.

    about: what is said of all commands together.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=about)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, said in commands.items():
        command = subparsers.add_parser(name, help=said["summary"], description=said["description"])
        if name == asked:
            _add_options(command, said)
    return parser


def _add_options(command: argparse.ArgumentParser, said: dict[str, Any]) -> None:
    """In the order of the usage line, which is not that of the groups."""
    groups = {group.title: group for group in command._action_groups}
    for title in said["groups"]:
        groups[title] = groups.get(title) or command.add_argument_group(title)
    for each in said["options"]:
        groups[each["group"]]._add_action(_action(each))


def _bounds(declared: type[Parameters] | None) -> dict[str, dict[str, Any]]:
    """The bounds of each parameter that has any."""
    found = {
        each.name: {name: each.metadata[name] for name in BOUNDS if each.metadata[name] is not None}
        for each in (declared.parameters() if declared else ())
    }
    return {name: bounds for name, bounds in found.items() if bounds}


def _described(action: argparse.Action) -> dict[str, Any]:
    """What JSON can say of an option; what is None is left out."""
    facts = {name: getattr(action, name) for name in PLAIN}
    facts |= {"action": type(action).__name__, "type": getattr(action.type, "__name__", None)}
    if facts["choices"] is not None:
        facts["choices"] = list(facts["choices"])
    return {name: value for name, value in facts.items() if value is not None}


def _action(said: dict[str, Any]) -> argparse.Action:
    """The option that is described; it keeps a value, or the one that it stands for."""
    facts = {name: said.get(name) for name in PLAIN} | {"type": TYPES.get(said.get("type", ""))}
    if said["action"] == argparse.BooleanOptionalAction.__name__:
        on = [each for each in said["option_strings"] if not each.startswith("--no-")]
        return argparse.BooleanOptionalAction(on, said["dest"], said["default"], help=said["help"])
    if said.get("nargs") == 0:
        names = ("option_strings", "dest", "const", "default", "help")
        return argparse._StoreConstAction(**{name: said.get(name) for name in names})
    return argparse._StoreAction(**facts)
