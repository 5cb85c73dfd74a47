"""What a network returns, and what its numbers mean.

A network may return its class scores alone, or among others in a tuple, a dictionary or a dataclass; as (N,
C), as maps of one place (N, C, 1, 1), or without the dimensions of length 1. They may be logits, or what a
softmax or a sigmoid made of them. `finding` finds that once, with the help of `evidence`; `output` is what is
found.
"""

from compute.network.outputs.finding import find_output
from compute.network.outputs.meanings import (
    ABOVE,
    LOG_PROBABILITIES,
    LOGITS,
    MEANINGS,
    NONE,
    PROBABILITIES,
    SIGMOID,
)
from compute.network.outputs.output import BESIDE_ZERO, Output, undone

__all__ = [
    "ABOVE",
    "BESIDE_ZERO",
    "LOGITS",
    "LOG_PROBABILITIES",
    "MEANINGS",
    "NONE",
    "PROBABILITIES",
    "SIGMOID",
    "Output",
    "find_output",
    "undone",
]
