"""Which column of a table holds the images, which one says their class, and what the values mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from compute.images.sources.lists.column_names import COLUMN_RULE, MOST_COLUMNS, is_column_name
from compute.images.sources.tables.parts import features_of, is_text_or_number
from compute.runtime.notices import notice

IMAGE_NAMES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "bytes")
LABEL_NAMES = ("label", "labels", "class", "cls", "fine_label")
SPLIT = "split"


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    image: of the images. in_struct: whether these are structs of bytes and path, not bytes alone.
    label, split: None where there is none.
    further: what else is said of each image.
    names: of classes, in the order of their numbers, by the column that has numbers of classes.
    """

    image: str
    in_struct: bool
    label: str | None
    split: str | None
    further: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]

    @property
    def said(self) -> list[str]:
        """All columns but the images, in no order."""
        return [name for name in (self.label, self.split, *self.further) if name is not None]

    def texts(self, name: str, values: pa.ChunkedArray) -> list[str | None]:
        """A column's values as text; numbers of classes as their names, and -1, for no class, as nothing."""
        if name in self.names:
            classes = self.names[name]
            return [
                classes[value] if value is not None and 0 <= value < len(classes) else None
                for value in values.to_pylist()
            ]
        if pa.types.is_floating(values.type):
            return [None if value is None or value != value else str(value) for value in values.to_pylist()]
        return [
            None if value is None else value.strip() or None for value in values.cast(pa.string()).to_pylist()
        ]


def has_images(schema: pa.Schema, beside_paths: bool = False) -> bool:
    """Whether a column of a table may hold images.

    beside_paths: whether it must be called so, or be declared, as other columns may be paths of images, and
        bytes beside those mean something else.
    """
    features = features_of(schema)
    return any(
        not beside_paths or name in IMAGE_NAMES or features.get(name, {}).get("_type") == "Image"
        for name in _candidates(schema)
    )


def columns_of(schema: pa.Schema, where: str) -> Columns:
    """ValueError where no column, or more than one that is not called so, may hold images."""
    if repeated := [name for name in schema.names if schema.names.count(name) > 1]:
        raise ValueError(f"{where} has several columns that are called {repeated[0]!r}")
    features = features_of(schema)
    image = _image_column(schema, features, where)
    scalars = [field.name for field in schema if field.name != image and is_text_or_number(field.type)]
    names = {
        name: tuple(map(str, each["names"]))
        for name, each in features.items()
        if each.get("_type") == "ClassLabel" and isinstance(each.get("names"), list) and name in scalars
        if pa.types.is_integer(schema.field(name).type)
    }
    label = next((name for name in (*LABEL_NAMES, *names) if name in scalars), None)
    split = SPLIT if SPLIT in scalars else None
    others = [name for name in scalars if name not in (label, split)]
    further = tuple(name for name in others if is_column_name(name))[:MOST_COLUMNS]
    if left_out := [name for name in schema.names if name not in {image, label, split, *further}]:
        notice(f"{where}: columns left out, such as {left_out[0]!r}: of texts and numbers {COLUMN_RULE}")
    return Columns(image, pa.types.is_struct(schema.field(image).type), label, split, further, names)


def _image_column(schema: pa.Schema, features: Mapping[str, Mapping[str, Any]], where: str) -> str:
    found = _candidates(schema)
    declared = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    called_so = [name for name in IMAGE_NAMES if name in (declared or found)]
    chosen: Sequence[str] = called_so or declared or found
    if not chosen:
        raise ValueError(
            f"{where} has no column of images (bytes, or structs of bytes and path); its columns are "
            f"{', '.join(schema.names)}"
        )
    if len(chosen) > 1 and not called_so:
        raise ValueError(
            f"{where} has several columns of images, {', '.join(chosen)}: call the one that is meant 'image'"
        )
    return chosen[0]


def _candidates(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if _is_bytes(field.type) or _has_bytes(field.type)]


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _has_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(
        each.name == "bytes" and _is_bytes(each.type)
        for each in (kind.field(n) for n in range(kind.num_fields))
    )
