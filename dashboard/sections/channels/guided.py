"""Guided backpropagation of a channel's patches: what in each patch the unit responds to, made live."""

from collections.abc import Iterator, Sequence

import numpy as np

from compute.images.pictures import png, to_8_bit
from compute.images.raster import Photograph
from compute.methods.attribution.guided_backprop import undefined_because
from compute.models.model import Model
from compute.reports.channels.patches import guided_tiles
from dashboard.data import photographs as photos
from dashboard.data import runs
from dashboard.jobs.one_step import one_step_task
from dashboard.widgets.header import Opened
from dashboard.widgets.live.run import live_result
from featurestore.reader import Run


def guided_pngs(
    opened: Opened, layer: str, channel: int, rows: Sequence[dict], side: int
) -> dict[int, bytes] | None:
    """Return PNGs by the patch's rank; None while they are made, which draws how far that is.

    rows: of the channel in `top_patches`
    side: of a picture, in pixels

    ValueError where guided backpropagation is not defined for the network.
    """
    run, model = opened.run, runs.model(opened.run)
    if (reason := undefined_because(model, layer)) is not None:
        raise ValueError(f"guided backpropagation is not available for {model.name}: {reason}")
    task = one_step_task(
        f"Guided backprop of {layer}, channel {channel}",
        lambda: _pictures(run, model, layer, channel, rows, side),
        opened.view,
        depends_on=("guided patches", run.fingerprint, model.weights_hash, layer, channel, side),
    )
    job = live_result(task, starts_itself=True)
    return None if job is None else {rank: png(to_8_bit(picture)) for rank, picture in job.step.value.items()}


def _pictures(
    run: Run, model: Model, layer: str, channel: int, rows: Sequence[dict], side: int
) -> dict[int, np.ndarray]:
    """Return (side, side, 3) float32 in [0, 1] by the patch's rank."""
    photographs = _one_by_one(run, rows)
    units = [(row["y"], row["x"]) for row in rows]
    tiles, _ = guided_tiles(model, layer, channel, photographs, units, side)
    return {row["rank"]: tile for row, tile in zip(rows, tiles, strict=True)}


def _one_by_one(run: Run, rows: Sequence[dict]) -> Iterator[Photograph]:
    """Yield the image of each row; it is let go when the next one is asked for."""
    for row in rows:
        with photos.decoded(run, row["image_id"]) as photograph:
            yield photograph
