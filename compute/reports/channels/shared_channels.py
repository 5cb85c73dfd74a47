"""Which other images have what is unusual about an image, by the channels that both respond to strongly.

Of each of n channels the store keeps the K images in which it is strongest, each with its patch. An image of
the store is ranked by how many of the n channels have it among those K; among equals the one of the better
mean rank goes first, then that of the smaller id. By chance an image would be in n * K / N of them, N being
the number of the store's images.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from compute.images.preprocessing import Box
from compute.reports.drawing.run_images import EDGES, box_of
from featurestore.reader import Run

OTHERS = 24
"""Other images that are shown."""


@dataclass(frozen=True)
class SharedPatch:
    """Where one of the channels is strong in another image.

    rank: among the channel's strongest patches, from 0.
    value: of the channel's maximum in the image.
    y, x: the unit.
    box: what it sees of the image's photograph, in pixels; None where that is not known.
    """

    layer: str
    channel: int
    rank: int
    value: float
    y: int
    x: int
    box: Box | None


@dataclass(frozen=True)
class OtherImage:
    """An image of the store, and those of the channels that have it among their strongest."""

    image_id: int
    patches: tuple[SharedPatch, ...]

    @property
    def mean_rank(self) -> float:
        """Return the mean place among the channels' strongest patches, from 0."""
        return sum(each.rank for each in self.patches) / len(self.patches)


@dataclass(frozen=True)
class Others:
    """The other images that have some of an image's channels, those that have most of them first.

    images: at most OTHERS.
    count: how many there are.
    channels: how many channels were asked for.
    by_chance: of how many of them any image would be among the strongest, on average.
    """

    images: tuple[OtherImage, ...]
    count: int
    channels: int
    by_chance: float


def others(run: Run, channels: Sequence[tuple[str, int]], without: Collection[int]) -> Others:
    """Return the images that have most of the channels (layer, channel) among their strongest patches.

    without: the ids of the image that is asked for, and of its copies.
    """
    found: dict[int, list[SharedPatch]] = defaultdict(list)
    kept = 0
    for layer, channel in channels:
        rows = run.top_patches(layer, channel).to_pylist()
        kept += len(rows)
        for row in rows:
            found[row["image_id"]].append(_patch(row))
    images = [OtherImage(each, tuple(patches)) for each, patches in found.items() if each not in without]
    images.sort(key=lambda each: (-len(each.patches), each.mean_rank, each.image_id))
    return Others(tuple(images[:OTHERS]), len(images), len(channels), kept / max(1, run.image_count))


def numbers_of(found: Others) -> dict[str, Any]:
    """Return what was found, ready for JSON."""
    images = [
        {
            "image_id": each.image_id,
            "shared": len(each.patches),
            "mean_rank": each.mean_rank,
            "channels": [f"{patch.layer}/{patch.channel}" for patch in each.patches],
        }
        for each in found.images
    ]
    return {"shared_by_chance": found.by_chance, "other_images": found.count, "others": images}


def with_others(rows: pa.Table, found: Others) -> pa.Table:
    """Return the rows of an image's channels, and below them one for each patch of another image.

    rows: with the columns of the image's channels; `other_image`, `shared` are added, null for the image.
    """
    schema = rows.schema.append(pa.field("other_image", pa.int64())).append(pa.field("shared", pa.int32()))
    maxima = {(row["layer"], row["channel"]): row["maximum"] for row in rows.to_pylist()}
    patches = [
        {
            "layer": patch.layer,
            "channel": patch.channel,
            "value": patch.value,
            "maximum": maxima[patch.layer, patch.channel],
            "rank": patch.rank,
            "y": patch.y,
            "x": patch.x,
            **dict(zip(EDGES, patch.box or [None] * len(EDGES), strict=True)),
            "other_image": image.image_id,
            "shared": len(image.patches),
        }
        for image in found.images
        for patch in image.patches
    ]
    return pa.Table.from_pylist(rows.to_pylist() + patches, schema)


def _patch(row: dict[str, Any]) -> SharedPatch:
    place = row["layer"], row["channel"], row["rank"], row["value"], row["y"], row["x"]
    return SharedPatch(*place, box_of(row))
