"""Weights in the format of safetensors, and weights shared out over several files by an index."""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from compute.models.weights.errors import Refused

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".index.json"
MAX_INDEX_BYTES = 64 * 2**20


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name; Refused where it is none of its files."""
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except Exception as error:  # the reader raises what torch and its own parser do
        raise Refused(f"is damaged or not a safetensors file: {error}") from error


def shards(index: Path) -> list[Path]:
    """The files that an index names, which lie beside it.

    Raises Refused where it is no index, or a file is missing.
    """
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise Refused(f"is no index: it has more than {MAX_INDEX_BYTES:,} bytes")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"is no index of weights: {error!r}") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise Refused(f"names {name!r}, which is no file beside it")
        if not (index.parent / name).is_file():
            raise Refused(f"names {name}, which is missing; put all {len(names)} of them beside it")
    return [index.parent / name for name in names]


def index_of(path: Path) -> Path | None:
    """The index of which a file is a part by its name ("model-00001-of-00002.safetensors"), or None."""
    stem, _, rest = path.stem.rpartition("-of-")
    if not stem or not rest.isdecimal():
        return None
    index = path.with_name(f"{stem.rpartition('-')[0]}{path.suffix}{INDEX_SUFFIX}")
    return index if index.is_file() else None


def weights_in(folder: Path) -> Path:
    """The one index or file of weights in a folder, as libraries write it; Refused where there is none."""
    names = ("model.safetensors", "pytorch_model.bin")
    for name in (*(f"{each}{INDEX_SUFFIX}" for each in names), *names):
        if (folder / name).is_file():
            return folder / name
    raise Refused(f"is a folder without {' or '.join(names)}; name a file of weights")


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One set of names; Refused for a name in two files."""
    whole: dict[str, Any] = {}
    for part in parts:
        if twice := whole.keys() & part.keys():
            raise Refused(f"is not one set of weights: two of its files hold {min(twice)}")
        whole |= part
    return whole
