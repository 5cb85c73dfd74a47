"""Images in tar archives, read where they lie in them: a folder that was packed, or WebDataset's shards.

Without files that say what others are (see `webdataset`), the folders say class and split, as those of a
folder do.
"""

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from compute.images.sources.folders.classes_by_folder import SPLITS, items_of_files
from compute.images.sources.items import Item, Unread, by_path, check_size
from compute.images.sources.labels import WrittenLabels
from compute.images.sources.tar.index import Member, head_of_member, members, read_member
from compute.images.sources.tar.webdataset import (
    FACTS_OF_IMAGES,
    columns_of,
    facts_of,
    images_of_samples,
    sample_of,
    with_facts,
)

TAR = ".tar"
BRACES = re.compile(r"\{([^{}]*)\}")
MOST_SHARDS, MOST_DIGITS, LONGEST_PATH = 100_000, 20, 1000


class TarSource(WrittenLabels):
    """The images in one tar archive or in many.

    spec: such as photos.tar or train-{000..999}.tar.
    """

    def __init__(self, spec: str):
        self.spec = self.root = os.path.abspath(spec)
        self._archives = shards(self.spec)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._read[1]

    @property
    def items(self) -> tuple[Item, ...]:
        return self._read[0]

    @property
    def numbered(self) -> bool:
        return self._read[2] and super().numbered

    def prepare(self) -> None:
        _ = self._places

    def read(self, path: str) -> bytes:
        if path not in self._places:
            raise ValueError(f"no image {path!r} in {self.spec}")
        archive, member = self._places[path]
        if member.problem is not None:
            raise Unread(member.problem)
        check_size(path, member.size)
        return read_member(archive, member)

    @cached_property
    def _listed(self) -> list[tuple[str, dict[str, Member]]]:
        """The files of each archive by their names; of two of one name the later, as unpacking leaves it."""
        return [(archive, _without_own_folder(archive, members(archive))) for archive in self._archives]

    @cached_property
    def _prefixes(self) -> list[str]:
        """What names of each archive's files begin with in this source: nothing where all are different."""
        names = Counter(name for _, found in self._listed for name in found)
        if all(number == 1 for number in names.values()):
            return [""] * len(self._archives)
        home = os.path.commonpath([os.path.dirname(archive) for archive in self._archives])
        return [f"{os.path.relpath(archive, home)}/" for archive in self._archives]

    @cached_property
    def _places(self) -> dict[str, tuple[str, Member]]:
        """Archive and place in it of each file, by its name in this source."""
        return {
            prefix + name: (archive, member)
            for prefix, (archive, found) in zip(self._prefixes, self._listed, strict=True)
            for name, member in found.items()
        }

    @cached_property
    def _read(self) -> tuple[tuple[Item, ...], tuple[str, ...], bool]:
        """The items, the names of their further columns, and whether files say what images are."""
        places = {
            name: (archive, member) for archive, found in self._listed for name, member in found.items()
        }

        def head(path: PurePosixPath) -> bytes:
            return head_of_member(*places[str(path)])

        files = [PurePosixPath(name) for name in places]
        by_name = {item.path: item for item in items_of_files(files, self.spec, head, FACTS_OF_IMAGES)}
        facts = [facts_of(archive, found, by_name) for archive, found in self._listed]
        said = [each for known in facts for each in known.values()]
        columns = columns_of(said, self.spec)
        labelled = any(each.label is not None for each in said)
        items = [
            with_facts(
                replace(by_name[name], path=prefix + name), known.get(sample_of(name)[0]), columns, labelled
            )
            for prefix, (_, found), known in zip(self._prefixes, self._listed, facts, strict=True)
            for name in (images_of_samples(found, by_name) if known else found)
            if name in by_name
        ]
        return by_path(items), columns, labelled


def shards(spec: str) -> tuple[str, ...]:
    """The archives that a name with braces stands for: {000..999} counts, {a,b} lists.

    Those of a folder or file that is called so are letters of its name. ValueError where an archive is not
    there, or is named twice.
    """
    if os.path.isfile(spec):
        return (spec,)
    folder = _folder_that_is_there(spec)
    parts = BRACES.split(spec.removeprefix(folder))
    numbers = [_number_of_choices(part) for part in parts[1::2]]
    if math.prod(numbers) > MOST_SHARDS:
        raise ValueError(f"{spec[:200]!r} stands for more than {MOST_SHARDS:,} archives")
    chosen = (max(map(len, part.split(","))) for part in parts[1::2])
    longest = len(folder) + sum(map(len, parts[::2])) + sum(chosen)
    if longest > LONGEST_PATH:
        raise ValueError(f"{spec[:200]!r} stands for paths of more than {LONGEST_PATH:,} letters")
    choices = [_choices(part) if place % 2 else [part] for place, part in enumerate(parts)]
    found = tuple(folder + "".join(each) for each in itertools.product(*choices))
    if twice := [archive for archive, number in Counter(found).items() if number > 1]:
        raise ValueError(f"{spec[:200]!r} names {twice[0]!r} more than once")
    missing = [archive for archive in found if not os.path.isfile(archive)]
    if missing:
        of = f", nor are {len(missing) - 1} others of {len(found)}" if len(missing) > 1 else ""
        raise ValueError(f"there is no archive {missing[0]!r}{of}")
    return found


def _folder_that_is_there(spec: str) -> str:
    """What of a path names a folder, as it is written."""
    folder = os.path.dirname(spec)
    while folder.strip("/") and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _number_of_choices(text: str) -> int:
    """How much braces with this text in them stand for."""
    first, dots, last = text.partition("..")
    if not dots:
        return text.count(",") + 1
    if max(len(first), len(last)) > MOST_DIGITS:
        raise ValueError(f"{{{text[:40]}…}} counts with more than {MOST_DIGITS} digits")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise ValueError(f"{{{text}}} counts nothing; it must be such as {{000..999}}")
    return int(last) - int(first) + 1


def _choices(text: str) -> list[str]:
    """What braces with this text in them stand for."""
    first, dots, last = text.partition("..")
    if not dots:
        return text.split(",")
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


def _without_own_folder(archive: str, found: Iterable[Member]) -> dict[str, Member]:
    """Files by name; without the folder that all lie in where it is called as the archive is."""
    by_name = {member.name: member for member in found}
    own = Path(archive).stem + "/"
    if own.rstrip("/").lower() in SPLITS or not all(name.startswith(own) for name in by_name):
        return by_name
    return {name.removeprefix(own): member for name, member in by_name.items()}
