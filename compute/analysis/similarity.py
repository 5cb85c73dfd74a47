"""How alike two arrangements of the same images are: maps laid upon each other, features compared."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Alignment:
    """A map laid upon another.

    points: (n, d) float64, the other map moved, turned or mirrored, and scaled to the same spread. residual:
    what is left, 0 (the same map) to 1. moved: (n,) distance of each point to its partner, in units of the
    map's spread, the root mean square distance of its points to their centre.
    """

    points: np.ndarray
    residual: float
    moved: np.ndarray


def procrustes(points: np.ndarray, other: np.ndarray) -> Alignment:
    """`other` (n, d) laid upon `points` (n, d), row by row, by the shift, the scale |X| / |Y| and the
    orthogonal R that leave the least sum of squares.

    With X, Y centred and Yᵀ X = U Σ Vᵀ: R = U Vᵀ (Schönemann 1966), and the residual is 1 - (tr Σ)² /
    (|X|² |Y|²), what the best scale would leave, the same whichever of the two is moved (Gower 1975; Gower
    and Dijksterhuis 2004, section 4). That scale is not taken: it shrinks a map that has nothing in common
    with the other to a point. ValueError where a map has all its points at one place.
    """
    if points.shape != other.shape or points.ndim != 2:
        raise ValueError(f"maps must be two (n, d) arrays of one shape, not {points.shape} and {other.shape}")
    x, center = _centered(points)
    y, _ = _centered(other)
    x_square, y_square = (x**2).sum(), (y**2).sum()
    if not (x_square > 0 and y_square > 0):
        raise ValueError(f"a map of {len(points)} points at one place can't be aligned")
    u, sigma, v = np.linalg.svd(y.T @ x)
    aligned = np.sqrt(x_square / y_square) * y @ (u @ v)
    moved = np.linalg.norm(aligned - x, axis=1) / np.sqrt(x_square / len(x))
    residual = 1 - sigma.sum() ** 2 / (x_square * y_square)
    return Alignment(aligned + center, float(np.clip(residual, 0, 1)), moved)


def linear_cka(features: np.ndarray, other: np.ndarray) -> float | None:
    """Linear centred kernel alignment of (n, D) and (n, E) features of the same n images, 0 to 1.

    |Yᵀ X|² / (|Xᵀ X| |Yᵀ Y|) of centred X and Y, Frobenius norms (Kornblith et al. 2019, equation 3 with
    linear kernels). Rotations and a common scale of the features don't change it. It is above 0 for
    unrelated features too, the more so the fewer images there are for each dimension: compare with
    `chance_cka`. None where a network gives all images one feature.
    """
    if len(features) != len(other):
        raise ValueError(f"features are of {len(features)} and of {len(other)} images")
    x, y = _centered(features)[0], _centered(other)[0]
    within = _product_norm(x, x) * _product_norm(y, y)
    return float(np.clip(_product_norm(x, y) ** 2 / within, 0, 1)) if within > 0 else None


def chance_cka(features: np.ndarray, other: np.ndarray, seed: int = 0) -> float | None:
    """`linear_cka` with the other run's images in a random order, seeded: what unrelated features have."""
    return linear_cka(features, other[np.random.default_rng(seed).permutation(len(other))])


def spread_sample(count: int, most: int) -> np.ndarray:
    """Indices 0 to count - 1, all of them or `most`, evenly spread."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


def _centered(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = np.asarray(points, np.float64)
    center = points.mean(0)
    return points - center, center


def _product_norm(x: np.ndarray, y: np.ndarray) -> float:
    """Frobenius norm of xᵀ y, by whichever product is smaller: |xᵀ y|² = <x xᵀ, y yᵀ>."""
    if len(x) >= max(x.shape[1], y.shape[1]):
        return float(np.linalg.norm(x.T @ y))
    return float(np.sqrt(np.vdot(x @ x.T, y @ y.T)))
