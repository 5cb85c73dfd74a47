"""How many threads the numerical libraries use: fixed, since sums taken in another order are other sums."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def fixed_threads(number: int) -> Iterator[None]:
    """Every numerical library on `number` threads: sums are then always taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)
