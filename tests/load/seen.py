"""What a visitor saw."""

import hashlib
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Seen:
    """results: address -> digest of the picture's pixels. waits: seconds of each job, with its queue."""

    results: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    walked: int = 0
    errors: list[str] = field(default_factory=list)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
