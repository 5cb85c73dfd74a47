"""Which source a name asks for."""

import os
import re
from itertools import islice
from pathlib import Path

from compute.images.sources.embedded import EMBEDDED, EmbeddedSource
from compute.images.sources.folders.classes_by_folder import ACCEPTED
from compute.images.sources.folders.folder_source import FolderSource
from compute.images.sources.items import ImageSource
from compute.images.sources.reach import ANYWHERE, Reach
from compute.images.sources.tables.endings import ARROW, PARQUET
from compute.images.sources.tar.tar_source import TAR, TarSource, shards
from compute.images.sources.torchvision_sets import TORCHVISION, TorchvisionSource, check_dataset

HUB, S3 = "hf:", "s3://"
DATA_SET = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?", re.ASCII)
"""What a data set of the hub is called: NAME, ORG/NAME, ORG/NAME:CONFIGURATION."""

LISTS = (".csv", ".tsv", PARQUET)
TABLES = {PARQUET, ARROW}
MOST_FOLDERS = 1000
"""That are looked into for tables: a data set has a few."""

SOURCES = (
    "a folder, a list of files (list.csv), tar archives (file.tar, {000..999}.tar), "
    "a Parquet file or data set with a column of images, s3://bucket/prefix, hf:ORG/NAME, "
    f"{', '.join(map(repr, EMBEDDED))} or '{TORCHVISION}NAME'"
)
"""What there is, in words."""


def open_source(spec: str, reach: Reach = ANYWHERE) -> ImageSource:
    """The source of this name. Raises ValueError that says what to do.

    reach: what may be read beside what lies in the place of that name, and whether a network may be used.
    """
    check_source(spec)
    if spec in EMBEDDED:
        return EmbeddedSource(spec)
    if spec.startswith(TORCHVISION):
        return TorchvisionSource(spec.removeprefix(TORCHVISION), reach)
    if spec.startswith(HUB):
        from compute.images.sources.tables.hub import open_data_set

        return open_data_set(spec.removeprefix(HUB), reach)
    if spec.startswith(S3):
        from compute.images.sources.bucket import BucketSource

        return BucketSource(spec, reach)
    if spec.lower().endswith(TAR):
        return TarSource(spec)
    if Path(spec).is_dir() and not _is_data_set(Path(spec)):
        return FolderSource(spec)
    return _table_or_list(spec, reach)


def _is_data_set(folder: Path) -> bool:
    """Whether a folder holds tables, as Hugging Face's `datasets` leaves them, and none but those."""
    found = False
    for _, _, names in islice(os.walk(folder), MOST_FOLDERS):
        endings = {os.path.splitext(name)[1].lower() for name in names if not name.startswith(".")}
        if not endings.isdisjoint(ACCEPTED):
            return False
        found = found or not endings.isdisjoint(TABLES)
    return found


def _table_or_list(spec: str, reach: Reach) -> ImageSource:
    from compute.images.sources.lists.list_source import ListSource
    from compute.images.sources.tables.table_source import TableSource

    is_table = Path(spec).is_dir() or (spec.lower().endswith(PARQUET) and _holds_images(Path(spec)))
    return TableSource(spec) if is_table else ListSource(spec, reach)


def _holds_images(file: Path) -> bool:
    """Whether a Parquet file has images, rather than the paths of images."""
    from compute.images.sources.lists.list_source import path_column
    from compute.images.sources.tables.columns import has_images
    from compute.images.sources.tables.parts import is_text_or_number, open_part

    schema = open_part(file).schema
    paths = path_column([field.name for field in schema if is_text_or_number(field.type)])
    return has_images(schema, beside_paths=paths is not None)


def check_source(spec: str) -> None:
    """Raise ValueError for what is no source, without reading one."""
    if spec in EMBEDDED:
        return
    if spec.startswith(TORCHVISION):
        check_dataset(spec.removeprefix(TORCHVISION))
    elif spec.startswith(HUB):
        if not DATA_SET.fullmatch(spec.removeprefix(HUB)):
            raise ValueError(f"{spec!r} is no data set of the Hugging Face hub, such as hf:ORG/NAME")
    elif spec.startswith(S3):
        if Path(spec).suffix.lower() in (*LISTS, TAR):
            raise ValueError(f"{spec!r}: lists, tables and archives are read from disks; S3 takes a prefix")
    elif spec.lower().endswith(TAR):
        shards(spec)
    elif Path(spec).suffix.lower() in LISTS and not Path(spec).exists():
        raise ValueError(f"no file {spec!r}; images are {SOURCES}")
    elif not Path(spec).is_dir() and Path(spec).suffix.lower() not in LISTS:
        raise ValueError(f"no folder {spec!r}; images are {SOURCES}")


def is_own_name(spec: str) -> bool:
    """Whether a name is no path on this machine."""
    return spec in EMBEDDED or spec.startswith((TORCHVISION, HUB)) or "://" in spec
