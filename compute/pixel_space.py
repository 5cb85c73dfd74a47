"""The pixel space: what images look like side by side, without any network."""

import torch
from torch.nn import functional as F

PIXEL_SIDE = 32


def pixel_vectors(crops: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) crops -> (N, C * h * w), averaged over areas to h, w of at most 32."""
    size = [min(PIXEL_SIDE, side) for side in crops.shape[2:]]
    return F.interpolate(crops, size=size, mode="area").flatten(1)
