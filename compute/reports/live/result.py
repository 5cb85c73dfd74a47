"""What a live method made: its picture, its array pixel by pixel, and a recipe of all it depends on.

Optimised images are held against the strongest responses among a store's natural images, and can be led by
the images that respond so.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from compute.images.pictures import picture, to_8_bit
from compute.methods.base import Step
from compute.models.model import Model
from compute.reports.drawing.report import Report, array_table
from compute.reports.drawing.run_images import Originals, picture_of
from featurestore.reader import Run

REFERENCES = 9
"""Images that lead an ascent at most: as many as there are patches of a channel."""

CURVES = ("deletion_curve", "insertion_curve")


def result_report(
    step: Step, recipe: Mapping[str, Any], numbers: Mapping[str, Any] | None = None, name: str | None = None
) -> Report:
    """Report on a live result, or on the further picture `name` of it; ValueError for one that it lacks."""
    if name is not None and name not in step.pictures:
        raise ValueError(
            f"no picture {name!r}; choose from {', '.join(step.pictures) or 'none but the result'}"
        )
    array = step.data[..., 0] if step.data.ndim == 3 and step.data.shape[2] == 1 else step.data
    return Report(
        recipe if name is None else {**recipe, "picture": name},
        {"score": step.score, **step.numbers} if numbers is None else numbers,
        lambda: picture(step) if name is None else to_8_bit(step.pictures[name]),
        lambda: array_table(np.ascontiguousarray(array, np.float32)),
        lambda: array,
    )


def curves_table(step: Step) -> pa.Table | None:
    """Return the deletion and insertion curves, one share of the pixels a row; None where there are none."""
    if "curve_shares" not in step.numbers:
        return None
    lines = {name: step.numbers[name] for name in CURVES if name in step.numbers}
    return pa.table({"share": step.numbers["curve_shares"], **lines})


def strongest_activation(run: Run, layer: str, channel: int) -> float | None:
    """Return a channel's greatest spatial maximum over the store's images; None where it has none."""
    if "top_patches" not in run.tables():
        return None
    values = run.top_patches(layer, channel)["value"]
    return values[0].as_py() if len(values) else None


def references(
    run: Run, model: Model, target: str | None, layer: str | None, channel: int | None, read: Originals
) -> torch.Tensor:
    """Return the store's images that answer most to a channel or, where none is given, a class.

    (N, C, H, W) in [0, 1], each what the network sees of it; `REFERENCES` at most.
    ValueError where there are none.
    """
    if channel is not None:
        ids = run.top_patches(layer, channel)["image_id"].to_pylist()[:REFERENCES]
        asked = f"answers to {layer} channel {channel}"
    else:
        images = run.table("images", ["image_id", "predicted", "probability"])
        found = images.filter(pc.equal(images["predicted"], target))
        ids = found.sort_by([("probability", "descending"), ("image_id", "ascending")])[
            "image_id"
        ].to_pylist()
        ids, asked = ids[:REFERENCES], f"is predicted as {target!r}"
    if not ids:
        raise ValueError(f"no image of the store {asked}; natural=0 needs none")
    preprocessing = model.preprocessing
    return torch.stack(
        [model.prepare(picture_of(read(run, each), f"image {each}", preprocessing)) for each in ids]
    )


def strongest_logit(run: Run, target: str) -> float | None:
    """Return a class's greatest logit over the store's images predicted as it; None where there are none."""
    if "occlusion" not in run.tables():
        return None
    rows = run.table("occlusion", ["target", "unoccluded_logit"])
    return pc.max(rows.filter(pc.equal(rows["target"], target))["unoccluded_logit"]).as_py()
