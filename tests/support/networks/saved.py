"""A small network to save and load, and what people's training scripts write of it."""

import argparse
import pathlib
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

SOURCE = """
from torch import nn

class Small(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, classes)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))

def small():
    return Small()
"""

State = dict[str, torch.Tensor]


def network(classes: int = 4) -> nn.Module:
    scope: dict = {"__name__": "saved"}
    exec(SOURCE, scope)
    return scope["Small"](classes)


def state(seed: int = 0) -> State:
    """Weights and statistics, no two of them alike."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in network().state_dict().items()
    }


def prefixed(prefix: str, tensors: State) -> State:
    return {f"{prefix}{name}": value for name, value in tensors.items()}


@dataclass
class Settings:
    """A class that whoever reads the file need not have."""

    rate: float = 0.1


class Callback(dict):
    """A dictionary of a class of its own."""


BESIDE = {
    "numpy scalar": np.float64(0.91),
    "numpy bool": np.bool_(True),
    "numpy array": np.arange(3.0),
    "array of objects": np.array(["a", {}], dtype=object),
    "numpy dtype": np.dtype("f4"),
    "namespace": argparse.Namespace(lr=0.1, folder=pathlib.Path("runs")),
    "posix path": pathlib.PurePosixPath("/runs/1"),
    "windows path": pathlib.PureWindowsPath("C:/runs/1"),
    "defaultdict": defaultdict(list, loss=[1.0, 2.0]),
    "ordered dict": OrderedDict(a=1),
    "counter": Counter("aab"),
    "set": {1, 2},
    "frozenset": frozenset("ab"),
    "complex": 1j,
    "bytes": b"abc",
    "bytearray": bytearray(b"abc"),
    "slice": slice(1, 2),
    "a class of the user's": Settings(),
    "a dictionary of a class": Callback(a=1),
    "a class itself": Settings,
    "a function": prefixed,
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "size": torch.Size((1, 2)),
    "random state": torch.get_rng_state(),
    "keys of every kind": {(1, 2): 3, 4: 5, None: 6, b"7": 8},
}
"""What lies beside the weights."""
