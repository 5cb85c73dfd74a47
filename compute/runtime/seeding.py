"""Random weights that follow from a seed alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws from torch's global CPU generator follow from `seed` inside, and are forgotten after.

    The generator belongs to the process: blocks take turns. Networks must be made on the CPU.
    """
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield
