"""The pictures an attack may choose from: those near the original one, as a norm measures nearness.

Each ball is a parameterisation in pixels: `constrain` projects to the ball and then clamps to [0, 1], which
never leaves it again. `saved` is the variable rounded to 8 bits, still inside.
"""

import math

from torch import Tensor

from compute.images.saved_image import LEVELS, eight_bit
from compute.methods.optimize.parameterizations import Pixels

SHRINK = 0.98


class LInfBall(Pixels):
    """Pictures of which no value differs from the centre's by more than `radius`.

    The radius is rounded down to k/255: rounding a picture to 8 bits then stays inside.
    """

    def __init__(self, centre: Tensor, radius: float):
        """centre: (1, C, H, W), values k/255. radius: as a share of the range [0, 1]."""
        super().__init__(centre)
        self.centre, self.radius = centre, math.floor(radius * LEVELS + 1e-6) / LEVELS

    def constrain(self) -> None:
        """Project to the ball: clamp each difference to ±radius, and then the picture to [0, 1]."""
        near = (self.variable - self.centre).clamp(-self.radius, self.radius)
        self.variable = (self.centre + near).clamp(0, 1)

    def saved(self) -> Tensor:
        return eight_bit(self.variable)


class L2Ball(Pixels):
    """Pictures whose difference from the centre has, over all values, an L2 norm of at most `radius`."""

    def __init__(self, centre: Tensor, radius: float):
        """centre: (1, C, H, W), values k/255. radius: for values in [0, 1]."""
        super().__init__(centre)
        self.centre, self.radius = centre, radius

    def constrain(self) -> None:
        """Project to the ball: shorten a difference that is too long, and clamp the picture to [0, 1]."""
        difference = self.variable - self.centre
        self.variable = (self.centre + difference * self._share(difference)).clamp(0, 1)

    def saved(self) -> Tensor:
        """Return the picture in 8 bits, still inside the ball.

        Rounding can lead out of the ball; then a slightly smaller difference is rounded.
        """
        difference = self.variable - self.centre
        while (rounded := eight_bit(self.centre + difference)).sub(self.centre).norm() > self.radius:
            difference = difference * SHRINK
        return rounded

    def _share(self, difference: Tensor) -> float:
        norm = float(difference.norm())
        return 1.0 if norm <= self.radius else self.radius / norm


class WholeRange(Pixels):
    """All pictures: the step of the lecture (CS231n) has no ball."""

    def saved(self) -> Tensor:
        return eight_bit(self.image())
