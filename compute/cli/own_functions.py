"""The functions of the user's own files that this user made stores with, on this machine.

`--trust-model FILE` of the dashboard trusts those. They are noted outside of the stores: whoever makes a
store can name any function of any file in it.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from featurestore.files.atomic import make_folder, publish
from featurestore.objects.parts import local_root

FOLDER = "own-functions"


def note(model: str) -> None:
    """Note that this user had "FILE.py:FUNCTION" run.

    Nothing is noted of a module, whose function is always named, nor where the disk can't be written.
    """
    file, _, function = model.rpartition(":")
    if not file.endswith(".py"):
        return
    content = f"{Path(file).resolve()}:{function}".encode()
    with suppress(OSError):
        make_folder(_folder(), private=True)
        publish(_folder() / hashlib.sha256(content).hexdigest(), lambda noted: noted.write(content))


def noted_of(file: Path) -> tuple[str, ...]:
    """Return the functions of a file, given with no link in its path, that were noted; sorted."""
    lines = (each.read_text(errors="replace") for each in _folder().glob("?" * 64))
    return tuple(sorted(line.rpartition(":")[2] for line in lines if line.rpartition(":")[0] == str(file)))


def _folder() -> Path:
    return local_root() / FOLDER
