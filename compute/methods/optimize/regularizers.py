"""What keeps a picture that is made from a network's gradients looking like one.

The lecture's (CS231n, "Network Visualization"; Simonyan et al. 2014 for the L2 norm; Yosinski et al. 2015,
"Understanding Neural Networks Through Deep Visualization", for blurring and clipping), and the priors of
Mahendran & Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them".
"""

import torch
from torch import Tensor

from compute.images.blurring import blurred
from compute.methods.optimize.loop import unit


class LectureRule:
    """v <- v + rate * u / |u| with u = gradient / |gradient| - 2 * l2 * v; every few steps, blur and clip.

    v is the picture in normalised units, so that 0 is the mean colour. CS231n doesn't divide the gradient by
    its norm before the L2 term joins it; then the term's default, made for scores, outweighs the far smaller
    gradients of channels, and the ascent goes down.
    """

    def __init__(
        self, rate: float, l2: float, every: int, blur: float, clip_values: float, clip_contributions: float
    ):
        """rate: L2 norm of a step. l2: weight of the squared L2 norm of v. every: steps from one blur and
        clip to the next. blur: standard deviation in pixels. clip_values, clip_contributions: the share of
        pixels set to the mean colour, those of smallest norm, and those that contribute least (|v · g| over
        the channels)."""
        self.rate, self.l2, self.every, self.blur = rate, l2, every, blur
        self.clip_values, self.clip_contributions = clip_values, clip_contributions
        self.count = 0

    def __call__(self, variable: Tensor, gradient: Tensor) -> Tensor:
        uphill = unit(gradient)
        variable = variable + self.rate * unit(uphill - 2 * self.l2 * variable)
        if self.count % self.every == 0:
            variable = clipped(
                variable, (variable * uphill).sum(1, keepdim=True).abs(), self.clip_contributions
            )
            variable = clipped(variable, variable.norm(dim=1, keepdim=True), self.clip_values)
            variable = blurred(variable, self.blur)
        self.count += 1
        return variable


def clipped(variable: Tensor, importance: Tensor, share: float) -> Tensor:
    """Set to 0 the `share` of pixels that have the least `importance` (N, 1, H, W)."""
    if share == 0:
        return variable
    return variable * (importance > torch.quantile(importance.flatten(1), share, dim=1).view(-1, 1, 1, 1))


def total_variation(images: Tensor, beta: float = 2.0) -> Tensor:
    """Return (N,): the mean of (dx² + dy²)^(beta / 2), with dx, dy the differences to the next pixels."""
    across = images[:, :, :-1, 1:] - images[:, :, :-1, :-1]
    down = images[:, :, 1:, :-1] - images[:, :, :-1, :-1]
    squares = across.square() + down.square()
    # At beta < 2 the root has no slope at 0.
    return (squares if beta == 2 else (squares + 1e-12) ** (beta / 2)).mean((1, 2, 3))


def alpha_norm(images: Tensor, centre: Tensor, alpha: float = 6.0) -> Tensor:
    """Return (N,): the mean over pixels and channels of |2 (image - centre)|^alpha.

    It is near 0 until values near the ends of [0, 1] are reached.
    """
    return (2 * (images - centre)).abs().pow(alpha).mean((1, 2, 3))
