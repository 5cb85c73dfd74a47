"""Occlusion maps: incremental inference against Captum's `Occlusion` and against a dense batched loop.

The same work for all: one image of 224x224, patch 32, stride 16, random weights with batch norms as at the start.
Results are checked for equality before time is taken; runs alternate in one process; medians and ratios are printed.

    python -m tests.benchmarks.occlusion [NETWORK ...]
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import Occlusion

from compute.graph import LOGITS, TracedNetwork
from compute.incremental import IncrementalInference
from compute.occlusion import windows
from compute.vision import models

SIZE, PATCH, STRIDE, ROUNDS = 224, 32, 16, 3
NETWORKS = ("vgg16", "squeezenet1_1", "resnet18", "mobilenet_v3_small")
CAPTUM_BATCHES = (1, 4, 16)
DENSE_BATCH = 16
TARGET = 3


def main(names: tuple[str, ...]) -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {SIZE}x{SIZE}, {PATCH}/{STRIDE}")
    print("network              ours s   dense s  captum s  /dense /captum  MACs/ours  error/std")
    for name in names or NETWORKS:
        print(compared(name), flush=True)


def compared(name: str) -> str:
    """One network's line of the table."""
    torch.manual_seed(0)
    module = models.get_model(name, weights=None).eval().requires_grad_(False)
    image = torch.randn(1, 3, SIZE, SIZE)
    network, starts = TracedNetwork(module, image), windows(SIZE, PATCH, STRIDE)
    inference = IncrementalInference(network, starts, starts, PATCH)
    zero = torch.zeros(1, 3, 1, 1)

    def ours() -> torch.Tensor:
        return inference.logits(image, zero).flatten(0, 2)

    def dense() -> torch.Tensor:
        return dense_logits(network, image, starts)

    error = ((ours() - dense()).abs().max() / dense().std()).item()
    batch = min(CAPTUM_BATCHES, key=lambda each: seconds(lambda: captum(module, image, each)))
    runs = {"ours": ours, "dense": dense, "captum": lambda: captum(module, image, batch)}
    taken = {each: [] for each in runs}
    for _ in range(ROUNDS):
        for each, work in runs.items():
            taken[each].append(seconds(work))
    a, b, c = (statistics.median(taken[each]) for each in runs)
    return f"{name:<20} {a:6.2f}  {b:8.2f}  {c:8.2f}  {b / a:6.2f} {c / a:7.2f}  {1 / inference.share:9.2f}  {error:9.1e}"


def dense_logits(network: TracedNetwork, image: torch.Tensor, starts: tuple[int, ...]) -> torch.Tensor:
    """(windows, classes): every window is a pass of the whole network, many a batch."""
    corners = [(y, x) for y in starts for x in starts]
    scores = []
    with torch.inference_mode():
        for first in range(0, len(corners), DENSE_BATCH):
            chosen = corners[first : first + DENSE_BATCH]
            batch = image.repeat(len(chosen), 1, 1, 1)
            for copy, (y, x) in zip(batch, chosen, strict=True):
                copy[:, y : y + PATCH, x : x + PATCH] = 0
            scores.append(network.run(batch, {LOGITS})[LOGITS])
    return torch.cat(scores)


def captum(module: torch.nn.Module, image: torch.Tensor, batch: int) -> np.ndarray:
    """Captum's map of one class; SIZE - PATCH is a multiple of STRIDE, so its windows are ours."""
    with torch.inference_mode():
        return Occlusion(module).attribute(
            image, (3, PATCH, PATCH), (3, STRIDE, STRIDE), target=TARGET, perturbations_per_eval=batch
        ).numpy()


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
