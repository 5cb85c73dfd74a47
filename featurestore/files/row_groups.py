"""Which row groups hold a key: the manifest's first and last sort keys of all of a table's row groups."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from featurestore.manifest import Manifest


class RowGroups:
    """The row groups of a table.

    places: (file, index in it) of each, keys ascending
    rows: how many rows each has
    """

    def __init__(self, manifest: Manifest, files: list[str]):
        self.places = [
            (file, index) for file in files for index in range(len(manifest.files[file].row_groups))
        ]
        groups = [manifest.files[file].row_groups[index] for file, index in self.places]
        self.rows = [group.rows for group in groups]
        self._first, self._last = [group.first for group in groups], [group.last for group in groups]

    def starting_with(self, key: tuple) -> range:
        """Return the groups that may have rows whose sort key begins with `key`."""
        start = bisect_left(self._last, key, key=lambda last: last[: len(key)])
        return range(start, bisect_right(self._first, key, key=lambda first: first[: len(key)]))

    def whole_or_parts(self, key: tuple) -> Iterator[tuple[str, int | None]]:
        """Yield what to read for `key`: a file and None where it has several groups, and all of its rows are
        of that key, else (file, index) of each group that may have some."""
        wanted, depth = self.starting_with(key), len(key)
        index = wanted.start
        while index < wanted.stop:
            file, number = self.places[index]
            end = self._ends[file]
            whole = number == 0 and end - index > 1 and end <= wanted.stop
            if whole and self._first[index][:depth] == key == self._last[end - 1][:depth]:
                yield file, None
                index = end
            else:
                yield file, number
                index += 1

    @cached_property
    def _ends(self) -> dict[str, int]:
        """Of each file, where its last group ends among all."""
        return {file: index + 1 for index, (file, _) in enumerate(self.places)}

    def holding(self, image_ids: np.ndarray) -> np.ndarray:
        """Return the groups, sorted, that may have rows of these images; image_id is the first sort key."""
        start = np.searchsorted(self._last_ids, image_ids, "left")
        stop = np.searchsorted(self._first_ids, image_ids, "right")
        spans = np.unique(np.stack([start, stop], axis=1), axis=0)
        return np.unique(np.concatenate([np.arange(0), *(np.arange(a, b) for a, b in spans)]))

    @cached_property
    def _first_ids(self) -> np.ndarray:
        return np.array([key[0] for key in self._first], np.int64)

    @cached_property
    def _last_ids(self) -> np.ndarray:
        return np.array([key[0] for key in self._last], np.int64)
