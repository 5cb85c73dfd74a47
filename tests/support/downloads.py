"""What the command line writes that a download shows."""

import shlex
from pathlib import Path

from compute.__main__ import main
from dashboard.sharing.downloads.download import Download

STORE_COMMANDS = {
    "atlas",
    "classes",
    "clusters",
    "compare",
    "map",
    "grid",
    "confusion",
    "mistakes",
    "occlusion-map",
    "outvoted",
    "suspects",
    "table",
}
"""They read a store alone, so they take no --device."""


def by_command(download: Download, suffix: str, folder: Path) -> bytes:
    """The file that the download's command line writes."""
    words = shlex.split(download.command)
    assert words[:3] == ["python", "-m", "compute"]
    out = folder / f"out{suffix}"
    words[words.index("--out") + 1] = str(out)
    words += ["--device", "cpu"] if words[3] not in STORE_COMMANDS else []
    assert main(words[3:]) == 0
    return out.read_bytes()
