"""What a live method made: its picture, its array pixel by pixel, and a recipe of all it depends on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from compute.images.pictures import picture, to_8_bit
from compute.methods.base import Method, Step
from compute.reports.drawing.report import Drawing, array_table

CURVES = ("deletion_curve", "insertion_curve")


def result_recipe(
    method: Method, model: str, weights_hash: str, inputs: Mapping[str, Any], run: str | None = None
) -> dict[str, Any]:
    """inputs: image and second as SHA-256 of their files, target's name, layer, channel, y, x, whole."""
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


def result_drawing(
    step: Step, recipe: Mapping[str, Any], numbers: Mapping[str, Any] | None = None, name: str | None = None
) -> Drawing:
    """The result, or the further picture `name` of it; ValueError for one that it has not."""
    if name is not None and name not in step.pictures:
        raise ValueError(
            f"no picture {name!r}; choose from {', '.join(step.pictures) or 'none but the result'}"
        )
    array = step.data[..., 0] if step.data.ndim == 3 and step.data.shape[2] == 1 else step.data
    return Drawing(
        recipe if name is None else {**recipe, "picture": name},
        {"score": step.score, **step.numbers} if numbers is None else numbers,
        lambda: picture(step) if name is None else to_8_bit(step.pictures[name]),
        lambda: array_table(np.ascontiguousarray(array, np.float32)),
        lambda: array,
    )


def curves_table(step: Step) -> pa.Table | None:
    """The deletion and insertion curves, one share of the pixels a row; None where there are none."""
    if "curve_shares" not in step.numbers:
        return None
    lines = {name: step.numbers[name] for name in CURVES if name in step.numbers}
    return pa.table({"share": step.numbers["curve_shares"], **lines})
