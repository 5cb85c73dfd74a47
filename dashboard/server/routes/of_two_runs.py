"""HTTP routes of two runs: their maps laid upon each other, colors by what changed, the other's captions.

Images go by the first run's image_id, so that one color, selection and thumbnail serve both plots.
"""

from functools import lru_cache
from threading import Lock

import numpy as np
from starlette.routing import Route

from compute.analysis.thinning import Thinned
from compute.reports.maps.places import in_unit_square
from dashboard.data import comparison
from dashboard.data import runs as data
from dashboard.server.routes import thumbnail_sheets
from dashboard.server.routes.answering import BINARY, OpenRun, Payload, as_json, endpoint_of
from featurestore.reader import Run

SIDES = ("here", "there")

_one_at_a_time = Lock()


def comparison_routes(open_run: OpenRun) -> list[Route]:
    """Return the routes of two runs; addresses are made by `dashboard.views.urls`."""
    pair = "/compare-data/{store}/{fingerprint}/{other_store}/{other_fingerprint}"

    def of_two(answer):
        """Return an answer of two runs as one of a run and parameters."""
        return lambda run, other_store, other_fingerprint, **asked: answer(
            run, open_run(other_store, other_fingerprint), **asked
        )

    answers = {
        f"{pair}/points/{{method}}/{{side}}": _points,
        f"{pair}/sprites/{{method}}/{{side}}": _sprite_levels,
        f"{pair}/sprites/{{method}}/{{side}}/{{z}}/{{x}}_{{y}}": _sprites,
        f"{pair}/colors/{{method}}/{{column}}": _colors,
        f"{pair}/caption/{{image_id}}": _caption,
    }
    return [Route(path, endpoint_of(open_run, of_two(answer))) for path, answer in answers.items()]


def _points(run: Run, other: Run, method: str, side: str) -> Payload:
    """Answer as `map_bytes.positions` does; "there" is the other map, laid upon the first."""
    points, ids = _placed(run, other, method, side)
    x, y = points.T.astype("<f4")
    return Payload(x.tobytes() + y.tobytes() + ids.astype("<u4").tobytes(), BINARY)


def _placed(run: Run, other: Run, method: str, side: str) -> tuple[np.ndarray, np.ndarray]:
    if side not in SIDES:
        raise ValueError(f"unknown side {side!r}; sides are {', '.join(SIDES)}")
    found = comparison.moved(run, other, method)
    return found.here if side == "here" else found.aligned.points, found.ids


def _sprite_levels(run: Run, other: Run, method: str, side: str) -> Payload:
    return thumbnail_sheets.levels(_with_room(run, other, method, side)[0])


def _sprites(run: Run, other: Run, method: str, side: str, z: str, x: str, y: str) -> Payload:
    return thumbnail_sheets.sheet(run, *_with_room(run, other, method, side), int(z), int(x), int(y))


def _with_room(run: Run, other: Run, method: str, side: str) -> tuple[Thinned, np.ndarray]:
    with _one_at_a_time:
        return _thinned(run, other, method, side)


@lru_cache(maxsize=4)
def _thinned(run: Run, other: Run, method: str, side: str) -> tuple[Thinned, np.ndarray]:
    points, ids = _placed(run, other, method, side)
    return Thinned.of(in_unit_square(points)), ids


def _colors(run: Run, other: Run, method: str, column: str) -> Payload:
    if method not in data.choices(run).maps:
        raise ValueError(f"unknown map {method!r}")
    values = comparison.coloring(run, other, method, column).values
    return Payload(values.tobytes(), BINARY)


def _caption(run: Run, other: Run, image_id: str) -> Payload:
    """Answer what the other network says of the first run's image."""
    matched = comparison.compared(run, other).matched
    places = np.flatnonzero(matched.ids == int(image_id))
    if not len(places):
        raise ValueError(f"image {image_id} is not in both runs")
    image = other.image(int(matched.other_ids[places[0]]))
    shown = {name: image[name] for name in ("path", "label", "predicted", "probability", "correct")}
    return as_json({"image_id": int(image_id), **shown})
