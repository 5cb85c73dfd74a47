"""What the colors of a live result mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.images.pictures import RESULT, ends, ramp
from compute.methods.attribution.occlusion import Occlusion
from compute.methods.base import Method, Step
from compute.occlusion.drawing import Scale, class_hues


@dataclass(frozen=True)
class Legend:
    """A scale of colors, or a color for each class.

    colors: #rrggbb at equal steps from `low` to `high`.
    said: the unit, or a sentence where there is no scale.
    classes: name, color in [0, 1] and share of the map, the commonest first.
    """

    colors: Sequence[str] = ()
    low: float = 0.0
    high: float = 0.0
    said: str = ""
    classes: Sequence[tuple[str, tuple[float, float, float], float]] = ()


def legend_of(step: Step, method: Method, classes: Sequence[str]) -> Legend:
    """Return what the colors of a result's picture mean; without colors where it is an image."""
    if method.of_classes:
        found = step.data.astype(int)
        shares = {index: float((found == index).mean()) for index in class_hues(found)}
        return Legend(
            classes=[(classes[index], hue, shares[index]) for index, hue in class_hues(found).items()]
        )
    if (scale := scale_of(step.numbers, method)) is not None:
        colors, low, high = scale.legend
        return Legend(
            colors, low, high, f"change of the {scale.value} of {step.numbers['class']}, {scale.unit}"
        )
    if step.kind == "heatmap" and RESULT not in step.pictures:
        low, high = ends(step.data)
        return Legend(ramp(low), low, high, method.unit)
    return Legend(said="mid-grey is 0" if step.kind == "gradient" else "")


def scale_of(numbers: Mapping[str, Any], method: Method) -> Scale | None:
    """Return what the colors of an occlusion map of a score mean; None for another result."""
    if not isinstance(method, Occlusion) or "least_change" not in numbers:
        return None
    return Scale(method.value, numbers["least_change"], numbers["greatest_change"])
