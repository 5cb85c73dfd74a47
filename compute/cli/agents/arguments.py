"""The arguments of a tool: their JSON schema, and how what an agent gives is checked against them."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.cli.agents.bounded import text
from compute.runtime.parameters import check_bounds, option_name
from compute.runtime.suggestions import did_you_mean

KINDS: dict[type, tuple[str, str]] = {
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number"),
    float: ("number", "a number"),
    str: ("string", "a text"),
}
"""What JSON calls a type, and how a message says it."""


@dataclass(frozen=True)
class Argument:
    """One argument of a tool.

    kind: bool, int, float or str; of each entry, where there are `many`.
    about: what it is, for the agent.
    default: None where it may be left out and then means nothing.
    """

    name: str
    kind: type
    about: str
    default: Any = None
    choices: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None
    needed: bool = False
    many: bool = False

    def schema(self) -> dict[str, Any]:
        """Return its JSON schema."""
        facts = {"enum": self.choices and list(self.choices), "minimum": self.low, "maximum": self.high}
        said: dict[str, Any] = {"type": KINDS[self.kind][0]}
        said |= {name: value for name, value in facts.items() if value is not None}
        said = {"type": "array", "items": said, "minItems": 1} if self.many else said
        said |= {} if self.default is None else {"default": self.default}
        return {**said, "description": self.about}

    def read(self, value: Any) -> Any:
        """Return the value as Python has it; ValueError where it has another type, or is out of bounds."""
        if not self.many:
            return self._read(value)
        if not isinstance(value, list) or not value:
            raise ValueError(f"{self.name} is {shown(value)}; it must be a list with at least one entry")
        return tuple(map(self._read, value))

    def _read(self, value: Any) -> Any:
        if isinstance(value, float) and value.is_integer() and self.kind is int:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and self.kind is float:
            value = _float(self.name, value)
        if type(value) is not self.kind:
            raise ValueError(f"{self.name} is {shown(value)}; it must be {KINDS[self.kind][1]}")
        bounds = {"choices": self.choices, "low": self.low, "high": self.high}
        if isinstance(value, float) and value != value:
            raise ValueError(f"{self.name} is not a number")
        if isinstance(value, str) and self.choices is not None and value not in self.choices:
            raise ValueError(f"{self.name} is {shown(value)}; choose from {', '.join(self.choices)}")
        check_bounds(self.name, value, bounds)
        return value


def of_parameter(declared: dataclasses.Field) -> Argument:
    """Return a declared parameter as an argument, under the name of its option."""
    facts = declared.metadata
    notes = [f"unit: {facts['unit']}" if facts["unit"] else "", facts["source"]]
    further = "; ".join(filter(None, notes))
    about = f"{facts['help']} ({further})" if further else facts["help"]
    bounds = facts["choices"], facts["low"], facts["high"]
    return Argument(option_name(declared), type(declared.default), about, declared.default, *bounds)


def schema_of(arguments: Sequence[Argument]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments; there are no others."""
    return {
        "type": "object",
        "properties": {each.name: each.schema() for each in arguments},
        "required": [each.name for each in arguments if each.needed],
        "additionalProperties": False,
    }


def read(tool: str, declared: Sequence[Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every argument: what was given, or its default.

    What is null counts as not given. ValueError for unknown arguments, missing ones and wrong values.
    """
    known = [each.name for each in declared]
    for name in given:
        if name not in known:
            raise ValueError(f"{tool} has no argument {shown(name)}{did_you_mean(name, known, len(known))}")
    said = {name: value for name, value in given.items() if value is not None}
    for each in declared:
        if each.needed and each.name not in said:
            raise ValueError(f"{tool} needs {each.name}: {each.about}")
    return {each.name: each.read(said[each.name]) if each.name in said else each.default for each in declared}


def shown(value: Any) -> str:
    """Return a value that was given, in a message."""
    return text(repr(value), 80)


def _float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is too large a number") from error
