"""Where a scatter plot puts its points, so that two plots can show the same part of one plane."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from dashboard.components import Camera

FILLED = 0.95
"""Half a side of a map in its plot, as in components/frontend/point_data.js."""


@dataclass(frozen=True)
class Frame:
    """A plot shows (point - center) * scale, within -1 to 1."""

    center: np.ndarray
    scale: float

    @classmethod
    def of(cls, points: np.ndarray) -> Self:
        """The frame that the component gives to points (n, 2)."""
        low, high = points.min(0), points.max(0)
        return cls((low + high) / 2, 2 * FILLED / (float((high - low).max()) or 1))

    def seen_from(self, camera: Camera, other: "Frame") -> Camera:
        """The camera in this frame that shows what `camera` shows in the other one."""
        point = np.array([camera.x, camera.y]) / other.scale + other.center
        x, y = ((point - self.center) * self.scale).tolist()
        return Camera(x, y, camera.zoom * other.scale / self.scale)
