"""What opening a source of images may touch beside the place that its name says.

A command line may read what its user may. A server opens the source of a store, which somebody else may have
made, and asks here before it reads a file outside of a list's folder, an object, or a network. The place
itself, be it a folder, an archive, a table or a list's folder, it reads wherever it lies: of it a visitor is
shown only bytes whose SHA-256 stands in the store, which whoever made the store had already.
"""

from dataclasses import dataclass
from pathlib import Path

HOW_TO_ALLOW = "the server's operator allows it with --originals"


class NotAllowed(ValueError):
    """A place that this server does not read images from."""


@dataclass(frozen=True)
class Reach:
    """What may be read.

    places: folders, and addresses in object storage, whatever lies in them; None for everything.
    network: whether a data set may be downloaded.
    """

    places: tuple[str, ...] | None = None
    network: bool = True

    def check_file(self, file: Path, home: Path) -> None:
        """Raise NotAllowed for a file that lies neither in `home` nor in one of the places."""
        if self.places is None:
            return
        real = file.resolve()
        allowed = [home, *(Path(place) for place in self.places if "://" not in place)]
        if not any(real.is_relative_to(folder.resolve()) for folder in allowed):
            raise NotAllowed(f"{str(file)!r} does not lie in {home}; {HOW_TO_ALLOW} {file.parent}")

    def check_address(self, address: str) -> None:
        """Raise NotAllowed for a place in object storage that does not lie in one of the places."""
        if self.places is None:
            return
        if not any(f"{address}/".startswith(f"{place.rstrip('/')}/") for place in self.places):
            raise NotAllowed(f"images in {address} are not read by this server; {HOW_TO_ALLOW} {address}")


ANYWHERE = Reach()
