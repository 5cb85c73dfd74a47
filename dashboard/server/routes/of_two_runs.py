"""HTTP routes of two runs: their maps laid upon each other, colors by what changed, the other's captions.

Images go by the first run's image_id, so that one color, selection and thumbnail serve both plots.
"""

import numpy as np
from starlette.routing import Route

from dashboard.data import comparison
from dashboard.data import runs as data
from dashboard.server.routes.answering import BINARY, OpenRun, Payload, as_json, endpoint_of
from featurestore.reader import Run

SIDES = ("here", "there")


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
        f"{pair}/colors/{{method}}/{{column}}": _colors,
        f"{pair}/caption/{{image_id}}": _caption,
    }
    return [Route(path, endpoint_of(open_run, of_two(answer))) for path, answer in answers.items()]


def _points(run: Run, other: Run, method: str, side: str) -> Payload:
    """Answer as `map_bytes.positions` does; "there" is the other map, laid upon the first."""
    if side not in SIDES:
        raise ValueError(f"unknown side {side!r}; sides are {', '.join(SIDES)}")
    found = comparison.moved(run, other, method)
    x, y = (found.here if side == "here" else found.aligned.points).T.astype("<f4")
    return Payload(x.tobytes() + y.tobytes() + found.ids.astype("<u4").tobytes(), BINARY)


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
