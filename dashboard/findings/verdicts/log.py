"""The folder `verdicts` in that of the findings: every dashboard adds lines to a file of its own, each day.

So git merges what several people say without a conflict. Of several lines about one image the latest
counts. A verdict is of an image's bytes and its label: where the label was changed since, it is none any
more. The files may come from anybody.
"""

import csv
import io
import os
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.findings.listing import Facts, Listing, listing
from dashboard.settings import Settings
from dashboard.text import one_line
from featurestore.files.atomic import fsync_folder, make_folder
from featurestore.reader import Run

ERROR, AMBIGUOUS, FINE, NONE = "label error", "ambiguous", "fine", ""
VERDICTS = (ERROR, AMBIGUOUS, FINE)
"""What may be said of an image; NONE takes back what was said."""

FOLDER, CSV = "verdicts", ".csv"
MOST_FILES, LARGEST, LARGEST_TOGETHER = 10_000, 64 * 1024 * 1024, 512 * 1024 * 1024
"""Files that are read at most; bytes of one, and of all."""
LONGEST = 2_000
"""Characters of a label or a path."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_OWN = uuid.uuid4().hex[:8]
_writing = threading.Lock()


@dataclass(frozen=True)
class Verdict:
    """What was said of an image.

    sha256: of its file's bytes.
    label: that it had, "" for none.
    verdict: one of VERDICTS, or NONE.
    when: in UTC, such as "2026-11-26T18:40:00Z".
    path: where it lay, for people.
    """

    sha256: str
    label: str
    verdict: str
    when: str
    path: str


HEADER = [each.name for each in fields(Verdict)]


@dataclass(frozen=True)
class Verdicts:
    """All that was said.

    latest: by sha256 and label.
    problems: what could not be read, a sentence each.
    """

    latest: Mapping[tuple[str, str], Verdict]
    problems: tuple[str, ...] = ()

    @cached_property
    def _hashes(self) -> pa.Array:
        return pa.array(sorted({sha256 for sha256, _ in self.latest}), pa.string())

    def of_run(self, run: Run) -> dict[int, str]:
        """Return the verdict on each image of a run that has one, by image_id."""
        images = run.table("images", ["sha256", "label"])
        known = np.flatnonzero(pc.is_in(images["sha256"], self._hashes).to_numpy(zero_copy_only=False))
        rows = images.take(known).to_pylist()
        keyed = ((row["sha256"], row["label"] or "") for row in rows)
        found = zip(known.tolist(), map(self.latest.get, keyed), strict=True)
        return {image_id: each.verdict for image_id, each in found if each is not None}


def verdict_folder() -> "VerdictFolder":
    """Return the folder of verdicts in that of the findings."""
    return VerdictFolder(Path(Settings.read().findings) / FOLDER)


class VerdictFolder:
    def __init__(self, path: Path):
        self.path = path

    def read(self) -> Verdicts:
        """Return what is there now. A file is read once for each time that it was changed."""
        return _read_all(self.path, listing(self.path, CSV, MOST_FILES))

    def add(self, verdict: Verdict) -> Path:
        """Add a line and return its file. ValueError for what could not be read again; OSError as it is."""
        _checked(list(astuple(verdict)))
        make_folder(self.path)
        file = self.path / f"{verdict.when[:10]}-{_OWN}{CSV}"
        with _writing:
            is_new = not file.exists()
            with file.open("a", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerows([*([HEADER] if is_new else []), astuple(verdict)])
                stream.flush()
                os.fsync(stream.fileno())
            if is_new:
                fsync_folder(self.path)
        return file


def said_now(run: Run, image_id: int, verdict: str) -> Verdict:
    """Return a verdict on an image of a run as it is said now. ValueError for an image without a file."""
    row = run.image(image_id)
    if not row["sha256"]:
        raise ValueError(f"image {image_id} ({row['path']}) has no file that a verdict could be about")
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Verdict(row["sha256"], row["label"] or "", verdict, when, row["path"])


@lru_cache(4)
def _read_all(folder: Path, files: Listing) -> Verdicts:
    latest: dict[tuple[str, str], Verdict] = {}
    problems, together = [], 0
    for facts in files:
        together += max(facts[3], 0)
        if together > LARGEST_TOGETHER:
            problems.append(f"{facts[0]}: all files together have more than {LARGEST_TOGETHER >> 20} MB")
            continue
        said, wrong = _read(folder, facts)
        problems += [f"{facts[0]}: {each}" for each in wrong]
        for each in said:
            key = each.sha256, each.label
            if key not in latest or latest[key].when <= each.when:
                latest[key] = each
    there = {key: each for key, each in latest.items() if each.verdict != NONE}
    return Verdicts(there, tuple(problems))


@lru_cache(MOST_FILES)
def _read(folder: Path, facts: Facts) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """Return a file's verdicts, and what of it can't be read."""
    name, size = facts[0], facts[3]
    if size < 0:
        return (), ("it is no file",)
    if size > LARGEST:
        return (), (f"it has more than {LARGEST >> 20} MB",)
    try:
        text = (folder / name).read_text(encoding="utf-8", errors="strict")
    except (OSError, UnicodeDecodeError) as error:
        return (), (f"it can't be read: {error}",)
    said, wrong = [], []
    for number, line in enumerate(text.split("\n"), 1):
        # A line each: one that a crash or a merge broke must not take the next ones with it.
        if line and line != ",".join(HEADER):
            try:
                said.append(_checked(next(csv.reader(io.StringIO(line), strict=True))))
            except (ValueError, csv.Error) as error:
                wrong.append(f"line {number}: {error}")
    return tuple(said), tuple(wrong)


def _checked(values: list[str]) -> Verdict:
    """Return a line's values as a verdict; ValueError that names what is wrong."""
    if len(values) != len(HEADER):
        raise ValueError(f"{len(values)} values are not the {len(HEADER)} of {', '.join(HEADER)}")
    found = Verdict(*values)
    if not _SHA256.fullmatch(found.sha256):
        raise ValueError(f"{one_line(found.sha256[:80])!r} is no SHA-256")
    if found.verdict not in (*VERDICTS, NONE):
        said = one_line(found.verdict[:80])
        raise ValueError(f"unknown verdict {said!r}; choose from {', '.join(VERDICTS)}")
    if not _TIME.fullmatch(found.when):
        raise ValueError(f"{one_line(found.when[:80])!r} is no time such as 2026-11-26T18:40:00Z")
    for each in (found.label, found.path):
        if len(each) > LONGEST or "\n" in each or "\r" in each:
            raise ValueError(f"a label or path has a line break, or more than {LONGEST:,} characters")
    return found
