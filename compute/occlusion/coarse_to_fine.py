"""A map that is made coarse first and refined in place: which positions come when, and how far off a stage
is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIRST_SHARE = 1 / 8
FIRST_MOST = 256


@dataclass(frozen=True)
class Stage:
    """A subset of a map's positions: every one of some rows at every one of some columns.

    rows, cols: ascending indices of positions, the first and the last of the map among them
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)


Grid = tuple[tuple[int, ...], tuple[int, ...]]


def stages(rows: int, cols: int) -> tuple[Stage, ...]:
    """Return in which order the positions of a rows x cols map are computed.

    The first stage is every 2^k-th position, the next every 2^(k-1)-th, and so on to all of them. The first
    has at most an eighth of the positions and at most 256; where the four corners are more than that, there
    is one stage.
    """
    found = [Stage(_every(1, rows), _every(1, cols))]
    most = min(FIRST_SHARE * rows * cols, FIRST_MOST)
    step = 1
    while len(found[0]) > most and step < max(rows, cols):
        step *= 2
        found.insert(0, Stage(_every(step, rows), _every(step, cols)))
    return tuple(found) if len(found[0]) <= most else (found[-1],)


def new_grids(stages: Sequence[Stage]) -> list[list[Grid]]:
    """Return what each stage adds to the one before it, as products of rows and columns."""
    grids: list[list[Grid]] = []
    rows: tuple[int, ...] = ()
    cols: tuple[int, ...] = ()
    for stage in stages:
        new_rows, new_cols = (_without(*each) for each in ((stage.rows, rows), (stage.cols, cols)))
        grids.append(
            [(down, across) for down, across in ((new_rows, stage.cols), (rows, new_cols)) if down and across]
        )
        rows, cols = stage.rows, stage.cols
    return grids


def interpolated(values: np.ndarray, stage: Stage, ys: Sequence[int], xs: Sequence[int]) -> np.ndarray:
    """Return the whole map (rows, cols), interpolated from its values at a stage's positions.

    values: (rows, cols), known at the stage's positions
    ys, xs: where the positions lie, in pixels
    Numbers are interpolated linearly along both axes; classes (whole numbers) are taken from the nearest
    position.
    """
    known = values[np.ix_(stage.rows, stage.cols)]
    weights = [_weights(at, chosen) for at, chosen in ((ys, stage.rows), (xs, stage.cols))]
    if np.issubdtype(values.dtype, np.integer):
        return known[np.ix_(*(each.argmax(1) for each in weights))]
    return (weights[0] @ known @ weights[1].T).astype(values.dtype)


def stage_error(
    values: np.ndarray, stage: Stage, ys: Sequence[int], xs: Sequence[int], exact: np.ndarray
) -> dict[str, float]:
    """Measure how far a stage's interpolated map is from what has been computed by now.

    values: (rows, cols)
    ys, xs: where the positions lie, in pixels
    exact: (rows, cols) bool, the positions that are computed
    Returns the mean and the maximum of the absolute difference over these positions, and Spearman's rank
    correlation; of classes, the share that is wrong.
    """
    coarse, found = interpolated(values, stage, ys, xs)[exact], values[exact]
    if np.issubdtype(values.dtype, np.integer):
        return {"wrong share": float((coarse != found).mean())}
    difference = np.abs(coarse - found)
    errors = {"mean error": float(difference.mean()), "maximum error": float(difference.max())}
    if np.ptp(coarse) > 0 and np.ptp(found) > 0:
        from scipy.stats import spearmanr

        errors["rank correlation"] = float(spearmanr(coarse, found).statistic)
    return errors


def _every(step: int, count: int) -> tuple[int, ...]:
    return tuple(sorted({*range(0, count, step), count - 1}))


def _without(positions: tuple[int, ...], known: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(positions) - set(known)))


def _weights(at: Sequence[int], chosen: Sequence[int]) -> np.ndarray:
    """(positions, chosen): what linear interpolation along one axis takes of each chosen position."""
    places = np.asarray(at, float)
    return np.stack([np.interp(places, places[list(chosen)], each) for each in np.eye(len(chosen))], 1)
