"""A disk that is full after so many bytes: a clear error, nothing seen by halves, and on once there is room.

The disks are small tmpfs in a user and mount namespace of their own (`unshare -Urm`), which needs no rights.
"""

import json
import subprocess
import sys
from pathlib import Path

from featurestore.errors import NoRoom
from tests.torture.outcome import Outcome
from tests.torture.stores import contents, half_visible, write

BLOCK = 4096
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
ADVICE = ("No space left on the disk for", "make room", "same command again")


def run(work: Path, sizes: int) -> Outcome:
    what = "full disk"
    if reason := _missing():
        return Outcome(what, 0, (), skipped=reason)
    command = [*NAMESPACE, sys.executable, "-m", "tests.torture.full_disk", str(work), str(sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Outcome(what, 0, (f"ended with {done.returncode}: {done.stderr[-2000:]}",))
    said = json.loads(done.stdout)
    return Outcome(what, said["tried"], tuple(said["failures"]), said["detail"])


def _missing():
    """Why there are no small disks here, or nothing."""
    try:
        command = [*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no `unshare`"
    return "" if done.returncode == 0 else f"no tmpfs in a namespace of one's own: {done.stderr.strip()}"


def _inside(work: Path, number: int) -> None:
    """In the namespace: prints what happened on disks of `number` sizes."""
    write(work / "whole")
    whole = contents(work / "whole")
    blocks = sum(-(-len(data) // BLOCK) for data in whole.values())
    sizes = sorted({1 + round(place * (blocks - 2) / max(1, number - 1)) for place in range(number)})
    failures = [failure for size in sizes for failure in _fill(work / "disk", size, whole)]
    smallest, largest, needed = (number * BLOCK // 1024 for number in (sizes[0], sizes[-1], blocks))
    detail = f"Disks of {smallest} to {largest} KiB, for a store of {needed} KiB."
    print(json.dumps({"tried": len(sizes), "failures": failures, "detail": detail}))


def _fill(disk, blocks, whole):
    disk.mkdir(exist_ok=True)
    _mount(f"size={blocks * BLOCK}", disk)
    try:
        failures = _refusal(disk)
        failures += [f"run {run} is visible and not whole" for run in half_visible(disk, whole)]
        _mount(f"remount,size={4 * len(whole) * BLOCK + 4 * sum(map(len, whole.values()))}", disk)
        write(disk)
        failures += [] if contents(disk) == whole else ["with room, the store has other bytes"]
    finally:
        subprocess.run(["umount", disk], check=True)
    return [f"{blocks} blocks: {failure}" for failure in failures]


def _refusal(disk):
    try:
        write(disk)
    except NoRoom as error:
        left = [str(file) for file in disk.rglob(".tmp-*")]
        unsaid = [words for words in ADVICE if words not in str(error)]
        return [f"the error does not say {words!r}: {error}" for words in unsaid] + [
            f"{file} is left" for file in left
        ]
    except Exception as error:
        return [f"{error!r}, not NoRoom"]
    return ["it fitted"]


def _mount(options, disk):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)


if __name__ == "__main__":
    _inside(Path(sys.argv[1]), int(sys.argv[2]))
