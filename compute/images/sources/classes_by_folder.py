"""Which files are images, and which class and split their folders say: of a folder, an archive, a bucket.

The first folder is the class; where all first folders are called train, test, val and their like, they are
the splits and the second one is the class. Files that lie in none have no label.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from compute.images.decoding import EXTENSIONS
from compute.images.formats import arrays
from compute.images.sources.items import Item, by_path
from compute.runtime.notices import notice

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
ACCEPTED = (*EXTENSIONS, *arrays.EXTENSIONS)


def items_of_files(files: Sequence[PurePosixPath], where: str) -> tuple[Item, ...]:
    """The images among files, sorted by path: pictures, or arrays where there are no pictures.

    where: what the files lie in, for messages. ValueError where none of them is an image.
    """
    pictures, others = _of_kind(files, EXTENSIONS), _of_kind(files, arrays.EXTENSIONS)
    paths = pictures or others
    if pictures and others:
        number = f"{len(others)} array{'s' * (len(others) != 1)}"
        notice(
            f"{number} beside the pictures in {where} (such as {min(others)}) left out: a folder's arrays "
            "are images where it has no pictures"
        )
    if not paths:
        raise ValueError(f"no images in {where}: {_found(files)}; accepted are {', '.join(ACCEPTED)}")
    said = label_and_split(paths)
    return by_path(Item(str(path), *each) for path, each in zip(paths, said, strict=True))


def label_and_split(paths: Sequence[PurePosixPath]) -> list[tuple[str | None, str | None]]:
    """The class and the split that the folders of each path say."""
    first = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
    has_splits = bool(first) and first <= SPLITS
    return [_said(path, has_splits) for path in paths]


def _of_kind(files: Iterable[PurePosixPath], extensions: tuple[str, ...]) -> list[PurePosixPath]:
    return [path for path in files if path.suffix.lower() in extensions]


def _said(path: PurePosixPath, has_splits: bool) -> tuple[str | None, str | None]:
    folders = list(path.parts[:-1])
    split = folders.pop(0) if has_splits and folders else None
    return folders[0] if folders else None, split


def _found(files: Sequence[PurePosixPath]) -> str:
    if not files:
        return "it is empty"
    kinds = Counter(path.suffix.lower() or "no extension" for path in files).most_common(5)
    return f"found {len(files)} files ({', '.join(f'{number} {kind}' for kind, number in kinds)})"
