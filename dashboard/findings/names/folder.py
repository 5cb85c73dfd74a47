"""The folder `names` in that of the findings: a text file for each thing that has a name.

The folder is shared in git, which may change it at any time, and its files may come from anybody.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from dashboard.findings.listing import Facts, Listing, facts_of, listing
from dashboard.findings.names.record import (
    SEEN,
    Channel,
    Name,
    NamedClass,
    Region,
    Thing,
    checked_name,
    stem_of,
)
from dashboard.settings import Settings
from dashboard.text import one_line
from featurestore.files.atomic import make_folder, publish

FOLDER, TOML = "names", ".toml"
MOST = 5_000
"""Names that are listed at most."""
LARGEST, LARGEST_TOGETHER = 1024 * 1024, 64 * 1024 * 1024
"""Bytes of a name's file, and of all of them; what is larger is not read."""


@dataclass(frozen=True)
class NameFile:
    """A file of the folder.

    stem: its name without the suffix.
    name: None where the file can't be read.
    problem: why it can't be read, else "".
    """

    stem: str
    name: Name | None
    problem: str = ""


class Kept:
    """What the folder holds, sorted by what the names are of.

    files: by name; those that can't be read last.
    channels: names of a layer's channels, by network and layer.
    classes: names of classes, by list of classes.
    regions: by network and set of images.
    """

    def __init__(self, files: tuple[NameFile, ...]):
        self.files = tuple(sorted(files, key=lambda each: (each.name is None, _spoken(each), each.stem)))
        self.channels: dict[tuple[str, str], dict[int, str]] = {}
        self.classes: dict[str, dict[str, str]] = {}
        self.regions: dict[tuple[str, str], list[Name]] = {}
        for name in (each.name for each in self.files):
            match name and name.thing:
                case Channel(weights_hash, layer, channel):
                    self.channels.setdefault((weights_hash, layer), {})[channel] = name.text
                case NamedClass(classes, label):
                    self.classes.setdefault(classes, {})[label] = name.text
                case Region(weights_hash, images):
                    self.regions.setdefault((weights_hash, images), []).append(name)


def names_folder() -> "NamesFolder":
    """Return the folder of names in that of the findings."""
    return NamesFolder(Path(Settings.read().findings) / FOLDER)


class NamesFolder:
    def __init__(self, path: Path):
        self.path = path

    def read(self) -> Kept:
        """Return what is there now. A file is read once for each time that it was changed."""
        return _kept(self.path, listing(self.path, TOML, MOST))

    def of(self, thing: Thing) -> NameFile | None:
        """Return the file of a thing's name; None where it has none."""
        file = self._file(thing)
        return _read(self.path, facts_of(file)) if file.is_file() else None

    def give(self, name: Name) -> Path:
        """Write a name, in the place of the one that the thing had, and return its file.

        ValueError for a text that can't be a name, or that could not be read again. OSError where it can't be
        written, or MOST are there.
        """
        said = {each: one_line(getattr(name, each)) for each in ("by", *SEEN)}
        name = replace(name, text=checked_name(name.text), **said)
        text = name.to_toml()
        if len(text.encode()) > LARGEST:
            raise ValueError(
                f"the region has too many separate images to be kept as text: its file would have more than "
                f"{LARGEST // 1024:,} KB"
            )
        if Name.from_toml(text) != name:
            raise ValueError(f"{name.thing.where!r} has characters that a text file can't keep")
        make_folder(self.path)
        file = self._file(name.thing)
        if not file.exists() and len(listing(self.path, TOML, MOST)) >= MOST:
            raise OSError(f"it has {MOST:,} names, as many as are listed; remove some")
        publish(file, lambda content: content.write(text.encode()))
        return file

    def remove(self, stem: str) -> None:
        """Remove a listed file; nothing where it is gone. OSError where it can't be removed."""
        if f"{stem}{TOML}" in {each[0] for each in listing(self.path, TOML, MOST)}:
            (self.path / f"{stem}{TOML}").unlink(missing_ok=True)

    def _file(self, thing: Thing) -> Path:
        return self.path / f"{stem_of(thing)}{TOML}"


@lru_cache(8)
def _kept(folder: Path, listed: Listing) -> Kept:
    files, together = [], 0
    for facts in listed:
        together += max(facts[3], 0)
        if together > LARGEST_TOGETHER:
            limit = f"all names together have more than {LARGEST_TOGETHER // 1024**2} MB"
            files.append(NameFile(facts[0].removesuffix(TOML), None, limit))
        else:
            files.append(_read(folder, facts))
    return Kept(tuple(files))


@lru_cache(MOST)
def _read(folder: Path, facts: Facts) -> NameFile:
    file, size = facts[0], facts[3]
    stem = file.removesuffix(TOML)
    try:
        if size < 0:
            raise ValueError("it is no file")
        if size > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 1024:,} KB")
        name = Name.from_toml((folder / file).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return NameFile(stem, None, "it is not UTF-8 text")
    except (OSError, ValueError) as error:
        return NameFile(stem, None, str(error))
    if stem != (right := stem_of(name.thing)):
        return NameFile(stem, None, f"it names what only {right}{TOML} may name; rename the file")
    return NameFile(stem, name)


def _spoken(file: NameFile) -> str:
    return "" if file.name is None else file.name.text.casefold()
