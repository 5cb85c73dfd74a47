"""What a question may use, and what it gives."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Limits:
    """What a question may use.

    rows, bytes: of the answer, which is cut there
    memory: bytes
    seconds: on the clock
    """

    rows: int = 1000
    bytes: int = 64 << 20
    memory: int = 1 << 30
    seconds: float = 20.0


@dataclass(frozen=True)
class Answer:
    """The rows of an answer.

    cut: why there would be more, or "".
    """

    table: pa.Table
    cut: str = ""
