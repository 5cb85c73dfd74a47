"""The pixel space: what images look like side by side, without any network."""

import torch
from torch.nn import functional as F

PIXEL_SIDE = 32


def pixel_vectors(crops: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) crops -> (N, C * h * w), averaged over areas to h, w of at most 32."""
    size = [min(PIXEL_SIDE, side) for side in crops.shape[2:]]
    if all(side % areas == 0 for side, areas in zip(crops.shape[2:], size, strict=True)):
        # Rows first, which PyTorch adds several values at a time; areas that share rows take its slow way.
        rows = crops.unflatten(2, (size[0], -1)).mean(3)
        return rows.unflatten(3, (size[1], -1)).mean(4).flatten(1)
    return F.interpolate(crops, size=size, mode="area").flatten(1)
