"""How windows of an image are run: incrementally where that saves work, densely where it doesn't."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import torch

from compute.models.model import Model
from compute.network.choice import scores_deviation
from compute.network.self_test import tolerance
from compute.network.traced import LOGITS, TracedNetwork
from compute.occlusion.coarse_to_fine import Grid
from compute.occlusion.incremental import IncrementalInference, folded_logits
from compute.runtime.batches import in_batches

LARGEST_SHARE = 0.8
"""Of the dense multiply-adds, up to which incremental inference is worth its copying."""

DENSE_BATCH = {"cpu": 16}
DENSE_BATCH_ELSEWHERE = 64

CHECKS = 6
"""Windows of the first image that are compared with the plain network."""

Starts = tuple[tuple[int, ...], tuple[int, ...]]
"""First pixels of the windows, down and across."""

Stages = Sequence[Sequence[Grid]]
Scored = tuple[np.ndarray, np.ndarray, torch.Tensor]
"""Rows (n,), columns (n,) and the logits there, (images, n, classes), on the CPU."""


PLANS = 4
"""Kept a model: the next image with the same windows needs no plan, no packed weights and no indices."""

_proved: WeakKeyDictionary[Model, set] = WeakKeyDictionary()
"""Geometries whose quick passes have proved themselves."""

_plans: WeakKeyDictionary[Model, OrderedDict[tuple, IncrementalInference]] = WeakKeyDictionary()
_lock = threading.Lock()


class IncrementalPass:
    """Only what a window changes is computed again (`compute.occlusion.incremental`)."""

    def __init__(self, inference: IncrementalInference):
        self.inference = inference
        self.takes_several = True
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
        self.takes_several = False
        self.way = f"dense because {reason}"

    def steps(self, images: torch.Tensor, fill: torch.Tensor) -> Iterator[Scored]:
        """As `IncrementalPass.steps`. Where memory runs out, the batch is halved and the work goes on."""
        fill = fill.expand_as(images)
        for grids in self.stages:
            rows, cols = (np.concatenate(each) for each in zip(*map(_flat, grids), strict=True))
            found = in_batches(len(rows), self.batch, partial(self._part, images, fill, rows, cols))
            for start, stop, logits in found:
                yield rows[start:stop], cols[start:stop], logits

    def _part(
        self,
        images: torch.Tensor,
        fill: torch.Tensor,
        rows: np.ndarray,
        cols: np.ndarray,
        start: int,
        stop: int,
    ) -> torch.Tensor:
        return self._logits(images, fill, rows[start:stop], cols[start:stop])

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


class ProvedPass:
    """A quick pass of which some windows of the first image are compared with passes of the plain network.

    Where they deviate, the dense way with the plain network takes its place, from the start.
    """

    def __init__(
        self,
        model: Model,
        quick: IncrementalPass | DensePass,
        starts: Starts,
        patch: int,
        stages: Stages,
        batch: int,
    ):
        self.model, self.quick = model, quick
        self.starts, self.patch, self.stages, self.batch = starts, patch, stages, batch
        self.geometry = (starts, patch)
        self._taken: IncrementalPass | DensePass = quick

    @property
    def way(self) -> str:
        """In words, and why."""
        return self._taken.way

    @property
    def takes_several(self) -> bool:
        """Whether several images at once are quicker than one after the other."""
        return self._taken.takes_several

    def steps(self, images: torch.Tensor, fill: torch.Tensor) -> Iterator[Scored]:
        """As `IncrementalPass.steps`; all again where the quick way is found to be wrong."""
        checks = 0 if self.geometry in _proved.setdefault(self.model, set()) else CHECKS
        for rows, cols, logits in self._taken.steps(images, fill):
            if checks > 0:
                checks -= 1
                if (off := self._deviation(images, fill, rows, cols, logits)) > tolerance(logits.dtype):
                    self._taken = self._dense(f"the quick way gave scores {off:.2g} of their spread off")
                    yield from self._taken.steps(images, fill)
                    return
            yield rows, cols, logits
        _proved[self.model].add(self.geometry)

    def _deviation(
        self,
        images: torch.Tensor,
        fill: torch.Tensor,
        rows: np.ndarray,
        cols: np.ndarray,
        logits: torch.Tensor,
    ) -> float:
        """Of one window of a batch, another one each time."""
        (ys, xs), place = self.starts, len(rows) * 2 // 3
        y, x = ys[rows[place]], xs[cols[place]]
        hidden = images[:1].clone()
        window = (slice(None), slice(None), slice(y, y + self.patch), slice(x, x + self.patch))
        hidden[window] = fill.expand_as(images)[:1][window]
        with torch.inference_mode():
            expected = self.model.plain.run(hidden, {LOGITS})[LOGITS].float().cpu()
        return scores_deviation(self.model.output, logits[:1, place], expected)

    def _dense(self, reason: str) -> "DensePass":
        def run(images: torch.Tensor) -> torch.Tensor:
            return self.model.plain.run(images, {LOGITS})[LOGITS]

        return DensePass(run, self.starts, self.patch, self.stages, self.batch, reason)


Pass = IncrementalPass | DensePass | ProvedPass


def choose_pass(
    model: Model,
    size: Sequence[int],
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
    ys, xs = starts
    stages = stages or [[(tuple(range(len(ys))), tuple(range(len(xs))))]]
    dense_batch = batch or DENSE_BATCH.get(model.device.type, DENSE_BATCH_ELSEWHERE)

    def dense(run: Callable[[torch.Tensor], torch.Tensor], reason: str) -> DensePass:
        return DensePass(run, starts, patch, stages, dense_batch, reason)

    def proved(quick: IncrementalPass | DensePass) -> ProvedPass:
        return ProvedPass(model, quick, starts, patch, stages, dense_batch)

    if not isinstance(model.network, TracedNetwork):
        return dense(
            lambda images: _plain(model, images), f"the network can't be traced: {model.not_traced_because}"
        )
    if tuple(size) != tuple(model.input_size):
        return dense(
            lambda images: _plain(model, images), "the image has another size than the network's input"
        )
    inference = _planned(model, model.network, starts, patch, stages, batch)
    if inference.share < LARGEST_SHARE:
        return proved(IncrementalPass(inference))
    gate = inference.program.first_gate()
    saved = f"{inference.share:.0%} of the multiply-adds would remain"
    reason = (
        saved
        if gate is None
        else f"the network is gated ({gate}): every window changes all of each map there"
    )
    return proved(dense(lambda images: folded_logits(inference.program, images), reason))


def every_logit(way: Pass, images: torch.Tensor, fill: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """(images, rows, cols, classes) for normalised images (N, C, H, W); shape: rows and cols."""
    result = torch.empty(0)
    for rows, cols, logits in way.steps(images, fill):
        if not result.numel():
            result = logits.new_empty(len(images), *shape, logits.shape[-1])
        result[:, rows, cols] = logits
    return result


def _planned(
    model: Model, network: TracedNetwork, starts: Starts, patch: int, stages: Stages, batch: int | None
) -> IncrementalInference:
    """Return the model's plan for these windows, made where it is not one of the last few that were asked
    for."""
    key = (network, starts, patch, tuple(map(tuple, stages)), batch)
    with _lock:
        plans = _plans.setdefault(model, OrderedDict())
        if key not in plans:
            plans[key] = IncrementalInference(network, *starts, patch, stages, batch)
            if len(plans) > PLANS:
                plans.popitem(last=False)
        plans.move_to_end(key)
        return plans[key]


def _plain(model: Model, images: torch.Tensor) -> torch.Tensor:
    return model.network.run(images, {LOGITS})[LOGITS]


def _flat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.meshgrid(*grid, indexing="ij")
    return rows.reshape(-1), cols.reshape(-1)
