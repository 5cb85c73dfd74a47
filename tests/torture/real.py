"""The real `python -m compute store`: killed a dozen times, then damaged file by file and repaired."""

import random
import subprocess
import sys
import time
from pathlib import Path

from featurestore.layout import MANIFEST
from featurestore.manifest import read_manifest
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from tests.torture.outcome import Outcome

JOB = ("store", "--model", "digits", "--images", "digits", "--device", "cpu", "--limit", "60")
COMMAND = (sys.executable, "-m", "compute", *JOB)
REPAIR = """
import sys
from compute.__main__ import main
for number in range(int(sys.argv[1])):
    sys.stdin.readline()
    print("ended", main(sys.argv[2:]), flush=True)
"""


def kills(work: Path, number: int) -> Outcome:
    """kill -9 once so many files are there, each time some more, and a moment later."""
    whole, killed = work / "whole", work / "killed"
    _finish(whole)
    expected = _shards(whole)
    dice, failures = random.Random(0), []
    for kill in range(number):
        _kill_after(killed, round((kill + 1) * (len(expected) - 1) / number), dice.uniform(0, 0.05))
        if (killed / "runs").is_dir() and Store(killed).runs():
            failures.append(f"kill {kill}: a run is visible")
    _finish(killed)
    if _shards(killed) != expected or _without_notes(killed) != _without_notes(whole) or verify(killed):
        failures.append("resumed, the store has other bytes")
    detail = f"{len(expected)} files, one store."
    return Outcome("kill -9 of `compute store`", number, tuple(failures), detail)


def repairs(work: Path) -> Outcome:
    """Each file damaged, in turn in one of four ways: the same command writes that file again, no other."""
    store = work / "repaired"
    _finish(store)
    folder = store / "runs" / Store(store).current()
    names = [*sorted(read_manifest(folder).files), "../../CURRENT"]
    arguments = [*JOB, "--store", str(store)]
    with subprocess.Popen(
        [sys.executable, "-c", REPAIR, str(len(names)), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        failures = [
            failure
            for number, name in enumerate(names)
            for failure in _repaired(process, folder, name, number % 4)
        ]
        process.stdin.close()
    return Outcome(
        "files repaired by `compute store`",
        len(names),
        (*failures, *map(str, verify(store))),
        "Flipped, cut, zeroed and removed in turn; no other file was written.",
    )


def _repaired(process, folder, name, kind):
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.glob("*.parquet")}
    manifest = (folder / MANIFEST).read_bytes()
    file = (folder / name).resolve()
    whole = file.read_bytes()
    _damage(file, whole, kind)
    process.stdin.write("\n")
    process.stdin.flush()
    while not (said := process.stdout.readline()).startswith("ended"):
        if not said:
            yield f"{name}: the command died"
            return
    if said.split()[1] != "0" or file.read_bytes() != whole or (folder / MANIFEST).read_bytes() != manifest:
        yield f"{name}: not repaired to its very bytes"
    for other in before:
        if other != name and (folder / other).stat().st_ino != before[other][0]:
            yield f"{name}: {other} was written, too"


def _damage(file, whole, kind):
    middle = len(whole) // 2
    if kind == 3:
        file.unlink()
    else:
        file.write_bytes(
            (
                whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :],
                whole[:middle],
                bytes(len(whole)),
            )[kind]
        )


def _kill_after(store, files, delay):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*COMMAND, "--store", store], **quiet) as process:
        while len(list(store.glob("runs/*/*.parquet"))) < files and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()


def _finish(store):
    subprocess.run([*COMMAND, "--store", store], check=True, capture_output=True)


def _shards(store):
    return {path.name: path.read_bytes() for path in store.glob("runs/*/*.parquet")}


def _without_notes(store):
    """The manifest but for its time and timings."""
    manifest = Store(store).open().manifest
    return {name: value for name, value in vars(manifest).items() if name != "notes"}
