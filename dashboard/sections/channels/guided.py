"""Beside each patch of a channel, what in it the unit answers to: its guided-backprop picture, made live."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from compute.images.pictures import png, to_8_bit
from compute.methods.attribution.guided_backprop import undefined_because
from compute.models.model import Model
from compute.reports.patches import guided_tiles
from dashboard.data import photographs as photos
from dashboard.data import runs
from dashboard.widgets.header import Opened
from dashboard.widgets.live.attached import attach
from featurestore.reader import Run


@dataclass(frozen=True)
class GuidedPatches:
    """The one step of this job. pictures: (side, side, 3) in [0, 1] by the patch's rank."""

    index: int = 1
    total: int = 1
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)


def guided_pngs(
    opened: Opened, layer: str, channel: int, rows: Sequence[dict], side: int
) -> dict[int, bytes] | None:
    """PNGs by rank; None while they are made (progress is drawn). ValueError where it is not defined."""
    run, model = opened.run, runs.model(opened.run)
    if (reason := undefined_because(model)) is not None:
        raise ValueError(f"guided backpropagation is not available for {model.name}: {reason}")
    key = hashlib.sha256(
        f"guided patches {run.fingerprint} {model.weights_hash} {layer} {channel} {side}".encode()
    )
    job = attach(
        key.hexdigest(),
        f"Guided backprop of {layer}, channel {channel}",
        lambda: _steps(run, model, layer, channel, rows, side),
        opened.view,
    )
    if job is None:
        return None
    return {rank: png(to_8_bit(picture)) for rank, picture in job.step.pictures.items()}


def _steps(
    run: Run, model: Model, layer: str, channel: int, rows: Sequence[dict], side: int
) -> Iterator[GuidedPatches]:
    photographs = [photos.photograph(run, row["image_id"]) for row in rows]
    units = [(row["y"], row["x"]) for row in rows]
    tiles, _ = guided_tiles(model, layer, channel, photographs, units, side)
    pictures = {row["rank"]: tile for row, tile in zip(rows, tiles, strict=True)}
    yield GuidedPatches(pictures=pictures)
