"""A finished live result, and the file that keeps it: NumPy's .npz, with what is said of it in JSON."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import accumulate
from typing import Any, BinaryIO

import numpy as np

from compute.analysis.deviation import Sketch, sketch
from compute.images.pictures import picture, png, resized, to_8_bit
from compute.methods.base import Step

ABOUT, THUMBNAIL, DATA, PICTURE, FRAMES = "about", "thumbnail", "data", "picture ", "frames"
THUMBNAIL_SIDE = 160


@dataclass(frozen=True)
class Result(Step):
    """What a finished live job left: its last step, what it took, where it was computed.

    seconds: that it ran
    environment: see `compute.runtime.environment`
    note: what went wrong in keeping it, for people
    frames: of the steps towards it, as JPEG files, the result last; no part of its digest
    """

    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    frames: tuple[bytes, ...] = ()

    @classmethod
    def of(
        cls,
        step: Step,
        seconds: float = 0.0,
        environment: Mapping[str, str] | None = None,
        frames: tuple[bytes, ...] = (),
    ) -> "Result":
        """Return the result that a step is as the last one of its job."""
        of_step = {each.name: getattr(step, each.name) for each in fields(Step)}
        return cls(**of_step, seconds=seconds, environment=environment or {}, frames=frames)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 over the kind and every array's name, dtype, shape and bytes."""
        arrays = {DATA: self.data} | {PICTURE + name: each for name, each in sorted(self.pictures.items())}
        digest = hashlib.sha256(self.kind.encode())
        for name, array in arrays.items():
            digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def sketch(self) -> Sketch:
        return sketch(self.data)


def _without_arrays(step: Step) -> dict[str, Any]:
    return {
        "index": step.index,
        "total": step.total,
        "kind": step.kind,
        "score": None if step.score is None else float(step.score),
        "numbers": dict(step.numbers),
    }


def to_file(result: Result, about: Mapping[str, Any]) -> bytes:
    """Return the file of a result. about: what the list of results says of it, ready for JSON."""
    own = {
        "environment": dict(result.environment),
        "seconds": result.seconds,
        "step": _without_arrays(result),
        "frames": [len(each) for each in result.frames],
    }
    arrays = {DATA: result.data} | {PICTURE + name: each for name, each in result.pictures.items()}
    arrays[ABOUT] = np.frombuffer(json.dumps({**about, **own}).encode(), np.uint8)
    if result.frames:
        arrays[FRAMES] = np.frombuffer(b"".join(result.frames), np.uint8)
    arrays[THUMBNAIL] = np.frombuffer(_thumbnail(result), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _thumbnail(step: Step) -> bytes:
    drawn = picture(step)
    drawn = np.stack([drawn] * 3, axis=2) if drawn.ndim == 2 else drawn[..., :3]
    return png(to_8_bit(resized(drawn / np.float32(255), THUMBNAIL_SIDE)))


def from_file(content: bytes) -> Result:
    """Return the result of a file; any error for other bytes. The caller compares the digest."""
    with arrays_of(io.BytesIO(content)) as file:
        about = json.loads(file[ABOUT].tobytes())
        pictures = {name[len(PICTURE) :]: file[name] for name in file.files if name.startswith(PICTURE)}
        step = Step(**about["step"], data=file[DATA], pictures=pictures)
        lengths = about.get("frames", [])
        frames = _cut(file[FRAMES].tobytes(), lengths) if lengths else ()
    return Result.of(step, about["seconds"], about["environment"], frames)


@contextmanager
def arrays_of(file: BinaryIO) -> Iterator[np.lib.npyio.NpzFile]:
    """Open the arrays of a result's file, each read when it is asked for; any error for other bytes.

    ValueError, before anything is read, where they unpack into more than the file: those of this program are
    not compressed, and those that somebody else put beside a store might have no end.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        if sum(entry.file_size for entry in arrays.zip.infolist()) > size:
            raise ValueError("its arrays unpack into more than the file has")
        yield arrays


def _cut(content: bytes, lengths: Sequence[int]) -> tuple[bytes, ...]:
    ends = list(accumulate(lengths))
    return tuple(content[end - length : end] for end, length in zip(ends, lengths, strict=True))
