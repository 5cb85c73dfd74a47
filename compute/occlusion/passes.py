"""How windows of an image are run: incrementally where that saves work, densely where it doesn't."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from compute.models.model import Model
from compute.network.traced import LOGITS
from compute.occlusion.coarse_to_fine import Grid
from compute.occlusion.incremental import IncrementalInference, folded_logits
from compute.runtime.batches import in_batches

LARGEST_SHARE = 0.8
"""Of the dense multiply-adds, up to which incremental inference is worth its copying."""

DENSE_BATCH = {"cpu": 16}
DENSE_BATCH_ELSEWHERE = 64

Scored = tuple[np.ndarray, np.ndarray, torch.Tensor]
"""Rows (n,), columns (n,) and the logits there, (images, n, classes), on the CPU."""


class IncrementalPass:
    """Only what a window changes is computed again (`compute.occlusion.incremental`)."""

    def __init__(self, inference: IncrementalInference):
        self.inference = inference
        self.way = f"incremental, {inference.share:.0%} of the dense multiply-adds"

    def steps(self, images: torch.Tensor, fill: torch.Tensor) -> Iterator[Scored]:
        """Batch after batch, stage after stage. images: normalised, (N, C, H, W). fill: broadcastable to
        them."""
        for batch in self.inference.batches(images, fill):
            pairs = [np.meshgrid(ys, xs, indexing="ij") for ys, xs, _ in batch]
            rows, cols = (np.concatenate([pair[axis].reshape(-1) for pair in pairs]) for axis in (0, 1))
            yield rows, cols, torch.cat([scores.flatten(1, 2) for *_, scores in batch], 1).float().cpu()


class DensePass:
    """Every window is a pass of the whole network, many a batch."""

    def __init__(
        self,
        run: Callable[[torch.Tensor], torch.Tensor],
        starts: tuple[Sequence[int], Sequence[int]],
        patch: int,
        stages: Sequence[Sequence[Grid]],
        batch: int,
        reason: str,
    ):
        """run: normalised images to logits. starts: first pixels of the windows, down and across."""
        self.run, self.starts, self.patch, self.stages, self.batch = run, starts, patch, stages, batch
        self.way = f"dense because {reason}"

    def steps(self, images: torch.Tensor, fill: torch.Tensor) -> Iterator[Scored]:
        """As `IncrementalPass.steps`. Where memory runs out, the batch is halved and the work goes on."""
        fill = fill.expand_as(images)
        for grids in self.stages:
            rows, cols = (np.concatenate(each) for each in zip(*map(_flat, grids), strict=True))
            found = in_batches(
                len(rows), self.batch, lambda a, b, r=rows, c=cols: self._logits(images, fill, r[a:b], c[a:b])
            )
            for start, stop, logits in found:
                yield rows[start:stop], cols[start:stop], logits

    def _logits(
        self, images: torch.Tensor, fill: torch.Tensor, rows: np.ndarray, cols: np.ndarray
    ) -> torch.Tensor:
        (ys, xs), side = self.starts, self.patch
        with torch.inference_mode():
            found = []
            for image, hidden in zip(images, fill, strict=True):
                copies = image[None].repeat(len(rows), 1, 1, 1)
                for copy, y, x in zip(
                    copies, (ys[each] for each in rows), (xs[each] for each in cols), strict=True
                ):
                    copy[:, y : y + side, x : x + side] = hidden[:, y : y + side, x : x + side]
                found.append(self.run(copies).float().cpu())
            return torch.stack(found)


Pass = IncrementalPass | DensePass


def choose_pass(
    model: Model,
    size: tuple[int, int],
    starts: tuple[tuple[int, ...], tuple[int, ...]],
    patch: int,
    stages: Sequence[Sequence[Grid]] | None = None,
    batch: int | None = None,
) -> Pass:
    """The quicker way for windows at `starts` (down, across; pixels) of images of `size`, in the order of
    `stages`.

    batch: of the dense way, and the most windows at once of the incremental one; left out, what suits the
    device. Scores agree within rounding, whichever way is taken.
    """
    stages = stages or [[tuple(tuple(range(len(each))) for each in starts)]]
    dense_batch = batch or DENSE_BATCH.get(model.device.type, DENSE_BATCH_ELSEWHERE)

    def dense(run: Callable[[torch.Tensor], torch.Tensor], reason: str) -> DensePass:
        return DensePass(run, starts, patch, stages, dense_batch, reason)

    if model.graph is None:
        return dense(
            lambda images: _plain(model, images), f"the network can't be traced: {model.not_traced_because}"
        )
    if tuple(size) != tuple(model.input_size):
        return dense(
            lambda images: _plain(model, images), "the image has another size than the network's input"
        )
    inference = IncrementalInference(model.network, *starts, patch, stages, batch)
    if inference.share < LARGEST_SHARE:
        return IncrementalPass(inference)
    gate = inference.program.first_gate()
    saved = f"{inference.share:.0%} of the multiply-adds would remain"
    reason = (
        saved
        if gate is None
        else f"the network is gated ({gate}): every window changes all of each map there"
    )
    return dense(lambda images: folded_logits(inference.program, images), reason)


def every_logit(way: Pass, images: torch.Tensor, fill: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """(images, rows, cols, classes) for normalised images (N, C, H, W); shape: rows and cols."""
    result = None
    for rows, cols, logits in way.steps(images, fill):
        if result is None:
            result = logits.new_empty(len(images), *shape, logits.shape[-1])
        result[:, rows, cols] = logits
    return result


def _plain(model: Model, images: torch.Tensor) -> torch.Tensor:
    return model.network.run(images, {LOGITS})[LOGITS]


def _flat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.meshgrid(*grid, indexing="ij")
    return rows.reshape(-1), cols.reshape(-1)
