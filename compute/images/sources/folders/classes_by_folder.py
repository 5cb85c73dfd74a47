"""Which files are images, and which class and split their folders say: of a folder, an archive, a bucket.

A file is an image by its name's ending, or, where that says nothing, by its first bytes. The first folder is
the class; where the first folders are called train, test, val and their like, they are the splits and the
second one is the class. Files that lie in none have no label.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from compute.images.decoding import EXTENSIONS
from compute.images.formats import arrays
from compute.images.formats.signatures import image_format
from compute.images.sources.items import Item, by_path
from compute.runtime.notices import notice

SPLITS = {
    "train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation",
    "holdout", "held-out", "heldout",
}  # fmt: skip
ACCEPTED = (*EXTENSIONS, *arrays.EXTENSIONS)

NO_IMAGES = {
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".md", ".rst",
    ".html", ".pdf", ".log", ".db", ".py", ".ipynb", ".sh", ".m", ".mat", ".h5", ".hdf5", ".pkl", ".pickle",
    ".pt", ".pth", ".pyd", ".ckpt", ".safetensors", ".bin", ".npy", ".npz", ".parquet", ".arrow",
    ".feather", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".cls", ".mp4", ".mov",
    ".avi", ".mkv", ".webm", ".wav", ".mp3", ".svg", ".psd", ".heic", ".heif", ".dcm", ".nii",
}  # fmt: skip
"""Endings of files that aren't looked into."""

RAW = {
    ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".srw", ".orf", ".rw2", ".pef",
    ".raf", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".mrw", ".erf", ".mef", ".mos", ".rwl", ".x3f", ".raw",
}  # fmt: skip
"""Endings of cameras' raw files: many begin as a TIFF file does, which in them is a small preview."""

LOOKING = 16
"""Threads that look into files: in a bucket each look is a request."""

MOST_NAMED = 5
"""Endings, folders or classes that a line names."""

Head = Callable[[PurePosixPath], bytes]
"""A file's first bytes; none where it can't be read."""


def items_of_files(
    files: Sequence[PurePosixPath], where: str, head: Head, ignored: Collection[str] = ()
) -> tuple[Item, ...]:
    """The images among files, sorted by path: pictures, or arrays where there are no pictures.

    where: what the files lie in, for messages.
    head: looks into a file whose name doesn't say what it is.
    ignored: endings of files that are known to say something of images.
    ValueError where none of them is an image.
    """
    pictures, others = _of_kind(files, EXTENSIONS), _of_kind(files, arrays.EXTENSIONS)
    with ThreadPoolExecutor(LOOKING) as pool:
        unsaid = [path for path in files if _may_be_image(path)]
        pictures += [
            path for path, start in zip(unsaid, pool.map(head, unsaid), strict=True) if image_format(start)
        ]
    paths = pictures or others
    if pictures and others:
        number = f"{len(others)} array{'s' * (len(others) != 1)}"
        notice(
            f"{number} beside the pictures in {where} (such as {min(others)}) left out: a folder's arrays "
            "are images where it has no pictures"
        )
    if not paths:
        raise ValueError(f"no images in {where}: {_found(files)}; accepted are {', '.join(ACCEPTED)}")
    taken = {*paths, *others}
    if left := [path for path in files if path not in taken and path.suffix.lower() not in ignored]:
        number = "1 file" if len(left) == 1 else f"{len(left):,} files"
        kinds = f"{_kinds(left)}, such as {min(left)}"
        notice(f"{number} left out in {where}, no image by name or content: {kinds}")
    said = label_and_split(paths)
    return by_path(Item(str(path), *each) for path, each in zip(paths, said, strict=True))


def label_and_split(paths: Sequence[PurePosixPath]) -> list[tuple[str | None, str | None]]:
    """The class and the split that the folders of each path say."""
    has_splits = are_splits(paths)
    return [_said(path, has_splits) for path in paths]


def are_splits(paths: Iterable[PurePosixPath]) -> bool:
    """Whether the first folders are splits rather than classes.

    They are where all are called like one; or where two or more are, all images lie in folders of theirs, and
    the others hold none but folders of the same names: train/cat, test/cat, extra/cat.
    """
    folders = {path.parts[:-1] for path in paths if len(path.parts) > 1}
    first = {each[0] for each in folders}
    named = {name for name in first if name.lower() in SPLITS}
    if not named or named == first:
        return bool(named)
    if len(named) < 2 or any(len(each) < 2 for each in folders):
        return False
    second = {each[1] for each in folders if each[0] in named}
    return second >= {each[1] for each in folders if each[0] not in named}


def _of_kind(files: Iterable[PurePosixPath], extensions: tuple[str, ...]) -> list[PurePosixPath]:
    return [path for path in files if path.suffix.lower() in extensions]


def _may_be_image(path: PurePosixPath) -> bool:
    """Whether a file's name leaves open what it is."""
    ending = path.suffix.lower()
    return ending not in EXTENSIONS and ending not in NO_IMAGES and ending not in RAW


def _said(path: PurePosixPath, has_splits: bool) -> tuple[str | None, str | None]:
    folders = list(path.parts[:-1])
    split = folders.pop(0) if has_splits and folders else None
    return folders[0] if folders else None, split


def _found(files: Sequence[PurePosixPath]) -> str:
    return f"found {len(files)} files ({_kinds(files)})" if files else "it is empty"


def _kinds(files: Iterable[PurePosixPath]) -> str:
    """The endings of files, those of most files first."""
    kinds = Counter(path.suffix.lower() or "no extension" for path in files).most_common()
    named = ", ".join(f"{number} {kind}" for kind, number in kinds[:MOST_NAMED])
    return named + (f" and {len(kinds) - MOST_NAMED} kinds more" if len(kinds) > MOST_NAMED else "")
