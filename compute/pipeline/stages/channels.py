"""What each channel of each layer does over all images: summaries of batches, merged into two tables.

All layers' channels stand side by side on one axis of T channels, in the order of the network.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from compute.analysis import histograms
from compute.analysis.histograms import Histograms
from compute.images.preprocessing import Preprocessing
from compute.models.layers import Layer
from compute.network.plain import NONLINEAR_MODULES, NONLINEAR_NAMES
from compute.pipeline.stages.feature_map_statistics import keep_strongest
from featurestore.files.arrays import vectors

NONLINEARITIES = {each.__name__.lower() for each in NONLINEAR_MODULES} | NONLINEAR_NAMES
TOP = 9
NOBODY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class ChannelValues:
    """What the T channels do on N images, each (N, T).

    maximum: over the map
    position: of the maximum, row-major in the map; the first, where several are equal
    mean: over the map
    active: share of the map's positions above 0
    """

    maximum: np.ndarray
    position: np.ndarray
    mean: np.ndarray
    active: np.ndarray

    def rows(self, chosen: np.ndarray) -> "ChannelValues":
        """Return the values of the chosen images alone."""
        return ChannelValues(*(getattr(self, each.name)[chosen] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["ChannelValues"]) -> "ChannelValues":
        """Return the values of all parts' images, one after the other."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


@dataclass(frozen=True)
class Summary:
    """What is kept of a set of images; `merge` makes that of two sets.

    images: their number
    mean, active: (T,) float64, sums of the images' means and active shares
    low, high, counts: histogram of the spatial maxima (`Histograms`)
    groups: (G,) int64, the classes that occur, sorted
    group_sizes: (G,), images of each
    group_means: (G, T) float64, sums of their images' means
    top_value, top_image, top_position: (9, T), the strongest images first; value -inf
        and image NOBODY where there are fewer
    """

    images: np.ndarray | np.int64
    mean: np.ndarray
    active: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    groups: np.ndarray
    group_sizes: np.ndarray
    group_means: np.ndarray
    top_value: np.ndarray
    top_image: np.ndarray
    top_position: np.ndarray

    def to_dict(self) -> dict[str, np.ndarray]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_dict(cls, arrays: Mapping[str, np.ndarray]) -> "Summary":
        return cls(**{each.name: arrays[each.name] for each in fields(cls)})

    @property
    def histograms(self) -> Histograms:
        return Histograms(self.low, self.high, self.counts)


def summarise(values: ChannelValues, image_ids: np.ndarray, groups: np.ndarray) -> Summary:
    """Return the summary of at least one image.

    image_ids: (N,), ascending
    groups: (N,) class index, or (N, L) of the classes of each image, each once; -1 for none
    """
    counted = histograms.histograms(values.maximum)
    present, sizes, sums = _group_sums(values.mean, groups)
    images = np.broadcast_to(image_ids[:, None], values.maximum.shape)
    return Summary(
        np.int64(len(image_ids)),
        values.mean.sum(0, dtype=np.float64),
        values.active.sum(0, dtype=np.float64),
        counted.low,
        counted.high,
        counted.counts,
        present,
        sizes,
        sums,
        *_strongest(values.maximum, images, values.position),
    )


def merge(one: Summary, other: Summary) -> Summary:
    """Return the summary of two sets of images, those of `one` with the smaller ids."""
    counted = histograms.merge(one.histograms, other.histograms)
    groups = np.union1d(one.groups, other.groups)
    sizes, sums = np.zeros(len(groups), np.int64), np.zeros((len(groups), len(one.mean)))
    for each in (one, other):
        place = np.searchsorted(groups, each.groups)
        sizes[place] += each.group_sizes
        sums[place] += each.group_means
    tops = (
        np.concatenate([getattr(one, name), getattr(other, name)])
        for name in ("top_value", "top_image", "top_position")
    )
    return Summary(
        one.images + other.images,
        one.mean + other.mean,
        one.active + other.active,
        counted.low,
        counted.high,
        counted.counts,
        groups,
        sizes,
        sums,
        *_strongest(*tops),
    )


def channels_table(summary: Summary, layers: Iterable[Layer], class_names: tuple[str, ...]) -> pa.Table:
    """Table `channels`. class_names: of the groups by index.

    selectivity is the class selectivity index of Morcos et al. 2018, (m - r) / (m + r): m is the greatest
    class mean of the spatial mean, r the mean of the other classes' means; null where they are negative or
    nothing is active."""
    layers = list(layers)
    names, indices = _axis(layers)
    mean = summary.mean / summary.images
    dead = _is_constant(summary, mean) & (_is_linear(layers) | (summary.high <= 0))
    top_class, selectivity = _selectivity(summary, class_names)
    low, high = summary.histograms.edges()
    return _sorted_by_layer(
        {
            "layer": names,
            "channel": indices,
            "mean": pa.array(mean, pa.float32()),
            "max": pa.array(summary.high, pa.float32()),
            "active_share": pa.array(summary.active / summary.images, pa.float32()),
            "dead": dead,
            "top_class": pa.array(top_class, pa.string(), mask=dead),
            "selectivity": pa.array(selectivity, pa.float32(), mask=dead | np.isnan(selectivity)),
            "histogram": vectors(summary.counts),
            "histogram_low": pa.array(low, pa.float32()),
            "histogram_high": pa.array(high, pa.float32()),
        }
    )


def top_patches_table(
    summary: Summary, layers: Iterable[Layer], preprocessing: Preprocessing, sizes: np.ndarray
) -> pa.Table:
    """Return table `top_patches`.

    sizes: (n, 2), width and height of the originals by image id
    """
    layers = list(layers)
    names, indices = _axis(layers)
    rank, channel = (each.T.reshape(-1) for each in np.indices(summary.top_image.shape))
    image_id, position = summary.top_image.T.reshape(-1), summary.top_position.T.reshape(-1)
    there = image_id != NOBODY
    rank, channel, image_id, position = (each[there] for each in (rank, channel, image_id, position))
    layer = np.repeat(np.arange(len(layers)), [each.channels for each in layers])[channel]
    y, x = np.divmod(position, np.array([each.width for each in layers])[layer])
    hits = zip(layer.tolist(), y.tolist(), x.tolist(), image_id.tolist(), strict=True)
    boxes = [
        _box(layers[index], row, column, preprocessing, sizes[image].tolist())
        for index, row, column, image in hits
    ]
    sides = zip(*boxes, strict=True) if boxes else ((),) * 4
    return _sorted_by_layer(
        {
            "layer": names[channel],
            "channel": indices[channel],
            "rank": rank.astype(np.int32),
            "image_id": image_id,
            "value": summary.top_value.T.reshape(-1)[there],
            "y": y.astype(np.int32),
            "x": x.astype(np.int32),
            **{
                name: pa.array(side, pa.float32())
                for name, side in zip(("left", "top", "right", "bottom"), sides, strict=True)
            },
        },
        "rank",
    )


def _strongest(values: np.ndarray, images: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, ...]:
    """The 9 greatest of each column of (N, T), rows by ascending image: ties go to the earlier one."""
    shape = (TOP, values.shape[1])
    value = np.full(shape, -np.inf, np.float32)
    image, position = np.full(shape, NOBODY, np.int64), np.zeros(shape, np.int64)
    keep_strongest(value, image, position, values, images, positions)
    return value, image, position


def _group_sums(means: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups that occur, their sizes, and the (G, T) sums of their images' means, float64."""
    groups = groups.reshape(len(groups), -1)
    row, place = np.nonzero(groups >= 0)
    order = np.argsort(groups[row, place], kind="stable")
    row, place = row[order], place[order]
    present, first, sizes = np.unique(groups[row, place], return_index=True, return_counts=True)
    if not len(present):
        return present, sizes, np.zeros((0, means.shape[1]))
    return present, sizes, np.add.reduceat(means[row], first, axis=0, dtype=np.float64)


def _selectivity(summary: Summary, class_names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(T,) name of the class with the greatest mean, and the index; NaN where it is not defined."""
    number, width = len(summary.groups), len(summary.mean)
    if not number:
        return np.full(width, None, object), np.full(width, np.nan)
    means = summary.group_means / summary.group_sizes[:, None]
    best = means.argmax(0)
    names = np.array(class_names, object)[summary.groups[best]]
    if number < 2:
        return names, np.full(width, np.nan)
    top = means[best, np.arange(width)]
    rest = (means.sum(0) - top) / (number - 1)
    defined = (means >= 0).all(0) & (top > 0)
    return names, np.where(defined, (top - rest) / np.where(defined, top + rest, 1), np.nan)


def _is_constant(summary: Summary, mean: np.ndarray) -> np.ndarray:
    """Every unit has one value: all maxima are equal, and so is the mean, but for rounding."""
    return (summary.low == summary.high) & (np.abs(mean - summary.high) <= 1e-5 * np.abs(summary.high))


def _is_linear(layers: list[Layer]) -> np.ndarray:
    """(T,): whether no nonlinearity comes before the channel's tap."""
    linear = [layer.tap.rpartition("+")[2] not in NONLINEARITIES for layer in layers]
    return np.repeat(linear, [layer.channels for layer in layers])


def _axis(layers: Iterable[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """(T,) each: layer name, index of the channel in it."""
    layers = list(layers)
    names = np.array([layer.name for layer in layers for _ in range(layer.channels)], object)
    indices = np.concatenate([np.arange(layer.channels, dtype=np.int32) for layer in layers])
    return names, indices


def _box(layer: Layer, y: int, x: int, preprocessing: Preprocessing, size: tuple[int, int]) -> tuple:
    return preprocessing.to_original(layer.box(y, x), *size)


def _sorted_by_layer(columns: dict, *further_keys: str) -> pa.Table:
    keys = [(key, "ascending") for key in ("layer", "channel", *further_keys)]
    return pa.table(columns).sort_by(keys)
