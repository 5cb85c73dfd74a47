"""Streamlit's options, from a file beside this one: the same in whatever folder the server is started."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("streamlit.toml")


def streamlit_options() -> dict[str, Any]:
    """Return the options by their dotted names, such as "server.headless"."""
    return dict(_options(tomllib.loads(FILE.read_text()), ""))


def _options(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _options(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
