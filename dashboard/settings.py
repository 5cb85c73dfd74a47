"""What the command line says to the server: which stores, which device, which model files are trusted."""

import json
import os
from collections.abc import Iterable, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from featurestore.errors import Unavailable
from featurestore.layout import RUNS
from featurestore.objects.path import ObjectPath
from featurestore.places import Place, folders_with, place

VARIABLE = "FEATURESCOPE_SETTINGS"


SHARES = {
    "results": 8,
    "answers": 8,
    "sent files": 6,
    "uploads": 4,
    "messages": 3,
    "originals": 2,
    "selections": 1,
}
"""Of the memory for visitors, in 32nds: live results that have ended; answers of routes that took work; files
on their way from a browser; uploaded images; messages of browsers; files of images read last; selections."""


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
    """Return stores by the name that links carry: the folder's, with its parent's where two have the same.

    Each place is a store or a folder of stores, on a disk or in object storage; read anew at each call, so
    that a new store is picked up. ValueError for a malformed address.
    """
    found = [path for each in places for path in _stores_at(place(each))]
    unique = list(dict.fromkeys(path.resolve() for path in found))
    names = [path.name for path in unique]
    return {_name(path, names.count(path.name) > 1): path for path in unique}


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


def _name(path: Place, ambiguous: bool) -> str:
    return f"{path.parent.name}-{path.name}" if ambiguous else path.name
