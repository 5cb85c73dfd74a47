"""What a page shows before anything is chosen: an image that is typical, a channel that means something."""

from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.reader import Run

SURE = 0.9
"""Share of the rightly predicted images that are less sure than those among which the first one is chosen."""

CANDIDATES = 16
"""Images whose neighbors are read."""


def first_image(run: Run) -> int:
    """Return an image that is worth a first look; 0 where what it is chosen by can't be read.

    A damaged table is said where it is shown; the pages that don't show it go on.
    """
    try:
        return _typical(run)
    except ValueError:
        return 0


def first_channel(run: Run) -> tuple[str, int] | None:
    """Return the most selective channel of the last layer, (layer, channel); None where there is no layer.

    Channel 0 where no class is known, or the table can't be read.
    """
    layers = run.table("layers", ["layer"])["layer"].to_pylist() if "layers" in run.tables() else []
    if not layers:
        return None
    try:
        known = _selective(run, layers[-1])
    except ValueError:
        return layers[-1], 0
    return layers[-1], known["channel"][0].as_py() if len(known) else 0


def first_whole_layer(run: Run) -> str:
    """Return the last layer before the maps become coarser for the last time; "" where there is no layer.

    Its channels know things already, and its maps have places enough for many: DeepDream of the layers behind
    it weaves one texture over the whole picture.
    """
    if "layers" not in run.tables():
        return ""
    rows = run.table("layers", ["layer", "stride_y"]).to_pylist()
    coarsest = max((row["stride_y"] or 0 for row in rows), default=0)
    finer = [row["layer"] for row in rows if (row["stride_y"] or 0) < coarsest]
    return (finer or [row["layer"] for row in rows] or [""])[-1]


def telling_channels(run: Run, count: int) -> list[tuple[str, int]]:
    """Return `count` channels of the last layer, (layer, channel), the most selective one of each class."""
    first = first_channel(run)
    if first is None:
        return []
    layer, known = first[0], _selective(run, first[0])
    best: dict[str, int] = {}
    for channel, name in zip(known["channel"].to_pylist(), known["top_class"].to_pylist(), strict=True):
        best.setdefault(name, channel)
    chosen = list(best.values())[:count]
    everything = run.table("layers", ["layer", "channels"]).to_pylist()
    (channels,) = (row["channels"] for row in everything if row["layer"] == layer)
    others = (channel for channel in range(channels) if channel not in chosen)
    return [(layer, channel) for channel in islice(chain(chosen, others), count)]


def _typical(run: Run) -> int:
    """Return an image that the network is right and sure about, among others like it.

    Of those it is surest of, the half whose neighbors are nearest; of these, the one where covering a part
    costs most. Without labels, right is what is sure; 0 where there are no predictions.
    """
    images = run.table("images", ["image_id", "correct", "probability"])
    images = images.filter(pc.is_valid(images["probability"]))
    right = images.filter(pc.equal(images["correct"], True))
    images = (right if len(right) else images).sort_by(
        [("probability", "ascending"), ("image_id", "ascending")]
    )
    if not len(images):
        return 0
    sure = images["image_id"].to_numpy()[int(SURE * (len(images) - 1)) :]
    candidates = sure[np.linspace(0, len(sure) - 1, min(CANDIDATES, len(sure))).astype(int)].tolist()
    typical = sorted(candidates, key=lambda each: (_distance(run, each), each))[: -(-len(candidates) // 2)]
    return max(typical, key=lambda each: (_fall(run, each), -each))


def _fall(run: Run, image_id: int) -> float:
    """How far covering a part takes the probability down at most; 0 where there is no map of the image."""
    if "occlusion" not in run.tables():
        return 0.0
    columns = ["probability", "unoccluded"]
    rows = run.select("occlusion", image_id, columns=columns).slice(0, 1).to_pylist()
    return max((row["unoccluded"] - min(row["probability"]) for row in rows), default=0.0)


def _selective(run: Run, layer: str) -> pa.Table:
    """The layer's channels that have a selectivity, the most selective first."""
    if "channels" not in run.tables():
        return pa.table({"channel": pa.array([], pa.int32()), "top_class": pa.array([], pa.string())})
    stats = run.channels(layer)
    known = stats.filter(pc.is_valid(stats["selectivity"]))
    return known.sort_by([("selectivity", "descending"), ("channel", "ascending")])


def _distance(run: Run, image_id: int) -> float:
    """The mean distance of an image's neighbors; 0 where the store has none."""
    if "neighbors" not in run.tables():
        return 0.0
    distances = run.select("neighbors", "feature", image_id, columns=["distance"])["distance"]
    return float(pc.mean(distances).as_py()) if len(distances) else 0.0
