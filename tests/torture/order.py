"""The order of a writer's calls (strace): write, fsync(file), rename, fsync(folder); CURRENT last.

So that a power cut, too, leaves whole files only, and a manifest only over files that are on the disk.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from featurestore.layout import CURRENT, MANIFEST, TEMPORARY
from tests.torture.outcome import Outcome
from tests.torture.stores import SHARDS, write

TRACED = "trace=write,pwrite64,writev,fsync,fdatasync,/^rename"
CALL = re.compile(r"(?:\d+ +)?(write|pwrite64|writev|fsync|fdatasync|rename\w*)\((.*)\) += (-?\d+)")
PATHS = re.compile(r'"([^"]*)"|\d+<([^>]*)>')


def run(work: Path) -> Outcome:
    what = "order of system calls"
    if not shutil.which("strace"):
        return Outcome(what, 0, (), skipped="there is no `strace`")
    log = work / "trace"
    command = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-e",
        TRACED,
        "-o",
        str(log),
        sys.executable,
        "-m",
        "tests.torture.order",
        str(work / "store"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "ptrace" in done.stderr:
            return Outcome(what, 0, (), skipped=f"tracing is not allowed here: {done.stderr.strip()}")
        return Outcome(what, 0, (f"ended with {done.returncode}: {done.stderr[-2000:]}",))
    calls = traced(log.read_text(), work / "store")
    files = [Path(paths[1]).name for call, paths in calls if call == "rename"]
    return Outcome(what, len(files), tuple(faults(calls)), f"{len(calls)} calls, for {len(files)} files.")


def traced(log: str, store: Path) -> list[tuple[str, tuple[str, ...]]]:
    """(write, fsync or rename; its paths) of all calls that are about the store."""
    found = []
    for match in map(CALL.match, log.splitlines()):
        if match is None:
            continue
        call = "write" if "write" in match[1] else "rename" if "rename" in match[1] else "fsync"
        paths = tuple(quoted or opened for quoted, opened in PATHS.findall(match[2]))
        paths = paths if call == "rename" else paths[:1]
        if paths and all(Path(path).is_relative_to(store.resolve()) for path in paths):
            found.append((call, paths))
    return found


def faults(calls: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """What is out of order."""
    found, published = [], []
    for at, (call, paths) in enumerate(calls):
        if call == "rename":
            temporary, final = map(Path, paths)
            published.append(final.name)
            before = [name for name, touched in calls[:at] if touched[0] == str(temporary)]
            if before[-1:] != ["fsync"] or "write" not in before or before.count("fsync") != 1:
                found.append(f"{final.name}: {before} before its rename")
            if calls[at + 1 : at + 2] != [("fsync", (str(final.parent),))]:
                found.append(f"{final.name}: its folder is not synced right after its rename")
        elif call == "write" and not Path(paths[0]).name.startswith(TEMPORARY):
            found.append(f"{paths[0]} is written in place")
    if published[-2:] != [MANIFEST, CURRENT] or len(published) != len(SHARDS) + 2:
        found.append(f"published in the order {published}")
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))
