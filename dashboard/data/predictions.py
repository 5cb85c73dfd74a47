"""What a run's network says of an image, in words: a class, the labels that the image has, or nothing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from compute.network.outputs.meanings import ABOVE
from dashboard.text import percent, plain
from featurestore.reader import Run

NOTHING_PREDICTED = "This network gives no class scores, so it predicts nothing."


def predicts(run: Run) -> bool:
    """Return whether the run's network gives class scores."""
    return bool(run.class_names)


def labels_above(run: Run, ranked: Iterable[tuple[str, float]], titled: Callable[[str], str] = str) -> str:
    """Say which labels have a probability above a half; "" for a network of exclusive classes.

    ranked: classes and their probabilities.
    titled: says what a class is called.
    """
    if not run.manifest.independent_labels:
        return ""
    given = [plain(titled(name)) for name, probability in ranked if probability > ABOVE]
    return f"Labels above {ABOVE:.0%}: {', '.join(given)}" if given else f"No label is above {ABOVE:.0%}"


def prediction(run: Run, row: Mapping[str, Any], titled: Callable[[str], str] = str) -> str:
    """Say what is predicted of an image, and how probable it is.

    row: of `images`, of an image that could be read.
    titled: says what a class is called.
    """
    if row["predicted"] is None:
        return "no prediction"
    said = "most probable" if run.manifest.independent_labels else "predicted"
    return f"{said} {plain(titled(row['predicted']))} ({percent(row['probability'])})"
