"""Points into the cells of a grid, each once: ours against scipy's exact `linear_sum_assignment`.

    python -m tests.benchmarks.building.grid [STORE]

The points are clustered ones, drawn from a seed, and, where a STORE is named, samples of its maps. Before
time is taken it is checked that every point has one cell, and how far the total squared distance is above the
optimum. 100 x 100 has no peer here: scipy would need 800 MB and minutes.
"""

import statistics
import sys

import numpy as np

from compute.analysis.assignment import assign, total_cost
from compute.pipeline.stages.grid import in_unit_square
from featurestore.reader import Store
from tests.benchmarks.reporting import report

SIDE, LARGE_SIDE, ROUNDS = 50, 100, 3
LIMIT = 1.1
"""Times the optimum."""


def main(stores: list[str]) -> None:
    rows = []
    for name, places in maps(stores).items():
        rows.append(against_exact(name, sample(places, SIDE)))
        if len(places) >= LARGE_SIDE**2:
            rows.append(alone(name, sample(places, LARGE_SIDE)))
    columns = [
        "points",
        "Featurescope, s",
        "scipy (exact), s",
        "scipy / ours",
        "above the optimum",
        "target, s",
    ]
    notes = ["Squared distances, as many points as cells."]
    print(report.write("grid", "Grid assignment", columns, rows, notes))


def maps(stores: list[str]) -> dict[str, np.ndarray]:
    """Name -> (n, 2) places."""
    random = np.random.default_rng(0)
    number = LARGE_SIDE**2
    found = {
        "clusters": random.normal(size=(40, 2))[random.integers(40, size=number)] * 5
        + random.normal(size=(number, 2))
    }
    for path in stores:
        run = Store(path).open()
        for method in run.table("maps", ["method"])["method"].to_pylist():
            table = run.embedding(method)
            places = np.stack([table[axis].to_numpy() for axis in ("x", "y")], 1)
            found[f"{method} of {len(places):,} images"] = places[np.isfinite(places).all(1)]
    return {name: places for name, places in found.items() if len(places) >= SIDE**2}


def sample(places: np.ndarray, side: int) -> np.ndarray:
    return in_unit_square(np.random.default_rng(0).choice(places, side**2, replace=False))


def against_exact(name: str, points: np.ndarray) -> list[str | float]:
    ours, exact = checked(points, SIDE), assign(points, SIDE, exact_cells=SIDE**2)
    above = total_cost(ours, points) / total_cost(exact, points)
    if above > LIMIT:
        raise ValueError(f"{name}: {above:.3f} times the optimum, more than {LIMIT}")
    runs = {"ours": lambda: assign(points, SIDE), "scipy": lambda: assign(points, SIDE, exact_cells=SIDE**2)}
    taken = report.alternately(runs, ROUNDS)
    ratio = statistics.median(taken["scipy"]) / statistics.median(taken["ours"])
    spreads = [report.spread(taken[each]) for each in runs]
    return [f"{name}, {SIDE} x {SIDE}", *spreads, ratio, f"{100 * (above - 1):.2f} %", "1"]


def alone(name: str, points: np.ndarray) -> list[str | float]:
    checked(points, LARGE_SIDE)
    taken = report.alternately({"ours": lambda: assign(points, LARGE_SIDE)}, ROUNDS)["ours"]
    return [f"{name}, {LARGE_SIDE} x {LARGE_SIDE}", report.spread(taken), "", "", "", "10"]


def checked(points: np.ndarray, side: int) -> np.ndarray:
    cells = assign(points, side)
    if sorted(cells.reshape(-1)) != list(range(len(points))):
        raise ValueError(f"not every point has one cell of {side} x {side}")
    return cells


if __name__ == "__main__":
    main(sys.argv[1:])
