"""A network, and what those who made it say of its input and its classes."""

from dataclasses import dataclass

from torch import nn

from compute.images.preprocessing import Preprocessing


@dataclass(frozen=True)
class Architecture:
    """A network and what is known of its input and its classes (None: must be told).

    head: its tensor that has as many rows as there are classes. unused: parts that a checkpoint may have and
    the scores don't need.
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] | None = None
    head: str | None = None
    unused: tuple[str, ...] = ()
