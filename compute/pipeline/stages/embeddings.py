"""Maps of all images: PCA, t-SNE and UMAP of the L2-normalised features, the last two from one exact graph.

Every random choice follows from the seed, and everything runs on a fixed number of threads, so that the same
features give the same map."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from compute.neighbors.graph import Graph
from compute.neighbors.map_quality import quality

FEWEST_POINTS = 5
"""Below, t-SNE and UMAP have nothing to say: their maps are the PCA's."""

LEAST_RATE = 50
"""Of t-SNE's learning: at n / exaggeration, fewer than some 40 points end as one (scikit-learn has the same
floor)."""

LEAST_EXTENT = 1e-2
"""Of a map by t-SNE or UMAP, whose extents are 1 to 1000: below, all points lie at one place."""

STUMBLES = (ValueError, ArithmeticError, RuntimeError, TypeError, IndexError)
"""What the libraries raise where points are odd."""

PCA_DIMENSIONS = 50
PERPLEXITY = 30
UMAP_NEIGHBORS = 15
GRAPH_NEIGHBORS = 3 * PERPLEXITY
"""t-SNE's rule: three neighbours a unit of perplexity."""

SPECTRAL_POINTS = 100_000
"""Points up to which UMAP starts from the graph's eigenvectors, which take hours for a million."""

BLOCK = 1 << 16
"""Points that are held in float64 at once."""

TALL = 10
"""Times as many points as values, from where their covariance is less work than they are."""

WORTH_THREADS = 10_000
"""Points below which t-SNE's threads would mostly wait for each other."""


@dataclass(frozen=True)
class Points:
    """The images in feature space.

    unit: (n, D) float32, features of length 1
    graph: their nearest neighbours, cosine distances
    principal: (n, 50 or fewer) float64, principal components, the greatest first
    seed: of every random choice
    threads: for t-SNE
    """

    unit: np.ndarray
    graph: Graph
    principal: np.ndarray
    seed: int
    threads: int

    @property
    def euclidean(self) -> np.ndarray:
        """(n, k) Euclidean distances of the graph: |a - b|^2 = 2 (1 - cos) for vectors of length 1."""
        return np.sqrt(2 * self.graph.distances.astype(np.float64))


@dataclass(frozen=True)
class Map:
    """A map of all images.

    coordinates: (n, 2) float32
    parameters: of the method, ready for JSON
    """

    coordinates: np.ndarray
    parameters: dict[str, Any]


def normalised(features: np.ndarray) -> np.ndarray:
    """Return (n, D) float32 rows of L2 norm 1; a row of zeros stays one."""
    unit = np.empty(features.shape, np.float32)
    for start in range(0, len(features), BLOCK):
        part = features[start : start + BLOCK].astype(np.float64)
        norms = np.linalg.norm(part, axis=1, keepdims=True)
        unit[start : start + BLOCK] = part / np.where(norms > 0, norms, 1)
    return unit


def principal_components(unit: np.ndarray, seed: int) -> np.ndarray:
    """Return the scores (n, min(50, n, D)) float64.

    Of each component, the loading of greatest magnitude is positive.
    """
    from sklearn.decomposition import PCA

    number = min(PCA_DIMENSIONS, *unit.shape)
    if len(unit) < 2:
        return np.zeros((len(unit), number))
    if len(unit) > max(BLOCK, TALL * unit.shape[1]):
        return _principal_components_by_blocks(unit, number)
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance, where all points are one
        return PCA(number, random_state=seed).fit_transform(unit.astype(np.float64))


def _principal_components_by_blocks(unit: np.ndarray, number: int) -> np.ndarray:
    """The same from the covariance, as scikit-learn has it for as many points, but without a float64 copy of
    all of them."""
    mean = unit.mean(0, dtype=np.float64)

    def centered() -> Iterator[np.ndarray]:
        return (unit[start : start + BLOCK] - mean for start in range(0, len(unit), BLOCK))

    covariance = sum(block.T @ block for block in centered())
    axes = np.linalg.eigh(covariance)[1][:, : -number - 1 : -1]
    greatest = np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0)
    axes *= np.where(greatest < 0, -1, 1)
    return np.concatenate([block @ axes for block in centered()])


def pca(points: Points) -> Map:
    """Return the map of the first two principal components (zeros where there are fewer)."""
    plane = np.zeros((len(points.unit), 2), np.float32)
    first = points.principal[:, :2]
    plane[:, : first.shape[1]] = first
    return Map(plane, {"input": "L2-normalised features"})


def tsne(points: Points) -> Map:
    """t-SNE (van der Maaten & Hinton 2008) with the settings of Kobak & Berens 2019: started from the PCA
    scaled to a standard deviation of 1e-4, learning rate n / exaggeration, but at least 50, perplexity 30,
    or below n / 3.
    """
    from openTSNE import TSNEEmbedding, affinity, nearest_neighbors

    number = len(points.unit)
    perplexity = min(PERPLEXITY, (number - 1) / 3)
    neighbors = min(GRAPH_NEIGHBORS, points.graph.indices.shape[1])
    known = nearest_neighbors.PrecomputedNeighbors(
        points.graph.indices[:, :neighbors], points.euclidean[:, :neighbors]
    )
    affinities = affinity.PerplexityBasedNN(knn_index=known, perplexity=perplexity)
    start = pca(points).coordinates.astype(np.float64)
    start *= 1e-4 / max(start[:, 0].std(), np.finfo(float).tiny)
    threads = points.threads if number >= WORTH_THREADS else 1
    embedding = TSNEEmbedding(start, affinities, n_jobs=threads, random_state=points.seed)
    for iterations, exaggeration, momentum in ((250, 12, 0.5), (500, 1, 0.8)):
        rate = max(LEAST_RATE, number / exaggeration)
        embedding = embedding.optimize(
            iterations, exaggeration=exaggeration, momentum=momentum, learning_rate=rate
        )
    return Map(
        np.asarray(embedding, np.float32),
        {
            "perplexity": perplexity,
            "early_exaggeration": 12,
            "learning_rate": f"n / exaggeration, at least {LEAST_RATE}",
            "iterations": 750,
            "initialisation": "pca, std 1e-4",
            "neighbors": neighbors,
            "metric": "cosine",
        },
    )


def umap(points: Points) -> Map:
    """UMAP (McInnes et al. 2018): 15 neighbours, min_dist 0.1; of many points started from the PCA."""
    from umap import UMAP, umap_

    for compiled in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        compiled.enable_caching()  # else each process compiles them for seconds
    neighbors = min(UMAP_NEIGHBORS, len(points.unit) - 1)
    own = np.arange(len(points.unit))[:, None]
    indices = np.concatenate([own, points.graph.indices], 1)[:, :neighbors]
    distances = np.concatenate([np.zeros_like(own), points.graph.distances], 1)[:, :neighbors]
    spectral = len(points.unit) <= SPECTRAL_POINTS
    reducer = UMAP(
        n_neighbors=neighbors,
        min_dist=0.1,
        init="spectral" if spectral else pca(points).coordinates,
        metric="cosine",
        random_state=points.seed,
        n_jobs=1,
        precomputed_knn=(indices.astype(np.int32), distances.astype(np.float32)),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "precomputed_knn", UserWarning
        )  # it can't place new points: we have none
        coordinates = reducer.fit_transform(points.unit)
    return Map(
        np.asarray(coordinates, np.float32),
        {
            "n_neighbors": neighbors,
            "min_dist": 0.1,
            "metric": "cosine",
            "initialisation": "spectral" if spectral else "pca",
        },
    )


METHODS: dict[str, Callable[[Points], Map]] = {"pca": pca, "tsne": tsne, "umap": umap}

NO_MAP = "of these features it makes no finite numbers, or puts all images at one place"


class NoMap(ValueError):
    """A method that has no map of these points; the others may have one."""


def embed(method: str, points: Points) -> Map:
    """Return the map of a method; the PCA's of fewer than 5 points, or equal ones, and its parameters say so.

    NoMap, with the reason, where the method comes to none.
    """
    if len(points.unit) < FEWEST_POINTS:
        return _pca_instead(points, f"{method} needs at least {FEWEST_POINTS} images")
    if np.ptp(points.unit, axis=0).max() == 0:
        return _pca_instead(points, "all images have the same features")
    try:
        made = METHODS[method](points)
    except STUMBLES as error:
        raise NoMap(f"{method} stumbles over these features: {error}") from error
    if not np.isfinite(made.coordinates).all():
        raise NoMap(f"{method} gives numbers that are not finite")
    if method != "pca" and np.ptp(made.coordinates, axis=0).max() < LEAST_EXTENT:
        raise NoMap(f"{method} puts all images at one place")
    return made


def _pca_instead(points: Points, reason: str) -> Map:
    return Map(pca(points).coordinates, {"instead": f"pca, {reason}"})


def embeddings_table(method: str, number: int, image_ids: np.ndarray, coordinates: np.ndarray) -> pa.Table:
    """Return table `embeddings` of one method: `number` images, nulls for those not in image_ids (n,)."""
    plane = np.zeros((number, 2), np.float32)
    plane[image_ids] = coordinates
    missing = np.ones(number, bool)
    missing[image_ids] = False
    return pa.table(
        {
            "method": pa.array([method] * number, pa.string()),
            "image_id": np.arange(number),
            "x": pa.array(plane[:, 0], mask=missing),
            "y": pa.array(plane[:, 1], mask=missing),
        }
    )


def maps_table(method: str, points: Points, made: Map) -> pa.Table:
    """Return table `maps`: one row, the method's parameters and the map's quality."""
    measured = quality(points.unit, points.graph, made.coordinates, points.seed)
    scores = {name: measured.pop(name) for name in ("trustworthiness", "knn_preservation")}
    return pa.table(
        {
            "method": [method],
            **{name: pa.array([score], pa.float32()) for name, score in scores.items()},
            "seed": [points.seed],
            "parameters": [json.dumps(made.parameters | {"quality": measured}, sort_keys=True)],
        }
    )
