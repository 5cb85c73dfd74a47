"""The manifest: what a run was made of and, for every file, what its bytes are. It is the run's commit."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from featurestore.errors import Damaged
from featurestore.layout import MANIFEST, check_fingerprint, parse_shard_file, table_of
from featurestore.places import Place, read_whole
from featurestore.schemas import SCHEMA_VERSION

REGENERATE = "regenerate it with `make store STORE=...` (python -m compute store --store ...)"


@dataclass(frozen=True)
class RowGroup:
    """Rows that are read together.

    rows: their number
    first, last: the sort keys of the first and of the last row
    checksums: CRC-32 of each leaf column
    """

    rows: int
    first: tuple
    last: tuple
    checksums: tuple[str, ...]


@dataclass(frozen=True)
class FileEntry:
    """One Parquet file.

    bytes, sha256: of all of it
    footer_bytes, footer: size and CRC-32 of its footer
    row_groups: its row groups, in order
    """

    bytes: int
    sha256: str
    footer_bytes: int
    footer: str
    row_groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.row_groups)


@dataclass(frozen=True)
class Manifest:
    """A run in words and checksums.

    model       name, weights hash, input size, normalisation, accuracy, ...
    images      name, number and hash of the image set, ...
    parameters  of every stage, seeds included
    versions    of Python and the libraries
    device, dtype, threads   on which it was computed
    class_names in the network's order
    notes       anything further
    files       file name -> FileEntry, in the order of table and shard
    """

    fingerprint: str
    model: Mapping[str, Any]
    images: Mapping[str, Any]
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    device: str
    dtype: str
    threads: int
    class_names: tuple[str, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check_fingerprint(self.fingerprint)
        kinds: dict[str, type | tuple[type, ...]] = {
            "model": Mapping,
            "images": Mapping,
            "parameters": Mapping,
            "versions": Mapping,
            "notes": Mapping,
            "files": Mapping,
            "device": str,
            "dtype": str,
            "threads": int,
            "class_names": (tuple, list),
        }
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"manifest field {name!r} is {getattr(self, name)!r}, of a wrong type")
        if not all(isinstance(name, str) for name in self.class_names):
            raise ValueError("manifest field 'class_names' must hold strings alone")
        object.__setattr__(self, "class_names", tuple(self.class_names))

    def table_files(self, table: str) -> list[str]:
        """Return the file names of a table's shards, in order; none where it was not computed."""
        return [name for name in self.files if table_of(name) == table]

    @property
    def independent_labels(self) -> bool:
        """Whether each class has a probability of its own, whatever the others'."""
        return bool((self.model.get("scores") or {}).get("independent"))

    @property
    def labels_are_lists(self) -> bool:
        """Whether the images' labels name several classes each, such as "cat|dog"."""
        return bool(self.model.get("labels_are_lists"))

    @property
    def columns(self) -> Mapping[str, Mapping[str, Any]]:
        """What the list of images says beside label and split: by the column's name, its "kind" ("text" or
        "number") and how many different "values" it has."""
        return self.images.get("columns") or {}

    @property
    def remarks(self) -> list[str]:
        """What a user should know of the network and of what it has nothing for, a sentence each."""
        left_out = self.notes.get("left_out") or {}
        return [*model_remarks(self.model), *(f"left out: {name}: {why}" for name, why in left_out.items())]

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(table_of(name) for name in self.files))

    def to_bytes(self) -> bytes:
        """Return canonical JSON: equal manifests are equal bytes. `checksum` is the SHA-256 of the rest."""
        record = asdict(self)
        record["checksum"] = _checksum(record)
        return (json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, origin: str) -> "Manifest":
        """Read a manifest. Damaged where it is not a whole one; ValueError for another schema version."""
        try:
            record = json.loads(data)
            text = _text(record)
            version = record["schema_version"]
        except UnicodeDecodeError as error:
            raise Damaged(
                f"{origin} is no manifest: it is no text, from byte {error.start} on; {REGENERATE}"
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Damaged(f"{origin} is no manifest: {error!r}; {REGENERATE}") from error
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"{origin} has schema version {version!r}, this program reads {SCHEMA_VERSION}; {REGENERATE}"
            )
        is_whole = data.endswith(b"\n") and _dense(text) == _dense(data)
        if record.pop("checksum", None) != _checksum(record) or not is_whole:
            raise Damaged(f"{origin} is not as it was written (its checksum differs); {REGENERATE}")
        try:
            return cls(**record | {"files": _parse_files(record["files"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{origin} is no manifest: {error!r}; {REGENERATE}") from error


def model_remarks(model: Mapping[str, Any]) -> list[str]:
    """What a user should know of a network: what its scores mean, what stepped aside and why, a sentence
    each.

    model: a manifest's field, or the facts that it is made of; older ones say nothing.
    """
    scores = model.get("scores") or {}
    said = [] if scores.get("plain", True) else [f"scores: {scores['said']}"]
    feature = model.get("feature")
    chosen = [] if feature is None else [f"feature: the value of layer {feature}, pooled over its map"]
    lost = model.get("no_gradient_because")
    return [*said, *chosen, *(model.get("notes") or ()), *([] if lost is None else [lost])]


def read_manifest(folder: Place, anew: bool = False) -> Manifest:
    """Read the manifest of the run in `folder`.

    anew: nothing that this machine has kept of it is good enough
    FileNotFoundError where the run was never committed.
    """
    path = folder / MANIFEST
    if isinstance(path, Path) and path.exists() and not path.is_file():
        raise Damaged(f"{path} is no manifest: it is no file; {REGENERATE}")
    try:
        content = path.read_bytes() if anew else read_whole(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror or error}") from error
    manifest = Manifest.from_bytes(content, str(path))
    if manifest.fingerprint != folder.name:
        raise Damaged(f"{path} is of run {manifest.fingerprint!r}, not of {folder.name!r}; {REGENERATE}")
    return manifest


def options_of(manifest: Manifest) -> dict[str, Any]:
    """The options of `python -m compute store` that make this run again, by name; --store apart."""
    said = {**manifest.model.get("spec", {}), "images": manifest.images.get("spec"), **manifest.parameters}
    return {name.replace("_", "-"): value for name, value in said.items() if value is not None}


def _checksum(record: Any) -> str:
    return hashlib.sha256(_text(record)).hexdigest()


def _text(record: Any) -> bytes:
    return json.dumps(record, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")


def _dense(text: bytes) -> bytes:
    """Without spaces and ends of lines: 1E-05 for 1e-05 was never written, though it is the same number."""
    return text.translate(None, b" \n")


def _parse_files(record: Any) -> dict[str, FileEntry]:
    files = {}
    for name in sorted(record):
        if parse_shard_file(name) is None:
            raise TypeError(f"{name!r} is no shard's file name")
        entry = dict(record[name])
        groups = tuple(
            RowGroup(group["rows"], tuple(group["first"]), tuple(group["last"]), tuple(group["checksums"]))
            for group in entry["row_groups"]
        )
        files[name] = FileEntry(**entry | {"row_groups": groups})
    return files
