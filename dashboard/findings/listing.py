"""The files of a folder that git may change at any time, with what tells their content from another."""

import os
from pathlib import Path
from stat import S_ISREG

Facts = tuple[str, int, int, int]
"""Of a file its name, inode, time of change (ns) and size; a size of -1 for what is no file, or is gone."""
Listing = tuple[Facts, ...]


def listing(folder: Path, suffix: str, most: int) -> Listing:
    """Return the first `most` files with this suffix, by name.

    None of a folder that is not there yet, or may not be read: who writes into it is told why that can't be.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(suffix) and name[0] != ".")
    except OSError:
        return ()
    return tuple(facts_of(os.path.join(folder, name)) for name in names[:most])


def facts_of(file: str | Path) -> Facts:
    """Return a file's facts; a pipe, which would be waited for, and a device, which has no end, are none."""
    name = os.path.basename(file)
    try:
        facts = os.stat(file)
    except OSError:
        return name, 0, 0, -1
    is_file = S_ISREG(facts.st_mode)
    return (name, facts.st_ino, facts.st_mtime_ns, facts.st_size) if is_file else (name, 0, 0, -1)
