"""How far two results lie apart, from the arrays themselves or from a sketch small enough for a link.

A sketch holds the signs' sums of an array: with random signs s_i in {-1, 1}^N, <s_i, a - b>^2 has the mean
|a - b|^2, so that a few dozen of them estimate the distance of two arrays from their sketches alone (Alon,
Matias, Szegedy: The space complexity of approximating the frequency moments, 1999).
"""

import hashlib
import struct
from dataclasses import dataclass

import numpy as np

SUMS = 24
"""Sums a sketch; the estimate's relative standard deviation is sqrt(1 / (2 SUMS)), 14 %."""

UNIT = 1 / 3000
"""Resolution of a sum, in root mean squares of the array; sums up to 10.9 of them fit into 16 bits."""

_FORM = struct.Struct(f"<4sf{SUMS}h")
BYTES = _FORM.size


@dataclass(frozen=True)
class Sketch:
    """shape: 4 bytes of a hash of the array's shape. rms: root mean square. sums: (SUMS,) in units of it."""

    shape: bytes
    rms: float
    sums: tuple[int, ...]

    def to_bytes(self) -> bytes:
        return _FORM.pack(self.shape, self.rms, *self.sums)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Sketch":
        """ValueError for anything but `to_bytes`."""
        if len(data) != BYTES:
            raise ValueError(f"a sketch has {BYTES} bytes, not {len(data)}")
        shape, rms, *sums = _FORM.unpack(data)
        return cls(shape, rms, tuple(sums))


def sketch(array: np.ndarray) -> Sketch:
    """Return the sketch of a float array of any shape; its rms is not finite where the array is not."""
    flat = np.ascontiguousarray(array, np.float32).ravel()
    rms = float(np.float32(np.sqrt(np.mean(np.square(flat, dtype=np.float64))))) if flat.size else 0.0
    if not (rms and np.isfinite(rms)):
        return Sketch(_shape(array), rms, (0,) * SUMS)
    sums = np.array([_signed_sum(flat, index) for index in range(SUMS)]) / (rms * np.sqrt(flat.size))
    sums = np.clip(np.rint(sums / UNIT), -(2**15) + 1, 2**15 - 1).astype(int)
    return Sketch(_shape(array), rms, tuple(sums.tolist()))


def deviation(original: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square of the difference over that of the original; inf for another shape."""
    if original.shape != other.shape:
        return np.inf
    first, second = np.asarray(original, np.float64), np.asarray(other, np.float64)
    distance, size = np.linalg.norm((first - second).ravel()), np.linalg.norm(first.ravel())
    return _ratio(float(distance), float(size))


def estimated_deviation(original: Sketch, other: Sketch) -> float:
    """Estimate `deviation` from two sketches, to about 14 %.

    Deviations below 0.0005 can't be told apart.
    """
    if original.shape != other.shape:
        return np.inf
    first, second = (np.array(each.sums) * UNIT * each.rms for each in (original, other))
    return _ratio(float(np.sqrt(np.mean(np.square(first - second)))), original.rms)


def _ratio(distance: float, size: float) -> float:
    if not np.isfinite(distance):
        return np.inf
    return distance / size if size else (0.0 if distance == 0 else np.inf)


def _shape(array: np.ndarray) -> bytes:
    return hashlib.sha256(repr(array.shape).encode()).digest()[:4]


def _signed_sum(flat: np.ndarray, index: int) -> float:
    """<s, flat> with the signs of one generator; its raw stream is the same in every NumPy."""
    words = np.random.PCG64(index).random_raw(-(-flat.size // 64))
    signs = np.unpackbits(words.astype("<u8").view(np.uint8), count=flat.size).astype(bool)
    return 2 * float(flat.sum(where=signs, dtype=np.float64)) - float(flat.sum(dtype=np.float64))
