"""Images in object storage: the objects below a prefix, as if it were a folder."""

from functools import cached_property
from pathlib import PurePosixPath

from compute.images.formats.signatures import HEAD
from compute.images.sources.folders.classes_by_folder import items_of_files
from compute.images.sources.items import ImageSource, Item, Unreachable, Unread, check_size
from compute.images.sources.reach import ANYWHERE, Reach
from featurestore.errors import Unavailable
from featurestore.objects.path import ObjectPath


class BucketSource(ImageSource):
    """The images below s3://bucket/prefix; their folders say class and split, as those of a folder do.

    The server and its credentials are those of the environment, as for stores. What can't be reached is said
    of none of the images: it ends what asks for them.
    """

    def __init__(self, address: str, reach: Reach = ANYWHERE):
        self._place = ObjectPath.parse(address)
        self.spec = self.root = str(self._place)
        reach.check_address(self.spec)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        try:
            found = self._place.bucket.objects(self._place.key)
            if not found:
                self._place.bucket.check()
        except Unavailable as error:
            raise Unreachable(str(error)) from error
        start = len(self._place.key) + bool(self._place.key)
        files = [PurePosixPath(each.key[start:]) for each in found]
        shown = [file for file in files if not any(part.startswith(".") for part in file.parts)]
        return items_of_files(shown, self.spec, self._head)

    def read(self, path: str) -> bytes:
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{path!r} does not lie in {self.spec}")
        place = self._place / path
        try:
            with place.bucket.connection.explained(str(place)), place.bucket.open(place.key) as file:
                check_size(path, file.size())
                return file.readall()
        except FileNotFoundError as error:
            raise Unread("there is no such object", f"no object {path!r} in {self.spec}") from error
        except Unavailable as error:
            raise Unreachable(str(error)) from error

    def _head(self, path: PurePosixPath) -> bytes:
        place = self._place / str(path)
        try:
            with place.bucket.connection.explained(str(place)), place.bucket.open(place.key) as file:
                return file.read(HEAD)
        except FileNotFoundError:
            return b""
        except Unavailable as error:
            raise Unreachable(str(error)) from error
