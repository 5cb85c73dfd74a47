"""Where things are in a store: runs/<fingerprint>/<table>-<shard>.parquet, manifest.json; CURRENT.

Names that come from outside (a link, CURRENT) pass `check_fingerprint` before they become part of a path.
"""

import re
from pathlib import Path

CURRENT = "CURRENT"
RUNS = "runs"
MANIFEST = "manifest.json"
CACHE = "cache"
"""Folder of what is made from runs and can be made again (`vector_cache`)."""

LINKS = "links"
"""Folder of the dashboard's short links, JSON files that name runs."""

BESIDE_RUNS = (CACHE, LINKS, "results", "selections")
"""Folders of a store that hold no runs: the cache, and what the dashboard keeps."""

TEMPORARY = ".tmp-"
"""How names of files begin that are being written: no reader looks at them."""

PROGRESS = f"{TEMPORARY}progress"
"""A line of text in the folder of a run that is being written: how far its writer is."""

_FINGERPRINT = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_SHARD_FILE = re.compile(r"([a-z_]+)-([0-9]{5,9})\.parquet")


def check_fingerprint(fingerprint: str) -> str:
    """Return `fingerprint`; ValueError where it could not be a run's (such as a path)."""
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"{fingerprint!r} is no run's fingerprint: 1 to 128 letters, digits, '-' and '_'")
    return fingerprint


def shard_file(table: str, shard: int) -> str:
    """Return the name of a shard's file; its number is padded: sorted names are in the order of rows."""
    if not 0 <= shard < 10**9:
        raise ValueError(f"shard {shard!r} of table {table!r} is not in 0..999999999")
    return f"{table}-{shard:05d}.parquet"


def parse_shard_file(name: str) -> tuple[str, int] | None:
    """Return (table, shard) of a shard's file name; None for any other name."""
    match = _SHARD_FILE.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def table_of(name: str) -> str:
    """Return the table of a shard's file name; ValueError for any other name."""
    parsed = parse_shard_file(name)
    if parsed is None:
        raise ValueError(f"{name!r} is no name of a shard's file, such as images-00000.parquet")
    return parsed[0]


def run_folder(store: Path, fingerprint: str) -> Path:
    return Path(store) / RUNS / check_fingerprint(fingerprint)
