"""The strongest natural answers in a store: what an optimised image is held against."""

import pyarrow.compute as pc

from featurestore.reader import Run


def strongest_activation(run: Run, layer: str, channel: int) -> float | None:
    """A channel's greatest spatial maximum over the store's images, or None where it has none."""
    if "top_patches" not in run.tables():
        return None
    values = run.top_patches(layer, channel)["value"]
    return values[0].as_py() if len(values) else None


def strongest_logit(run: Run, target: str) -> float | None:
    """A class's greatest logit over the store's images that are predicted as it, None if there are none."""
    if "occlusion" not in run.tables():
        return None
    rows = run.table("occlusion", ["target", "unoccluded_logit"])
    return pc.max(rows.filter(pc.equal(rows["target"], target))["unoccluded_logit"]).as_py()
