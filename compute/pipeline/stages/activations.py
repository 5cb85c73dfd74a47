"""The one forward pass over all images: predictions, features, and every layer's channel maxima.

images (N, C, H, W) -> logits (N, K), features (N, D), and for each channel of each layer
max, argmax, mean over its map, and the share of map positions above 0

K is 0 of a network without class scores: its images have no prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F

from compute.images.loading import Picture
from compute.images.sources import Item
from compute.models.model import Model
from compute.network.folded import channels_last
from compute.network.layers.streamed import reading_program
from compute.network.outputs import Output
from compute.network.traced import FEATURES, LOGITS, TracedNetwork
from compute.pipeline.stages.channels import ChannelValues
from compute.pipeline.stages.feature_map_statistics import Statistics, map_statistics
from compute.pipeline.stages.predictions import prediction_columns
from compute.pipeline.stages.upload import Upload
from compute.runtime.precision import arithmetic
from featurestore.files.arrays import vectors

LARGEST_BATCH = 64
BATCH_BYTES = 256 * 2**20
"""Of all layers' maps together: where they live at the same time."""
CACHED_BYTES = 32 * 2**20
"""Of the largest layer's maps on a CPU: what is read of them should find them in the cache."""

LOGITS_ALONE = Output()
UNREADABLE_SCORES = "the network's values for it are not finite numbers"


@dataclass(frozen=True)
class BatchValues:
    """What the network gives for N images.

    logits: (N, K) float32
    features: (N, D) float32
    channels: what the channels do, None for a network without convolutions
    finite: (N,) bool, whether all values are finite
    """

    logits: np.ndarray
    features: np.ndarray
    channels: ChannelValues | None
    finite: np.ndarray


@dataclass(frozen=True)
class UnderWay:
    """What the network gives for N images, where it is computed; a GPU may still be at it.

    logits: (at least N, K), None for a network without class scores
    features: (at least N, ...)
    layers: what is kept of each layer's maps
    """

    number: int
    logits: torch.Tensor | None
    features: torch.Tensor
    layers: list[Statistics]


def batch_size(model: Model) -> int:
    """Return a power of two, at most 64, for which the maps of all layers stay within 256 MiB."""
    return _power_of_two(sum(_map_bytes(model)), BATCH_BYTES)


def pass_batch(model: Model) -> int:
    """Return how many images go through the one pass at once: a power of two, at most 64.

    On a CPU it is chosen so that the largest map stays in the cache. A network that can't be traced keeps all
    of its maps, and is counted by `batch_size`.
    """
    if model.graph is None or model.device.type != "cpu":
        return batch_size(model)
    return _power_of_two(max(_map_bytes(model), default=1), CACHED_BYTES)


class OnePass:
    """Everything that is read of a model in one forward pass, each layer as soon as it is computed.

    batch: images at once; fewer are padded with zeros, since a kernel is chosen by its shapes, and so the
    same images always go through the same ones. precision: of `compute.runtime.precision`.
    """

    def __init__(self, model: Model, batch: int, precision: str = "float32"):
        self.model, self.batch, self.precision = model, batch, precision
        self._upload = Upload(model.device)
        self._scores = {LOGITS} if model.classes else set()
        self._traced = None
        if isinstance(model.network, TracedNetwork):
            self._traced = reading_program(model.network, model.layers, map_statistics)

    def values(self, crops: torch.Tensor) -> BatchValues:
        """Return what the network gives for at most `batch` crops (N, C, H, W)."""
        return self.finished(self.begun(crops))

    def begun(self, crops: torch.Tensor) -> UnderWay:
        """Give the device at most `batch` crops (N, C, H, W); a GPU computes while the caller goes on."""
        number = len(crops)
        padded = F.pad(crops, (0, 0) * 3 + (0, self.batch - number)) if number < self.batch else crops
        with torch.inference_mode(), arithmetic(self.precision, self.model.device):
            found = self._read(channels_last(self.model.normalize(self._upload(padded))))
        layers = [found[name] for name in self.model.layers]
        return UnderWay(number, found[LOGITS] if self._scores else None, found[FEATURES], layers)

    def finished(self, begun: UnderWay) -> BatchValues:
        """Return what was begun, once it is computed."""
        number = begun.number
        logits = _no_logits(number) if begun.logits is None else _on_host(begun.logits[:number])
        features = _on_host(begun.features[:number])
        channels = _channel_values(begun.layers, number)
        finite = np.isfinite(logits).all(1) & np.isfinite(features).all(1)
        if channels is not None:
            finite &= np.isfinite(channels.maximum).all(1) & np.isfinite(channels.mean).all(1)
        return BatchValues(logits, features.reshape(number, -1), channels, finite)

    def _read(self, inputs: torch.Tensor) -> dict:
        if self._traced is not None:
            return self._traced(inputs)
        found = self.model.network.run(inputs, {*self._scores, FEATURES, *self.model.layers})
        return found | {name: map_statistics(found[name]) for name in self.model.layers}


def image_rows(
    first_id: int,
    items: Sequence[Item],
    pictures: Sequence[Picture],
    logits: np.ndarray,
    classes: tuple[str, ...],
    output: Output = LOGITS_ALONE,
    lists: bool = False,
) -> pa.Table:
    """Table `images` of consecutive image_ids; logits, classes, output and lists as in
    `prediction_columns`."""
    labels = [item.label for item in items]
    return pa.table(
        {
            "image_id": np.arange(first_id, first_id + len(items)),
            "path": [item.path for item in items],
            "sha256": pa.array([picture.sha256 for picture in pictures], pa.string()),
            "label": pa.array(labels, pa.string()),
            "split": pa.array([item.split for item in items], pa.string()),
            "width": pa.array([picture.width for picture in pictures], pa.int32()),
            "height": pa.array([picture.height for picture in pictures], pa.int32()),
            "thumbnail": _thumbnails(pictures),
            **prediction_columns(logits, labels, classes, output, lists),
        }
    )


def feature_rows(first_id: int, features: np.ndarray) -> pa.Table:
    """Return table `features` from (N, D); a feature is null where its row is NaN."""
    return pa.table(
        {
            "image_id": np.arange(first_id, first_id + len(features)),
            "feature": vectors(features.astype(np.float32), np.isnan(features).any(1)),
        }
    )


def _map_bytes(model: Model) -> list[int]:
    """Of one image, each layer's."""
    return [4 * layer.channels * layer.height * layer.width for layer in model.layers.values()]


def _power_of_two(bytes_an_image: int, limit: int) -> int:
    batch = LARGEST_BATCH
    while batch > 1 and batch * bytes_an_image > limit:
        batch //= 2
    return batch


def _channel_values(layers: list[Statistics], number: int) -> ChannelValues | None:
    """Of the first `number` images of a batch; None for a network without layers."""
    if not layers:
        return None
    return ChannelValues(*(_side_by_side(parts)[:number] for parts in zip(*layers, strict=True)))


def _side_by_side(layers: Sequence[np.ndarray | torch.Tensor]) -> np.ndarray:
    """One statistic of all layers, (N, T): from a device in one copy."""
    return torch.cat([torch.as_tensor(each) for each in layers], 1).cpu().numpy()


def _on_host(values: torch.Tensor) -> np.ndarray:
    return values.float().cpu().numpy()


def _no_logits(number: int) -> np.ndarray:
    return np.zeros((number, 0), np.float32)


def _thumbnails(pictures: Sequence[Picture]) -> pa.Array:
    data = pa.array([picture.thumbnail for picture in pictures], pa.binary())
    return pa.StructArray.from_arrays(
        [data, pa.nulls(len(data), pa.string())],
        ["bytes", "path"],
        mask=pa.array([picture.thumbnail is None for picture in pictures]),
    )
