"""One comparison: what it found and what it allows."""

from dataclasses import dataclass

import numpy as np

NOT_MEASURED = float("nan")


@dataclass(frozen=True)
class Check:
    """A comparison of the device with the CPU, of the device with itself, or of two ways on the device.

    name: what is compared
    found: how far the two are apart, not a number where that could not be told
    at_most: how far they may be
    unit: of both
    said: more in words, such as an error
    """

    name: str
    found: float
    at_most: float
    unit: str
    said: str = ""

    @property
    def holds(self) -> bool:
        """Whether they are near enough; what is not a number is not."""
        return bool(self.found <= self.at_most)

    @property
    def line(self) -> str:
        verdict = "holds " if self.holds else "FAILED"
        more = f": {self.said}" if self.said else ""
        return f"{verdict} {self.name}: {self.found:.3g} {self.unit}, at most {self.at_most:.3g}{more}"


def apart(found: np.ndarray, expected: np.ndarray, scale: float = 1.0) -> float:
    """Return the largest difference in units of `scale`; not a number where one is none and the other is.

    ValueError for arrays of two shapes, and for none at all: they would agree whatever they hold.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not found.size:
        raise ValueError(f"values of shape {found.shape} can't be compared with those of {expected.shape}")
    nowhere = np.isnan(found) & np.isnan(expected)
    return float(np.where(nowhere, 0, np.abs(found - expected)).max() / scale)


def different(found: np.ndarray, expected: np.ndarray) -> int:
    """Return how many values differ in their bytes. ValueError as `apart`."""
    apart(found, expected)
    size = found.dtype.itemsize
    pair = (np.ascontiguousarray(each).view(np.uint8).reshape(-1, size) for each in (found, expected))
    return int((next(pair) != next(pair)).any(1).sum())
