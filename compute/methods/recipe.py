"""What a live result was made from, and its picture as the file that carries this."""

import json
import math
from collections.abc import Mapping
from typing import Any

from compute.images.pictures import picture, png
from compute.methods.base import Method, Step

RECIPE = "featurescope"
"""Where a file's metadata holds its recipe, as JSON."""


def result_recipe(
    method: Method, model: str, weights_hash: str, inputs: Mapping[str, Any], run: str | None = None
) -> dict[str, Any]:
    """Return all that a live result depends on.

    inputs: image and second as SHA-256 of their files, target's name, layer, channel, y, x, whole.
    """
    names = ("image", "second", "target", "layer", "channel", "y", "x")
    return {
        "method": method.name,
        "parameters": method.to_dict(),
        "model": model,
        "weights_hash": weights_hash,
        "run": run,
        "whole": bool(inputs.get("whole")),
        **{name: inputs.get(name) for name in names},
    }


def result_png(step: Step, recipe: Mapping[str, Any]) -> bytes:
    """Return a result's picture as the PNG that the method's command writes."""
    return png(picture(step), {RECIPE: recipe_text(recipe)})


def recipe_text(recipe: Mapping[str, Any]) -> str:
    """Return a recipe as JSON with sorted keys."""
    return json.dumps(finite(recipe), sort_keys=True)


def finite(value: Any) -> Any:
    """Return the same value with None for the numbers that JSON lacks: NaN and the infinities."""
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
