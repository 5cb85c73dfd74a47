"""What the command line says to the server: which stores, which device, which model files are trusted."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from featurestore.errors import Unavailable
from featurestore.layout import RUNS
from featurestore.objects.path import ObjectPath
from featurestore.places import Place, folders_with, place

VARIABLE = "FEATURESCOPE_SETTINGS"


SHARES = {
    "results": 8,
    "answers": 7,
    "sent files": 5,
    "uploads": 4,
    "messages": 3,
    "pages": 2,
    "originals": 2,
    "selections": 1,
}
"""Of the memory for visitors, in 32nds: live results that have ended; answers of routes that took work; files
on their way from a browser; uploaded images; messages of browsers; pictures and searches of pages; files of
images read last; selections."""


@dataclass(frozen=True)
class Settings:
    """What the command line says to the server.

    stores: stores, or folders of stores, as paths or as addresses in object storage
    device: as in `compute.models.zoo.resolve_device`
    trusted: code of the operator's own that a live method may run: FILE.py:FUNCTION, FILE.py, MODULE:FUNCTION
    originals: folders, and addresses in object storage, that images may be read from which lie outside of the
        place that a run names
    results_mb: megabytes of live results that are kept beside a store; 0 keeps none
    findings: folder of the findings that are pinned
    host: address that is listened on
    public_url: where visitors find the server behind a proxy, or ""
    read_only: visitors pin, remove and upload nothing
    live: whether live methods run
    jobs_per_minute: live jobs that one visitor may start; 0 for no limit
    visitors_mb: megabytes of memory for all that visitors make the server hold, see SHARES
    trusted_sha256: of each trusted file when the server started (`dashboard.data.trusted_code.pinned`)
    """

    stores: tuple[str, ...] = ("stores",)
    device: str = "auto"
    trusted: tuple[str, ...] = ()
    results_mb: int = 1024
    findings: str = "findings"
    host: str = "127.0.0.1"
    public_url: str = ""
    read_only: bool = False
    live: bool = True
    jobs_per_minute: int = 30
    originals: tuple[str, ...] = ()
    visitors_mb: int = 1024
    trusted_sha256: tuple[str, ...] = ()

    def write(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Leave the settings in the environment, where the server and its pages read them."""
        environment[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def read(cls, environment: MutableMapping[str, str] = os.environ) -> "Settings":
        """Return the settings that `write` left; the defaults where it did not."""
        fields = json.loads(environment.get(VARIABLE, "{}"))
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        )

    @property
    def uploads(self) -> bool:
        """Return whether visitors may upload an image: it is shown to the network, and takes memory."""
        return self.live and not self.read_only

    def share(self, part: str) -> int:
        """Return the bytes of memory that one of SHARES may take."""
        return self.visitors_mb * 2**20 * SHARES[part] // sum(SHARES.values())

    @property
    def base_path(self) -> str:
        """Return how the path of all addresses begins: "/featurescope", or "" at the top."""
        return urlsplit(self.public_url).path.rstrip("/")


def find_stores(places: Iterable[str]) -> dict[str, Place]:
    """Return stores by the name that links carry: the folder's, with its parents' where two have the same.

    Each place is a store or a folder of stores, on a disk or in object storage; read anew at each call, so
    that a new store is picked up. ValueError for a malformed address.
    """
    found = [path for each in places for path in _stores_at(place(each))]
    unique = list(dict.fromkeys(path.resolve() for path in found))
    return dict(zip(_names(unique), unique, strict=True))


def places_said(text: str) -> tuple[str, ...]:
    """Return the places that a list separated by commas names; a folder may have commas in its own name."""
    said, places = text.split(","), []
    while said:
        end = next((end for end in range(len(said), 1, -1) if Path(",".join(said[:end])).is_dir()), 1)
        places.append(",".join(said[:end]))
        said = said[end:]
    return tuple(place for place in places if place)


def stores_called(name: str, listed: Mapping[str, Place]) -> list[str]:
    """Return the listed names of the stores that an address may mean by a name, the likeliest first.

    That of the listed name, or those whose folder and parents are called so: what a link calls demo may now
    be listed as a-demo, as another demo is served too, and the other way round.
    """
    if name in listed:
        return [name]
    return [each for each, path in listed.items() if name in _longer_names(path)]


def check_places(places: Iterable[str]) -> None:
    """Raise a ValueError for a malformed address, and for a bucket that isn't there or can't be asked."""
    for each in places:
        if isinstance(where := place(each), ObjectPath):
            where.bucket.check()


def _stores_at(where: Place) -> list[Place]:
    if not isinstance(where, Path):
        return _stores_in_bucket(where)
    if _is_store(where):
        return [where]
    return sorted(path for path in where.iterdir() if _is_store(path)) if where.is_dir() else []


def _stores_in_bucket(where: ObjectPath) -> list[ObjectPath]:
    """Return the stores in a bucket; where it can't be asked, those that were there last.

    If it never could be asked, the place itself: whoever opens it is told why it can't be.
    """
    try:
        inside = [where / name for name in folders_with(where, RUNS)]
        _found[where] = [where] if _is_store(where) else inside
    except Unavailable:
        return _found.get(where, [where])
    return _found[where]


_found: dict[ObjectPath, list[ObjectPath]] = {}


def _is_store(path: Place) -> bool:
    return (path / RUNS).is_dir()


def _names(paths: Sequence[Place]) -> list[str]:
    """Names of different places, each as short as it can be without being another's."""
    choices = [_longer_names(path) for path in paths]
    taken = Counter(name for names in choices for name in set(names))
    names: list[str] = []
    for own in choices:
        name = next((each for each in own if taken[each] == 1), own[-1])
        number = next(number for number in count(1) if _numbered(name, number) not in names)
        names.append(_numbered(name, number))
    return names


def _longer_names(path: Place) -> list[str]:
    """What a store may be called: its folder's name, with its parent's, with that of its parent, …"""
    parts = [path.name, *(each.name for each in path.parents if each.name)]
    return ["-".join(reversed(parts[: depth + 1])) for depth in range(len(parts))]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
