"""Parameters that are declared once, as the fields of a frozen dataclass.

Live methods and reports are declared with them. From the fields follow the validation, the options of the
command line, the dashboard's controls, the links and the contract tests.
"""

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BOUNDS = ("choices", "low", "high")
"""Facts of a parameter that say which values it may have."""


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple | None = None,
    source: str = "",
    option: str = "",
    special: Mapping[Any, str] | None = None,
    former: Any = None,
) -> Any:
    """Return a dataclass field with what a control, a command line option and a link need to know.

    default: also gives the type (bool, int, float or str).
    low, high: inclusive bounds.
    source: where the default comes from (paper, course note).
    option: name of the command line option, if it is not the field's.
    special: words for values that mean something else than their number, such as {0: "the image's own size"}.
        A page shows the words in place of the value; in the help they stand behind what the parameter is.
    former: a value that was the default in an earlier version: it stays as good as unsaid for the proofs of
        links, which were made when it was.
    """
    special = dict(special or {})
    meanings = [f"{value}: {words}" for value, words in special.items()]
    facts = {
        "about": help,
        "help": "; ".join([help, *meanings]),
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "source": source,
        "option": option,
        "special": special,
        "former": former,
    }
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class Parameters:
    """Base of what is declared with `parameter`; its values are checked when it is made.

    ValueError for a value of another type, beyond the bounds or not among the choices.
    """

    def __post_init__(self) -> None:
        for each in self.parameters():
            object.__setattr__(self, each.name, _validated(each, getattr(self, each.name)))

    @classmethod
    def parameters(cls) -> tuple[dataclasses.Field, ...]:
        """Return the declared fields, in their order."""
        return dataclasses.fields(cls)

    def to_dict(self) -> dict[str, Any]:
        """Return every parameter, defaults included: what a link carries."""
        return dataclasses.asdict(self)

    def options(self) -> dict[str, Any]:
        """Return every parameter by the name of its command line option."""
        return {option_name(each): getattr(self, each.name) for each in self.parameters()}


def option_name(declared: dataclasses.Field) -> str:
    """Return a parameter's name on the command line, with underscores and without the leading dashes."""
    return declared.metadata["option"] or declared.name


def option(name: str) -> str:
    """Return the option of a name: `pixel_space` is `--pixel-space`."""
    return "--" + name.replace("_", "-")


def check_bounds(name: str, value: Any, bounds: Mapping[str, Any]) -> None:
    """Raise ValueError for a value that is not among the choices, or beyond the bounds.

    bounds: "choices", "low" and "high", each where there are any.
    """
    choices, low, high = (bounds.get(each) for each in BOUNDS)
    if choices is not None and value not in choices:
        raise ValueError(f"{name} is {value!r}; choose from {', '.join(map(str, choices))}")
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise ValueError(f"{name} is {value!r}; it must be {bounds_text(bounds)}")


def bounds_text(bounds: Mapping[str, Any]) -> str:
    """Return "low" and "high" in words, such as "0 to 1" or "at least 1"; "" where there are none."""
    low, high = bounds.get("low"), bounds.get("high")
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def command_line(name: str, options: Mapping[str, Any], out: str) -> str:
    """Return `python -m compute NAME --option value … --out OUT`, quoted for a shell.

    options: by their names with underscores. None and "" are left out; True and False are written as
    `--option` and `--no-option`, several values one after the other.
    """
    words = [word for each, value in options.items() for word in _words(each, value)]
    return shlex.join(["python", "-m", "compute", name, *words, "--out", out])


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (option(name) if value else option(f"no_{name}"),)
    if value is None or value == "":
        return ()
    if isinstance(value, tuple):
        return (option(name), *map(str, value))
    text = str(value)
    # A value that looks like an option would be taken for one.
    return (f"{option(name)}={text}",) if text.startswith("-") else (option(name), text)


def _validated(declared: dataclasses.Field, value: Any) -> Any:
    kind, facts = type(declared.default), declared.metadata
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{declared.name} is {value!r}; it must be {kind.__name__}")
    check_bounds(declared.name, value, facts)
    return value
