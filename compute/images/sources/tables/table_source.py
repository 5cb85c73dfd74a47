"""Images in a column of a table: a Parquet file, or a data set's folder of Parquet or Arrow files.

Hugging Face's `datasets` writes such folders, and says in the files which column is what.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pyarrow as pa

from compute.images.sources.folders.classes_by_folder import SPLITS, label_and_split
from compute.images.sources.items import Item, Unread, by_path, check_size
from compute.images.sources.labels import WrittenLabels
from compute.images.sources.tables.columns import Columns, columns_of
from compute.images.sources.tables.parts import Part, open_part, parts_in

KEPT_GROUPS, KEPT_BYTES = 3, 2**29
"""Groups of rows in memory, and bytes of several: the readers go through them in order."""

DIGITS = 8
"""Of a row's number in a path, so that paths are in the order of rows."""

Place = tuple[int, int, int]
"""Which part, which group of its rows, which row of the group."""


class TableSource(WrittenLabels):
    """The images of a table.

    spec: a Parquet file, or a folder.
    """

    def __init__(self, spec: str | os.PathLike):
        place = Path(spec).resolve()
        self.spec = self.root = str(place)
        self._files = list(parts_in(place)) if place.is_dir() else [place]
        self._groups: OrderedDict[tuple[int, int], pa.Array] = OrderedDict()
        self._reading = threading.Lock()

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns.further

    @property
    def items(self) -> tuple[Item, ...]:
        return self._listed[0]

    @property
    def numbered(self) -> bool:
        named = self._columns.label in self._columns.names
        return self._columns.label is not None and not named and super().numbered

    @property
    def classes(self) -> tuple[str, ...]:
        label = self._columns.label
        if label is not None and label in self._columns.names:
            return self._columns.names[label]
        return super().classes

    def prepare(self) -> None:
        _ = self._listed

    def read(self, path: str) -> bytes:
        if path not in self._listed[1]:
            raise ValueError(f"no image {path!r} in {self.spec}")
        part, group, row = self._listed[1][path]
        value = self._images(part, group)[row].as_py()
        content = value["bytes"] if isinstance(value, dict) else value
        if content is None:
            named = value.get("path") if isinstance(value, dict) else None
            but = f", but the path of a file: {named}" if named else ""
            raise Unread("its row has no bytes", f"its row has no bytes{but}")
        check_size(path, len(content))
        return content

    @cached_property
    def _parts(self) -> list[Part]:
        return [open_part(file) for file in self._files]

    @cached_property
    def _columns(self) -> Columns:
        first = self._parts[0].schema
        for part in self._parts[1:]:
            if not part.schema.equals(first):
                raise ValueError(f"{part.name} has other columns than {self._parts[0].name}")
        return columns_of(first, self.spec)

    def _images(self, part: int, group: int) -> pa.Array:
        """The images of a group of rows; read once for all that ask for it meanwhile."""
        key = part, group
        with self._reading:
            if key not in self._groups:
                found = self._parts[part].read(group, [self._columns.image])
                self._groups[key] = found[self._columns.image].combine_chunks()
                while len(self._groups) > 1 and self._is_full():
                    self._groups.popitem(last=False)
            self._groups.move_to_end(key)
            return self._groups[key]

    def _is_full(self) -> bool:
        return len(self._groups) > KEPT_GROUPS or sum(g.nbytes for g in self._groups.values()) > KEPT_BYTES

    @cached_property
    def _listed(self) -> tuple[tuple[Item, ...], dict[str, Place]]:
        columns = self._columns
        wanted = [*([f"{columns.image}.path"] if self._has_paths else []), *columns.said]
        said: dict[str, list[str | None]] = {name: [] for name in columns.said}
        places: list[Place] = []
        given: list[str | None] = []
        for number, part in enumerate(self._parts):
            for group, rows in enumerate(part.rows):
                found = part.read(group, wanted)
                for name in columns.said:
                    said[name] += columns.texts(name, found[name])
                given += _paths(found, columns.image) if self._has_paths else [None] * rows
                places += [(number, group, row) for row in range(rows)]
        if not places:
            raise ValueError(f"{self.spec} has no rows")
        paths = _names(given)
        folders = label_and_split([PurePosixPath(each or "") for each in given])
        nothing: list[str | None] = [None] * len(places)
        labels = said.get(columns.label or "", [label for label, _ in folders])
        splits = said.get(columns.split or "", nothing)
        of_files = [_split_of(Path(file), Path(self.spec)) for file in self._files]
        items = [
            Item(
                path,
                labels[row],
                splits[row] or of_files[places[row][0]] or folders[row][1],
                tuple(said[name][row] for name in columns.further),
            )
            for row, path in enumerate(paths)
        ]
        return by_path(items), dict(zip(paths, places, strict=True))

    @cached_property
    def _has_paths(self) -> bool:
        kind = self._parts[0].schema.field(self._columns.image).type
        return self._columns.in_struct and kind.get_field_index("path") >= 0


def _paths(found: pa.Table, image: str) -> list[str | None]:
    texts = pa.chunked_array(found[image].combine_chunks().field("path")).cast(pa.string()).to_pylist()
    return [str(PurePosixPath(text)) if text else None for text in texts]


def _names(given: Sequence[str | None]) -> list[str]:
    """The images' names: as given where all have one and they ascend from row to row; otherwise the row's
    number comes first, so that images are read in the order of rows."""
    if all(given) and all(before < after for before, after in pairwise(map(str, given))):
        return [str(each) for each in given]
    return [
        f"{row:0{DIGITS}d}" + (f"-{PurePosixPath(each).name}" if each else "")
        for row, each in enumerate(given)
    ]


def _split_of(file: Path, home: Path) -> str | None:
    """The split that a file's name says, such as train-00000-of-00002 or mnist-test, or a folder of its."""
    folders = file.relative_to(home).parts[:-1] if home != file else ()
    words = [*file.stem.split("-")[::-1], *folders]
    return next((word for word in words if word.lower() in SPLITS), None)
