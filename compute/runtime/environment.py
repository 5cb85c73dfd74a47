"""Where a result was computed: what may change its last bits while method, parameters and inputs stay."""

import hashlib
import platform
from functools import cache
from pathlib import Path

import numpy as np
import torch

import compute


def environment(device: torch.device | str) -> dict[str, str]:
    """torch, numpy: versions. device: its name. threads: of torch on the CPU. code: hash of this package's
    source, so that a result of other code is told apart."""
    device = torch.device(device)
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": _device_name(device),
        "threads": str(torch.get_num_threads()),
        "code": code_hash(),
    }


@cache
def code_hash() -> str:
    """Of every source file of the package, names included; 8 hexadecimal digits."""
    folder = Path(compute.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:8]


def _device_name(device: torch.device) -> str:
    return (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}"
    )
