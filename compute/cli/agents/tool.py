"""What every tool is: its name and arguments, and the work that makes an answer of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compute.cli.agents.arguments import Argument

Progress = Callable[[float, float | None, str], None]
"""(done, total, of what): called between two steps. It ends the work, by an exception, once the request is
cancelled."""


@dataclass(frozen=True)
class Call:
    """One call of a tool: every argument's value by name, and whom to tell of the progress."""

    arguments: Mapping[str, Any]
    progress: Progress


@dataclass(frozen=True)
class Answer:
    """What a tool answers.

    said: ready for JSON, of bounded size.
    picture: a PNG file of bounded size, or None.
    """

    said: Mapping[str, Any]
    picture: bytes | None = None


@dataclass(frozen=True)
class Tool:
    """What an agent can ask for.

    description: for the agent.
    work: makes the answer, in a thread; ValueError or OSError says in one line what is wrong.
    runs_network: whether it may compute with the network, which one does at a time.
    """

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    work: Callable[[Call], Answer]
    runs_network: bool = False
