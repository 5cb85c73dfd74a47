"""Weights from files that others saved: what torch.save, a training library, pickle or safetensors wrote.

Only tensors are read, never code: nothing that a file names is imported or called (`weights.pickles`).
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from compute.models.naming import WEIGHT_SUFFIXES
from compute.models.weights.choosing import choose, is_averaged, is_tensor
from compute.models.weights.errors import Refused
from compute.models.weights.fitting import StateDict, fit, listed
from compute.models.weights.safetensors_files import (
    INDEX_SUFFIX,
    SUFFIX,
    index_of,
    merged,
    read_safetensors,
    shards,
    weights_in,
)
from compute.models.weights.tensors import StoredTensor, Unusable, array_bytes, is_array, read_array
from compute.models.weights.torch_files import MAX_RATIO, open_torch_file, script_tensors
from compute.runtime.notices import notice

# What lies under a checkpoint's name now and then, by its first bytes.
OTHERS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`",
    b"<": "is a web page; download the file itself",
    b"{": "is a text file",
    b"\x89HDF": "is an HDF5 file, as Keras writes it; save it with torch",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
}
TAR_MARK, TAR_PLACE = b"ustar", 257


def read_checkpoint(path: str | Path, key: str | None = None) -> StateDict:
    """Tensors by the file's names, on the CPU.

    path: a file of WEIGHT_SUFFIXES, the index of one that is shared out over several, or a folder with one of
    either. key: where in the file the weights lie, as a dotted path ("model_ema", "callbacks.ema.weights"),
    or what their names begin with ("student"); needed where it holds several sets. Raises ValueError where
    there is no such file, it is damaged, it holds no tensors, or a choice must be made.
    """
    path = Path(path)
    try:
        if path.is_dir():
            path = weights_in(path)
        if not path.is_file():
            raise ValueError(f"there is no checkpoint {str(path)!r}")
        if not path.name.lower().endswith(WEIGHT_SUFFIXES):
            known = ", ".join(WEIGHT_SUFFIXES)
            raise ValueError(f"checkpoint {str(path)!r} ends in {path.suffix!r}; the formats are {known}")
        index = path if path.name.endswith(INDEX_SUFFIX) else index_of(path)
        if index is None:
            return _read(path, key)
        return merged([_read(shard, key) for shard in shards(index)])
    except Refused as error:
        raise ValueError(f"checkpoint {str(path)!r} {error}") from error


def load_weights(
    module: nn.Module, state: StateDict, source: str = "the checkpoint", unused: tuple[str, ...] = ()
) -> None:
    """Puts `state` into `module`, which it must fit but for what wrappers, losses and profilers add to its
    names.

    unused: parts that the file may have and the scores don't need, such as "aux1". What was left out is said
    as a notice. Raises ValueError that names missing, unknown and misshapen tensors, and leaves `module` as
    it was.
    """
    try:
        fitting = fit(state, module, unused)
    except Refused as error:
        raise ValueError(f"{source} {error}") from error
    for each in fitting.notices:
        notice(f"{source}: {each}")
    module.load_state_dict(fitting.tensors, strict=False)


def _read(path: Path, key: str | None) -> StateDict:
    """Of one file; Refused where nothing can be read from it."""
    if path.suffix.lower() == SUFFIX:
        return _tensors(read_safetensors(path), key, path)
    try:
        with open_torch_file(path) as content:
            return _tensors(script_tensors(content.of) if content.is_script else content.of, key, path)
    except Refused:
        raise
    except Exception as error:  # a damaged file stumbles over anything
        raise Refused(
            _foreign(path)
            or (
                "is damaged or was not written by torch.save; copy or download it again, or save "
                f"`network.state_dict()` anew ({' '.join(str(error).split()) or type(error).__name__})"
            )
        ) from error


def _tensors(content: Any, key: str | None, path: Path) -> StateDict:
    place, chosen = choose(content, key)
    if key is None and is_averaged(place):
        notice(f"checkpoint {str(path)!r}: its weights are averaged ones, kept under {place}")
    size, copied = path.stat().st_size, sum(array_bytes(each) for each in chosen.values() if is_array(each))
    if copied > MAX_RATIO * size:
        raise Refused(
            f"holds arrays of {copied:,} bytes in all, more than {MAX_RATIO} times the {size:,} of the file"
        )
    values = {name: _tensor(name, value) for name, value in chosen.items() if is_tensor(value)}
    tensors = {name: value for name, value in values.items() if value is not None}
    others = [name for name in chosen if name not in tensors]
    if others:
        notice(f"checkpoint {str(path)!r}: left out, no tensors: {listed(others)}")
    return tensors


def _tensor(name: str, value: Any) -> Tensor | None:
    if isinstance(value, Unusable):
        raise Refused(f"can't be used: {name} {value.reason}")
    if isinstance(value, StoredTensor):
        return value.read()
    return read_array(value) if is_array(value) else value


def _foreign(path: Path) -> str | None:
    """What the file is, where it is nothing that torch would have written."""
    with path.open("rb") as file:
        start = file.read(TAR_PLACE + len(TAR_MARK))
    if start[TAR_PLACE:] == TAR_MARK:
        return "is a tar archive, as torch wrote it before version 0.1.10, or of other files; unpack it first"
    return next((said for mark, said in OTHERS.items() if start.startswith(mark)), None)
