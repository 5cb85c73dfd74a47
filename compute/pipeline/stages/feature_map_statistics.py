"""What is kept of each feature map: its maximum and where it is, its mean, and the share of it above 0.

On a CPU all four come from one reading of the map while it is still in the cache, compiled by numba, images
shared out over torch's number of threads. An image's values don't depend on the others, so they are the same
for any number. On a GPU they stay there, so that the next layer need not wait for the host.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numba
import numpy as np
import torch

Statistics = tuple[np.ndarray | torch.Tensor, ...]
BLOCK = 64
"""Positions that are added in float32 before their sum goes to float64: a map of 100,000 stays exact to
1e-6."""


def map_statistics(maps: torch.Tensor) -> Statistics:
    """Return what is kept of maps (N, C, H, W), each (N, C): of a CPU's as arrays, of others on their device.

    The maximum (float32), its first row-major position (int32), the mean, and the share above 0 (float32). A
    map with a value that is not a number has a mean that is none either.
    """
    if maps.device.type != "cpu":
        return _by_torch(maps)
    channels_last = maps.float().permute(0, 2, 3, 1).contiguous().flatten(1, 2).numpy()
    found = tuple(np.empty(maps.shape[:2], kind) for kind in (np.float32, np.int32, np.float32, np.float32))
    threads = min(torch.get_num_threads(), len(maps))
    if threads == 1:
        _read(channels_last, *found)
        return found
    parts = zip(*(np.array_split(each, threads) for each in (channels_last, *found)), strict=True)
    list(_pool(threads).map(lambda part: _read(*part), parts))
    return found


def _by_torch(maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
    flat = maps.flatten(2).float()
    maximum, position = flat.max(2)
    return maximum, position.int(), flat.mean(2), (flat > 0).sum(2) / flat.shape[2]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="map_statistics")


@numba.njit(nogil=True, cache=True)
def _read(
    maps: np.ndarray, maximum: np.ndarray, position: np.ndarray, mean: np.ndarray, active: np.ndarray
) -> None:
    """Fill the last four, (N, C) each, from maps (N, positions, C)."""
    number, places, channels = maps.shape
    for image in range(number):
        best, where = np.full(channels, -np.inf, np.float32), np.zeros(channels, np.int32)
        total, above = np.zeros(channels, np.float64), np.zeros(channels, np.int32)
        part = np.zeros(channels, np.float32)
        for start in range(0, places, BLOCK):
            part[:] = 0
            for place in range(start, min(start + BLOCK, places)):
                values = maps[image, place]
                for channel in range(channels):
                    value = values[channel]
                    greater = value > best[channel]
                    best[channel] = value if greater else best[channel]
                    where[channel] = np.int32(place) if greater else where[channel]
                    part[channel] += value
                    above[channel] += np.int32(value > 0)
            for channel in range(channels):
                total[channel] += part[channel]
        maximum[image], position[image] = best, where
        for channel in range(channels):
            mean[image, channel] = total[channel] / places
            active[image, channel] = above[channel] / np.float32(places)


@numba.njit(nogil=True, cache=True)
def keep_strongest(
    value: np.ndarray,
    image: np.ndarray,
    position: np.ndarray,
    new_value: np.ndarray,
    new_image: np.ndarray,
    new_position: np.ndarray,
) -> None:
    """Puts rows (N, T), weaker or later than what is equal to them, into the running strongest (9, T), in
    place: among equals the earlier row stays first."""
    ranks, channels = value.shape
    for row in range(len(new_value)):
        for channel in range(channels):
            each = new_value[row, channel]
            if each > value[ranks - 1, channel]:
                rank = ranks - 1
                while rank > 0 and each > value[rank - 1, channel]:
                    value[rank, channel] = value[rank - 1, channel]
                    image[rank, channel] = image[rank - 1, channel]
                    position[rank, channel] = position[rank - 1, channel]
                    rank -= 1
                value[rank, channel] = each
                image[rank, channel] = new_image[row, channel]
                position[rank, channel] = new_position[row, channel]
