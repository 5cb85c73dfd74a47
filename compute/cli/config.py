"""A file of options (TOML), which stand in it as on the command line but for the dashes before them."""

import argparse
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from compute.cli import description
from compute.images.sources import is_own_name
from compute.runtime.suggestions import did_you_mean

OPTION = "--config"
PATHS = ("checkpoint", "classes", "images", "store")
STORE, DEVICE = "store", "device"
OF_MODEL = ("model", "the network's input")
"""The groups of options that say which model."""


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        OPTION,
        metavar="FILE",
        help='options as a TOML file, such as model = "torchvision:resnet18"; its paths are relative to it, '
        "and the command line's own options come before them",
    )


def with_config(arguments: list[str]) -> list[str]:
    """The command's arguments with those of the file that --config names in front, so that the command line's
    win.

    For `store` all of the file's are taken; for other commands those that say which model, and the device.
    Raises ValueError for a file that can't be read, for options that there are not, with near ones, and for
    values that no option takes.
    """
    path = _named(arguments)
    if path is None:
        return arguments
    said = _read(path)
    known = _options()
    unknown = [name for name in said if name.replace("_", "-") not in known]
    if unknown:
        raise ValueError(
            f"{path}: there is no option {unknown[0]!r}{did_you_mean(unknown[0], sorted(known))}"
        )
    taken = known if arguments[0] == STORE else {*_options(OF_MODEL), DEVICE}
    words = [
        f"--{name.replace('_', '-')}={_text(path, name, value)}"
        for name, value in said.items()
        if name.replace("_", "-") in taken
    ]
    return [arguments[0], *words, *arguments[1:]]


def _named(arguments: list[str]) -> Path | None:
    """The file, where the arguments name one."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(OPTION)
    found = parser.parse_known_args(arguments[1:])[0].config
    return None if found is None else Path(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the options {str(path)!r} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error


def _text(path: Path, name: str, value: Any) -> str:
    """As the command line has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ",".join(map(str, value))
    if not isinstance(value, str | int | float):
        raise ValueError(f"{path}: {name} is {value!r}; give text, a number or a list of them")
    return _whole(path.parent, name, value) if isinstance(value, str) else str(value)


def _whole(folder: Path, name: str, value: str) -> str:
    """A path relative to the file as one that is true from anywhere."""
    if name == "model":
        place, colon, function = value.rpartition(":")
        if place.endswith(".py"):
            return f"{folder / place}{colon}{function}"
        kind, colon, where = value.partition(":")
        return f"{kind}{colon}{folder / where}" if colon and where.startswith(".") else value
    is_image_set = name == "images" and is_own_name(value)
    return value if name not in PATHS or is_image_set or "://" in value else str(folder / value)


def _options(groups: Collection[str] | None = None) -> set[str]:
    """What `store` takes that has a value, without dashes; of these groups of options alone."""
    taking = [
        each
        for each in description.read()[STORE]["options"]
        if each.get("nargs") != 0 and (groups is None or each["group"] in groups)
    ]
    names = {option.removeprefix("--") for each in taking for option in each["option_strings"]}
    return names - {OPTION.removeprefix("--")}
