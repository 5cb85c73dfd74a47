"""Points that benchmarks search among."""

import numpy as np

WIDTH = 512


def drawn(number: int, seed: int = 0) -> np.ndarray:
    """(number, WIDTH) vectors like features after a ReLU: around 40 centres, none below 0."""
    centres = np.random.default_rng(2).standard_normal((40, WIDTH), np.float32)
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((number, WIDTH), np.float32)
    vectors += centres[random.integers(40, size=number)]
    return np.maximum(vectors, 0, out=vectors)
