"""Work in batches that shrink where memory runs out."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")

ALLOCATORS = ("out of memory", "DefaultCPUAllocator", "ALLOC_FAILED")
"""In the messages of CUDA, Metal and numpy; of the CPU's allocator; of cuDNN and cuBLAS."""


def in_batches(
    total: int, batch: int, work: Callable[[int, int], Result]
) -> Iterator[tuple[int, int, Result]]:
    """(start, stop, work(start, stop)) over consecutive ranges of at most `batch` of `total` items.

    Where memory runs out, the batch is halved for good and the work goes on; with a batch of 1 the error
    stands.
    """
    start = 0
    while start < total:
        stop = min(start + batch, total)
        try:
            result = work(start, stop)
        except (RuntimeError, MemoryError) as error:
            if stop - start == 1 or not is_out_of_memory(error):
                raise
            batch = (stop - start) // 2
            continue
        yield start, stop, result
        start = stop


def is_out_of_memory(error: BaseException) -> bool:
    """On a GPU torch has a class for it; elsewhere, and of its libraries, there are only words."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or (isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATORS))
