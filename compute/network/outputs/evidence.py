"""Whether numbers within [0, 1] are probabilities: by their sums, by what the network computes them with, and
by what becomes of them on images of enormous contrast.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from compute.network.outputs.meanings import PROBABILITIES, SIGMOID

ROUNDING = 1e-6
SUM = 1e-3
"""How far from 1 probabilities in float32 may add up: clamps of 1e-7 to 1e-6 move 1000 of them by as much."""

SAME = 1e-2
"""How far a score may be from what a softmax or sigmoid gave, behind casts to half precision and clamps; of
the greatest score."""

LOW, HIGH = 0.02, 0.98
"""A sigmoid comes below and above them where its logits are large."""

CONTRAST = 30
"""Times that of the images: more than any photograph has."""

SQUASHING = {"softmax": PROBABILITIES, "sigmoid": SIGMOID, "hardsigmoid": SIGMOID}
"""PyTorch's operations, and what they give."""

MOST_ROWS = 64
"""As many times the scores an operation's result may have: more are attention's, or a gate's."""

MOST_OTHERS = 4
"""Further classes beside the scores, such as a background that is left out."""

Place = tuple[str, str, int]
"""What shows a meaning: the meaning, how the scores follow from the operations' results, and from where."""


class Scores(Protocol):
    """What takes (N, count) scores out of what a network returns."""

    count: int

    def raw(self, returned: Any) -> torch.Tensor: ...


class Values:
    """A network's scores for a few images; what is asked of them, and what has to be run for that, is found
    when it is asked for."""

    def __init__(
        self, run: Callable[[torch.Tensor], Any], output: Scores, images: torch.Tensor, raw: torch.Tensor
    ):
        """raw: (N, count) scores of `images`."""
        self.run, self.output, self.images = run, output, images
        self.plain, self.kind = _known(raw), raw.dtype

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest score; (0, 0) without any finite ones."""
        return (float(self.plain.min()), float(self.plain.max())) if self.plain.numel() else (0.0, 0.0)

    def add_up_to_one(self) -> bool:
        """Whether all lie within [0, 1] and add up to 1, for images of any contrast."""
        if self.output.count < 2 or not (_within(self.plain) and self._are_one(self.plain.sum(1))):
            return False
        return _within(self.amplified) and self._are_one(self.amplified.sum(1))

    def are_log_probabilities(self) -> bool:
        """Whether the exponentials of all add up to 1, for images of any contrast."""
        if self.output.count < 2 or not self._are_logarithms(self.plain):
            return False
        return not len(self.amplified) or self._are_logarithms(self.amplified)

    def leave(self) -> bool:
        """Whether some lie beyond [0, 1], for images of any contrast."""
        return not (_within(self.plain) and _within(self.amplified))

    def vary(self) -> bool:
        """Whether they differ between images."""
        every = torch.cat([self.plain, self.amplified])
        return bool(len(every)) and bool((every.amax(0) - every.amin(0) > ROUNDING).any())

    def saturate(self) -> bool:
        """Whether images of enormous contrast drive them to both ends of [0, 1]."""
        every = self.amplified
        return bool(len(every)) and bool((every < LOW).any() and (every > HIGH).any())

    def farthest_sum(self, of_logarithms: bool) -> float:
        """Of the images' sums the one that is farthest from 1; of the scores' exponentials, where they are
        logarithms."""
        sums = (self.plain.exp() if of_logarithms else self.plain).sum(1)
        return float(sums[(sums - 1).abs().argmax()]) if len(sums) else 1.0

    @cached_property
    def amplified(self) -> torch.Tensor:
        """(M, count) for images of enormous contrast; empty where the network refuses them."""
        images = torch.cat([self.images[:1] * CONTRAST, self.images[-1:] * -CONTRAST])
        try:
            with torch.no_grad():
                return _known(self.output.raw(self.run(images)))
        except Exception:  # whatever the network's own code raises
            return self.plain[:0]

    def shown(self) -> str | None:
        """What the network is seen to compute the scores with, if all of its operations can be seen."""
        found: set[Place] | None = None
        for image in self.images.split(1):
            with torch.no_grad(), _Squashing(self.output.count) as squashing:
                raw = self.output.raw(self.run(image.clone()))
            places = squashing.places(raw.detach().cpu().double().reshape(-1))
            found = places if found is None else found & places
        meanings = {meaning for meaning, *_ in found or ()}
        return next((each for each in (PROBABILITIES, SIGMOID) if each in meanings), None)

    def _are_one(self, sums: torch.Tensor) -> bool:
        return bool(((sums - 1).abs() < max(SUM, 2 * torch.finfo(self.kind).eps)).all())

    def _are_logarithms(self, values: torch.Tensor) -> bool:
        return bool(len(values)) and bool((values <= ROUNDING).all()) and self._are_one(values.exp().sum(1))


class _Squashing(TorchDispatchMode):
    """While a network runs, whatever its code looks like, what softmaxes and sigmoids give."""

    def __init__(self, count: int):
        """count: of scores an image."""
        super().__init__()
        self.most = max(MOST_ROWS * count, count + MOST_OTHERS)
        self.results: list[tuple[str, torch.Tensor]] = []

    def _keep(self, meaning: str, values: torch.Tensor) -> None:
        if values.numel() <= self.most:
            self.results.append((meaning, values.cpu().double()))

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.rpartition("::")[2].strip("_")
        if name in SQUASHING and isinstance(result, torch.Tensor):
            values = result.dequantize() if result.is_quantized else result
            self._keep(SQUASHING[name], values.detach().reshape(-1))
        return result

    def places(self, scores: torch.Tensor) -> set[Place]:
        """Where the scores (count,) of one image are among the results: a row or a column of one, all but a
        few of its numbers, or the mean of the last rows, as an ensemble's are."""
        count, tolerance = len(scores), SAME * float(scores.abs().max())
        found: set[Place] = set()
        rows: dict[str, list[torch.Tensor]] = {PROBABILITIES: [], SIGMOID: []}

        def look(meaning: str, how: str, parts: torch.Tensor) -> None:
            same = ((parts - scores).abs() <= tolerance).all(1).nonzero().reshape(-1).tolist()
            found.update((meaning if count > 1 else SIGMOID, how, place) for place in same)

        for number, (meaning, values) in enumerate(self.results):
            share, rest = divmod(len(values), count)
            if rest == 0 and 0 < share <= MOST_ROWS:
                rows[meaning] += list(values.reshape(-1, count))
                look(meaning, f"row of result {number}", values.reshape(-1, count))
                if share > 1:  # a part of what adds up to 1 doesn't
                    look(SIGMOID, f"column of result {number}", values.reshape(count, -1).T)
            if count < len(values) <= count + MOST_OTHERS:
                look(SIGMOID, f"part of result {number}", values.unfold(0, count, 1))
        for meaning, each in rows.items():
            if each:
                sums = torch.stack(each).flip(0).cumsum(0)
                look(meaning, "mean of the last", sums / torch.arange(1, len(sums) + 1).view(-1, 1))
        return found


def _known(raw: torch.Tensor) -> torch.Tensor:
    """Rows that are numbers, in float64; a logarithm of 0 is one."""
    raw = raw.detach().cpu().double()
    return raw[~(raw.isnan() | raw.isposinf()).any(1)]


def _within(values: torch.Tensor) -> bool:
    return bool(((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all())
