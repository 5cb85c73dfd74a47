"""What makes a small network's first-layer filters edges and colour opponents rather than flat colours or
noise: whitened gradients and soft orthogonality."""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from torch.nn import functional as F

FLOOR = 0.01
NOISE = 0.008


def random_patches(rng: np.random.Generator, images: Tensor, size: int, number: int) -> Tensor:
    """`number` patches of size x size at random places of (N, C, H, W) images: (number, C * size * size)."""
    windows = sliding_window_view(images.numpy(), (size, size), axis=(2, 3))
    count, _, rows, columns = windows.shape[:4]
    image, y, x = (rng.integers(end, size=number) for end in (count, rows, columns))
    return torch.from_numpy(windows[image, :, y, x]).flatten(1)


def whitening(patches: Tensor) -> Tensor:
    """The symmetric (D, D) matrix that evens out the patches' principal components, for (P, D) patches.

    A natural image's variance is nearly all in its mean colour, and so are a filter's gradients. As in
    Olshausen & Field 1996, component i with variance v_i (largest 1) is scaled by 1 / sqrt(v_i + FLOOR), and
    those that are mostly noise are held back, here by v_i / (v_i + NOISE). The mean scale is 1."""
    second_moments = patches.double().T @ patches.double() / len(patches)
    variances, components = torch.linalg.eigh(second_moments)
    variances = variances.clamp(min=0) / variances[-1]
    scales = (variances + FLOOR).rsqrt() * variances / (variances + NOISE)
    return ((components * (scales / scales.mean())) @ components.T).float()


def likeness(filters: Tensor) -> Tensor:
    """Sum over pairs of different filters of their squared cosine, per filter (soft orthogonality, Bansal,
    Chen & Wang 2018): 0 when all are orthogonal. `filters` is (F, C, h, w)."""
    directions = F.normalize(filters.flatten(1), dim=1)
    cosines = directions @ directions.T
    return (cosines.square().sum() - len(filters)) / len(filters)
