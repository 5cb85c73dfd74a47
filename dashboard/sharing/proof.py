"""What a link says of the run and the result that it was made on, to compare it with what opening it shows.

A proof's text is a few fields, in characters that an address takes as they are. Its digests are cut short:
they tell things apart that differ by accident, not forged ones.
"""

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from compute.analysis.deviation import BYTES, Sketch, deviation, estimated_deviation
from compute.reports.compare.series import MOST
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import ResultCache
from dashboard.views.state import ViewState
from featurestore.layout import table_of
from featurestore.manifest import Manifest
from featurestore.reader import Run
from featurestore.schemas import ADDED_TABLES, TABLES

TOLERANCE = 0.01
"""Deviation (root mean square of the difference over that of the original) up to which results are close."""

SMALLEST = 0.0005
"""Deviation below which no number is given."""

VERSION, SEPARATOR = "2", "~"
WHOLE, PART, TABLE = 16, 4, 3
"""Characters of base64 of the manifest's digest, of a part's and of a table's."""

RESULT = 32
"""Hexadecimal digits of a result's digest."""

LONGEST_ENVIRONMENT = 60
LONGEST_RUN = 24
"""Characters of a fingerprint by which the link's run is found again."""

ABSENT, UNREAD = "-" * TABLE, "-" * PART

PROVED = (*(name for name in TABLES if name not in ADDED_TABLES), *ADDED_TABLES)
"""All tables, in the order that proofs have them: those that a run may gain later stand last, and proofs of
before they were known end without them."""


@dataclass(frozen=True)
class Proof:
    """What a view was made on.

    view: hash of the view without its store and run.
    run: the beginning of the run's fingerprint.
    manifest: hash of all that the run is, but not of when it was made.
    parts: hashes of model, images, parameters and versions.
    tables: hash of each table.
    result, environment, sketch: of a live result, else "" and None.
    other: of a view of two runs, what the second run is; it has neither a view nor a result.
    series: of a view of a series, each run's hash, in the view's order; UNREAD of one that can't be read.
    """

    view: str
    run: str
    manifest: str
    parts: Mapping[str, str]
    tables: Mapping[str, str]
    result: str = ""
    environment: str = ""
    sketch: Sketch | None = None
    other: "Proof | None" = None
    series: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the proof as a link carries it."""
        fields = [VERSION, self.view, *self._run_fields()]
        if self.other:
            fields += [OTHER, *self.other._run_fields()]
        if self.series:
            fields += [SERIES, "".join(self.series)]
        if self.result:
            fields += [self.result, self.environment, _base64(self.sketch.to_bytes())]
        return SEPARATOR.join(fields)

    @classmethod
    def from_text(cls, text: str) -> "Proof":
        """Read a proof from a link; ValueError for anything but `to_text`, such as one cut short."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError("the link's proof can't be read: it was cut short, or is of another version")
        said = match.groupdict("")
        return cls(
            said["view"],
            *_run_said(said),
            said["result"],
            said["environment"],
            Sketch.from_bytes(_bytes(said["sketch"])) if said["result"] else None,
            cls("", *_run_said(said, OTHER)) if said[f"{OTHER}run"] else None,
            tuple(_cut(said[SERIES], PART)),
        )

    def _run_fields(self) -> tuple[str, ...]:
        parts = "".join(self.parts[name] for name in PARTS)
        return self.run, self.manifest, parts, "".join(self.tables.get(name, ABSENT) for name in PROVED)

    def is_for(self, view: ViewState) -> bool:
        """Return whether it was made for this view, whatever the view's stores and runs."""
        return self.view == _view_hash(view)

    def is_of(self, run: Run) -> bool:
        """Return whether it was made on this run."""
        return self.is_of_fingerprint(run.fingerprint)

    def is_of_fingerprint(self, fingerprint: str) -> bool:
        """Return whether it was made on the run of this fingerprint."""
        return fingerprint[:LONGEST_RUN] == self.run


PARTS = ("model", "images", "parameters", "versions")

_B64 = "[A-Za-z0-9_-]"
OTHER, SERIES = "other", "series"
"""What a second run's fields begin with, and those of a series."""


def _run_pattern(prefix: str = "") -> str:
    fields = [
        f"(?P<{prefix}run>[0-9A-Za-z_-]{{1,{LONGEST_RUN}}})",
        f"(?P<{prefix}manifest>{_B64}{{{WHOLE}}})",
        f"(?P<{prefix}parts>{_B64}{{{PART * len(PARTS)}}})",
        f"(?P<{prefix}tables>(?:{_B64}{{{TABLE}}}){{{len(PROVED) - len(ADDED_TABLES)},{len(PROVED)}}})",
    ]
    return SEPARATOR.join(fields)


def _run_said(said: Mapping[str, str], prefix: str = "") -> tuple[str, str, dict[str, str], dict[str, str]]:
    tables = zip(PROVED, _cut(said[f"{prefix}tables"], TABLE), strict=False)
    parts = dict(zip(PARTS, _cut(said[f"{prefix}parts"], PART), strict=True))
    known = {name: each for name, each in tables if each != ABSENT}
    return said[f"{prefix}run"], said[f"{prefix}manifest"], parts, known


_TEXT = re.compile(
    f"{VERSION}~(?P<view>{_B64}{{{PART}}})~{_run_pattern()}(?:~{OTHER}~{_run_pattern(OTHER)})?"
    f"(?:~{SERIES}~(?P<{SERIES}>(?:{_B64}{{{PART}}}){{1,{MOST}}}))?"
    f"(?:~(?P<result>[0-9a-f]{{{RESULT}}})~(?P<environment>[A-Za-z0-9._-]{{0,{LONGEST_ENVIRONMENT}}})"
    f"~(?P<sketch>{_B64}{{{-(-BYTES * 4 // 3)}}}))?"
)


@dataclass(frozen=True)
class Verdict:
    """What comparing two proofs has shown.

    sentence: for people, without a full stop.
    """

    kind: Literal["reproduced", "close", "differs"]
    sentence: str


def prove(
    view: ViewState,
    run: Run,
    result: Result | None,
    other: Run | None = None,
    series: Iterable[Run | None] = (),
) -> Proof:
    """Return the proof of what the page shows now.

    other: the second run of a view of two.
    series: the runs of a view of a series; None for one that can't be read.
    """
    second = None if other is None else _of_all_views(other)
    hashed = tuple(UNREAD if each is None else _of_all_views(each).manifest[:PART] for each in series)
    proof = dataclasses.replace(_of_all_views(run), view=_view_hash(view), other=second, series=hashed)
    if result is None:
        return proof
    return dataclasses.replace(
        proof, result=result.digest[:RESULT], environment=_spelled(result.environment), sketch=result.sketch
    )


def compare(
    proof: Proof, now: Proof, kept: ResultCache | None = None, result: Result | None = None
) -> Verdict:
    """Compare a link's proof with the one of what is shown.

    kept: where the link's own result may still lie. With it the deviation is exact; else the sketches
        estimate it.
    result: what is shown.
    """
    changes = [
        *_run_changes(proof, now),
        *_other_changes(proof.other, now.other),
        *_series_changes(proof.series, now.series),
    ]
    if not proof.result or not now.result:
        return _of_runs(changes, proof, now)
    if proof.result == now.result:
        how = "the result has the same bytes"
        return (
            Verdict("differs", f"Differs by {'; '.join(changes)}; {how}")
            if changes
            else Verdict("reproduced", f"Reproduced: the same run, and {how}")
        )
    exact, amount = _deviation(proof, now, kept, result)
    said = _percent(amount) if exact or amount < SMALLEST else f"about {_percent(amount)}"
    if not changes and amount <= TOLERANCE:
        return Verdict(
            "close",
            f"Close: the same run; the result is within {_percent(TOLERANCE)} of the link's ({said}), which "
            f"was computed on {spoken(proof.environment)}, this one on {spoken(now.environment)}",
        )
    by = "another size" if amount == float("inf") else said
    environments = (
        f" (the link's on {spoken(proof.environment)}, this one on {spoken(now.environment)})"
        if proof.environment != now.environment
        else " in the same environment"
    )
    return Verdict("differs", f"Differs by {'; '.join([*changes, f'the result: {by}{environments}'])}")


def spoken(environment: str) -> str:
    """Return an environment in words; "" is an unknown one."""
    if environment.count("_") != 3:
        return "an unknown environment"
    torch, device, threads, code = environment.split("_")
    return f"{device.replace('-', ' ')} ({threads} threads, torch {torch}, code {code})"


def _of_runs(changes: list[str], proof: Proof, now: Proof) -> Verdict:
    if changes:
        return Verdict("differs", f"Differs by {'; '.join(changes)}")
    same = f"series of {len(proof.series)} runs" if proof.series else "two runs" if proof.other else "run"
    unsaid = "; of the series' runs the link says nothing" if now.series and not proof.series else ""
    return Verdict(
        "reproduced", f"Reproduced: the same {same}, by the checksums that all reading is held to{unsaid}"
    )


def _other_changes(proof: Proof | None, now: Proof | None) -> list[str]:
    """Return what of the second run differs."""
    if proof is None and now is None:
        return []
    if proof is None:
        return ["the other run, of which the link says nothing"]
    if now is None:
        return ["the other run, which can't be read"]
    changes = _run_changes(proof, now)
    return [f"the other run: {', '.join(changes)}"] if changes else []


def _series_changes(proof: tuple[str, ...], now: tuple[str, ...]) -> list[str]:
    """Return which of the series' runs differ or can't be read: of two that weren't, nothing is known.

    A link of before they were proved says nothing of them.
    """
    if not proof:
        return []
    if len(proof) != len(now):
        return [f"the series, which had {len(proof)} runs and has {len(now)}"]
    return [
        f"run {place} of the series" + (", which can't be read" if new == UNREAD else "")
        for place, (old, new) in enumerate(zip(proof, now, strict=True), 1)
        if old != new or new == UNREAD
    ]


def _run_changes(proof: Proof, now: Proof) -> list[str]:
    """Return what of the run differs; empty where all is the same."""
    tables = [name for name in TABLES if proof.tables.get(name) != now.tables.get(name)]
    # What a run has gained since is nothing that the link showed.
    tables = [name for name in tables if name in proof.tables or name not in ADDED_TABLES]
    if proof.manifest == now.manifest and not tables:
        return []
    changed = [_NAMED[name] for name in PARTS if proof.parts[name] != now.parts[name]]
    if tables:
        changed.append(f"the table{'s' if len(tables) > 1 else ''} {', '.join(tables)}")
    return changed or ["the run's description"]


_NAMED = {
    "model": "the model (its weights or preprocessing)",
    "images": "the images",
    "parameters": "the store's parameters",
    "versions": "the versions or device it was computed on",
}


def _deviation(
    proof: Proof, now: Proof, kept: ResultCache | None, result: Result | None
) -> tuple[bool, float]:
    original = kept.find_digest(proof.result) if kept is not None and result is not None else None
    if original is not None:
        return True, deviation(original.data, result.data)
    return False, estimated_deviation(proof.sketch, now.sketch)


@lru_cache(32)
def _of_all_views(run: Run) -> Proof:
    """Return the proof of a run without a view.

    A large run's manifest has thousands of checksums, so they are hashed once.
    """
    manifest = run.manifest
    tables = {table: _table_hash(manifest, table) for table in manifest.tables}
    return Proof(
        "", run.fingerprint[:LONGEST_RUN], _hash(_lasting(manifest), WHOLE), _parts(manifest), tables
    )


def _percent(share: float) -> str:
    return f"less than {100 * SMALLEST:.2g} %" if share < SMALLEST else f"{100 * share:.2g} %"


def _view_hash(view: ViewState) -> str:
    """Hash the page and what was chosen on it.

    What is at its default is left out, so that the link holds when a later version has more to choose.
    """
    left_out = ("store", "run", "other_store", "other_run", "proof")
    chosen = {name: text for name, text in view.chosen().items() if name not in left_out}
    return _hash([view.page, chosen], PART)


def _lasting(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest without its notes (when the run was made, how long that took) and added tables."""
    files = {name: each for name, each in manifest.files.items() if table_of(name) not in ADDED_TABLES}
    return dataclasses.asdict(dataclasses.replace(manifest, notes={}, files=files))


def _parts(manifest: Manifest) -> dict[str, str]:
    ran_on = [dict(manifest.versions), manifest.device, manifest.dtype, manifest.threads]
    model = {name: manifest.model.get(name) for name in ("weights_hash", "preprocessing", "classes")}
    images = manifest.images.get("hash", dict(manifest.images))
    said = dict(zip(PARTS, (model, images, dict(manifest.parameters), ran_on), strict=True))
    return {name: _hash(value, PART) for name, value in said.items()}


def _table_hash(manifest: Manifest, table: str) -> str:
    return _hash([manifest.files[name].sha256 for name in manifest.table_files(table)], TABLE)


def _spelled(environment: Mapping[str, str]) -> str:
    said = [environment.get(name, "") for name in ("torch", "device", "threads", "code")]
    if not all(said):
        return ""
    widths = (16, 24, 4, 8)
    return "_".join(
        re.sub(r"[^A-Za-z0-9.]+", "-", each)[:width] for each, width in zip(said, widths, strict=True)
    )


def _hash(value: Any, characters: int) -> str:
    text = json.dumps(value, sort_keys=True, default=str).encode(errors="surrogatepass")
    return _base64(hashlib.sha256(text).digest())[:characters]


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _cut(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]
