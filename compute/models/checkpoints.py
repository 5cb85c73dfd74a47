"""Weights from files that others saved: .pt, .pth, .th (torch.save) and .safetensors.

Only tensors are read, never code: `torch.load(weights_only=True)`.
"""

import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

TORCH_SUFFIXES = (".pt", ".pth", ".th")
SAFETENSORS_SUFFIX = ".safetensors"
NESTED_UNDER = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
LISTED = 10

StateDict = dict[str, Tensor]


def read_checkpoint(path: str | Path) -> StateDict:
    """Tensors by name, on the CPU.

    The file holds a state_dict, plain or under one of NESTED_UNDER. Raises ValueError where there is no such
    file, it is damaged, it holds code, or it holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {str(path)!r}")
    match path.suffix.lower():
        case suffix if suffix in TORCH_SUFFIXES:
            return _state_dict(_read_pickle(path), path)
        case suffix if suffix == SAFETENSORS_SUFFIX:
            return _read_safetensors(path)
        case suffix:
            known = ", ".join((*TORCH_SUFFIXES, SAFETENSORS_SUFFIX))
            raise ValueError(f"checkpoint {str(path)!r} ends in {suffix!r}; the formats are {known}")


def load_weights(module: nn.Module, state: StateDict, source: str = "the checkpoint") -> None:
    """Puts `state` into `module`, which it must fit exactly (a prefix that all its names share may be extra).

    Raises ValueError that names missing, unexpected and misshapen tensors, and leaves `module` as it was.
    """
    wanted = module.state_dict()
    state = _without_prefixes(state, wanted)
    # Batch norms counted their batches only from torch 0.4.1 on; the count means nothing in evaluation mode.
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    shapes = [
        f"{name}: {tuple(state[name].shape)} in the file, {tuple(tensor.shape)} in the network"
        for name, tensor in wanted.items()
        if name in state and not _is_lazy(tensor) and state[name].shape != tensor.shape
    ]
    lists = {
        "missing from the file": missing,
        "unknown to the network": unexpected,
        "of another shape": shapes,
    }
    problems = [_listed(title, names) for title, names in lists.items() if names]
    if problems:
        raise ValueError(f"{source} doesn't fit {type(module).__name__}: {'; '.join(problems)}")
    module.load_state_dict(state, strict=False)


def _read_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message advises to load it all the same.
        if _names_code(error) or _is_plain_pickle(path):
            raise ValueError(
                f"checkpoint {str(path)!r} holds Python objects besides tensors, and loading them could "
                f"run code; save `network.state_dict()` instead"
            ) from error
        raise ValueError(_damaged(path)) from error
    except Exception as error:  # the unpickler raises whatever it stumbles over
        raise ValueError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    """torch's own words are of its pickle reader: a number, or advice to run what the file says."""
    return (
        f"checkpoint {str(path)!r} is damaged or was not written by torch.save; copy or download it again, "
        f"or save `network.state_dict()` anew"
    )


def _names_code(error: pickle.UnpicklingError) -> bool:
    return any(
        words in str(error) for words in ("Unsupported global", "unsupported GLOBAL", "Unsupported class")
    )


def _is_plain_pickle(path: Path) -> bool:
    """Whether the file is a pickle of Python's own; reads its instructions without following them."""
    try:
        with path.open("rb") as file:
            return all(True for _ in pickletools.genops(file))
    except Exception:  # as above
        return False


def _read_safetensors(path: Path) -> StateDict:
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"checkpoint {str(path)!r} is damaged or not a safetensors file: {error}") from error


def _state_dict(content: object, path: Path) -> StateDict:
    """The state_dict in what the file holds, looking through the names that it is usually kept under."""
    while isinstance(content, Mapping) and not _is_state_dict(content):
        nested = [content[key] for key in NESTED_UNDER if isinstance(content.get(key), Mapping)]
        if not nested:
            break
        content = nested[0]
    if not isinstance(content, Mapping) or not _is_state_dict(content):
        found = (
            f"a dictionary of {', '.join(map(repr, content))}"
            if isinstance(content, Mapping)
            else type(content)
        )
        raise ValueError(
            f"checkpoint {str(path)!r} holds {found}, not tensors by name, plain or under "
            f"one of {', '.join(NESTED_UNDER)}"
        )
    return dict(content)


def _is_state_dict(content: Mapping) -> bool:
    return bool(content) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def _without_prefixes(state: StateDict, wanted: StateDict) -> StateDict:
    """Names without what wrappers put before all of them (DataParallel's `module.`, torch.compile's
    `_orig_mod.`)."""
    while not set(state) & set(wanted):
        prefix = next((each for each in PREFIXES if all(name.startswith(each) for name in state)), None)
        if not prefix:
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _is_lazy(tensor: Tensor) -> bool:
    return isinstance(tensor, UninitializedParameter | UninitializedBuffer)


def _listed(title: str, names: list[str]) -> str:
    rest = f", … ({len(names)} in all)" if len(names) > LISTED else ""
    return f"{title}: {', '.join(names[:LISTED])}{rest}"
