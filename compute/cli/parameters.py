"""Declared parameters as options of the command line."""

import argparse
import dataclasses
from collections.abc import Iterable
from typing import Any

from compute.runtime.parameters import Parameters, bounds_text, option, option_name


def add_parameters(group: argparse._ActionsContainer, declared: type[Parameters]) -> None:
    """Add one option a parameter; a bool has an on and an off form."""
    for each in declared.parameters():
        group.add_argument(
            option(option_name(each)),
            dest=each.name,
            default=each.default,
            help=help_text(each),
            **_reading(each),
        )


def chosen(args: argparse.Namespace, declared: type[Parameters]) -> dict[str, Any]:
    """Return the values that the command line gives to the parameters, by name."""
    return {each.name: getattr(args, each.name) for each in declared.parameters()}


def help_text(declared: dataclasses.Field) -> str:
    """Return a parameter's help: what it is, default, choices or bounds, unit, source of the default."""
    facts = declared.metadata
    said = [] if declared.default == "" else [f"default {_plain(declared.default)}"]
    if facts["choices"]:
        said.append("one of " + ", ".join(map(str, facts["choices"])))
    elif bounds := bounds_text(facts):
        said.append(bounds)
    if facts["unit"]:
        said.append(f"unit: {facts['unit']}")
    if facts["source"]:
        said.append(f"source: {facts['source']}")
    text = f"{facts['help']} ({'; '.join(said)})" if said else facts["help"]
    return escaped(text)


def escaped(text: str) -> str:
    """Return a text as argparse takes it, which has a meaning for the percent sign."""
    return text.replace("%", "%%")


def spoken_options(names: Iterable[str]) -> str:
    """Return names as options, such as "--layer, --channel"."""
    return ", ".join(map(option, names))


def _reading(declared: dataclasses.Field) -> dict[str, Any]:
    """How argparse reads the value."""
    kind = type(declared.default)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": kind, "metavar": {int: "N", float: "X", str: "NAME"}[kind]}


def _plain(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
