"""What a network returns, and what its numbers mean.

A network may return its class scores alone, or among others in a tuple, a dictionary or a dataclass; as (N,
C), as maps of one place (N, C, 1, 1), or without the dimensions of length 1. They may be logits, or what a
softmax or a sigmoid made of them. All that is found once, by running the network on a few images.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

LOGITS, PROBABILITIES, LOG_PROBABILITIES, SIGMOID = "logits", "probabilities", "log-probabilities", "sigmoid"
NONE = "none"
MEANINGS = (LOGITS, PROBABILITIES, LOG_PROBABILITIES, SIGMOID, NONE)
"""Of the scores: logits of one class of several; their softmax; its logarithm; independent labels, each with
a sigmoid; no class scores at all."""

NAMES_OF_SCORES = ("logits", "scores", "out", "output", "probabilities", "probs", "predictions")
TOLERANCE = 1e-3
BESIDE_ZERO = (1, 0)
"""Pads a single score with a 0 before it."""

Key = str | int


@dataclass(frozen=True)
class Output:
    """Where the class scores are in what a network returns, and what they mean.

    path: keys from the outside in; () where it returns one tensor.
    count: of scores an image; 0 where there are none.
    meaning: one of MEANINGS.
    reshaped: whether the tensor has another shape than (N, count).
    sought: whether `meaning` was found by the values, not told.
    """

    path: tuple[Key, ...] = ()
    count: int = 0
    meaning: str = LOGITS
    reshaped: bool = False
    sought: bool = True

    @property
    def classes(self) -> int:
        """How many classes the scores are of: a single score is for the second of two."""
        return 2 if self.count == 1 else self.count

    @property
    def independent(self) -> bool:
        """Whether each class has a probability of its own, whatever the others'."""
        return self.meaning == SIGMOID and self.count > 1

    def raw(self, returned: Any) -> torch.Tensor:
        """(N, count), as the network gives them; without class scores, the first tensor of floats."""
        tensor = _at(returned, self.path)
        return tensor.reshape(-1, self.count) if self.reshaped else tensor

    def logits(self, raw: torch.Tensor) -> torch.Tensor:
        """(N, classes) scores from (N, count) raw ones, where nothing better is known than these."""
        return self.completed(undone(raw, self.meaning))

    def completed(self, scores: torch.Tensor) -> torch.Tensor:
        """(N, classes): beside a single score z, 0 for the other class, so that softmax gives sigmoid(z)."""
        return F.pad(scores, BESIDE_ZERO) if self.count == 1 else scores

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """(N, classes) of (N, classes) scores."""
        return logits.sigmoid() if self.independent else logits.softmax(1)


def undone(raw: torch.Tensor, meaning: str) -> torch.Tensor:
    """Scores whose softmax or sigmoid the raw ones are: their logarithm, or log-odds."""
    if meaning == PROBABILITIES:
        return raw.clamp_min(torch.finfo(raw.dtype).tiny).log()
    if meaning == SIGMOID:
        return raw.logit(torch.finfo(raw.dtype).eps)
    return raw


def find_output(
    run: Callable[[torch.Tensor], Any],
    images: torch.Tensor,
    *,
    chosen: str | None = None,
    meaning: str | None = None,
) -> Output:
    """Where and what the class scores are.

    run: the network. images: two or more normalised ones. chosen: the name or position of the scores in what
    it returns (dotted where nested). meaning: one of MEANINGS, told by the user. Raises ValueError where what
    is chosen isn't there, or is told what the values contradict.
    """
    with torch.no_grad():
        several, single = run(images.clone()), run(images[:1].clone())
    parts = dict(_parts(several))
    if not parts:
        raise ValueError(f"the network returns {type(several).__name__}, and no tensor of floats in it")
    if chosen is not None:
        path = next((path for path in parts if ".".join(map(str, path)) == chosen), None)
        if path is None:
            names = ", ".join(".".join(map(str, each)) for each in parts if each)
            raise ValueError(f"the network returns no {chosen!r}; choose from {names or 'one tensor alone'}")
    else:
        path = _scores_path(parts, len(images))
    if meaning == NONE or path is None:
        # The last of several maps is the deepest one.
        deepest = next(reversed(parts))
        return Output(deepest if chosen is None else path, 0, NONE, sought=meaning is None)
    count = _count(parts[path], len(images))
    if count is None:
        shape = tuple(parts[path].shape)
        raise ValueError(
            f"what the network returns has shape {shape} for {len(images)} images, not (N, classes)"
        )
    plain = all(
        tuple(_at(each, path).shape) == (n, count) for each, n in ((several, len(images)), (single, 1))
    )
    found = Output(path, count, reshaped=not plain)
    if meaning is not None:
        return dataclasses.replace(found, meaning=_told(meaning, found.raw(several)), sought=False)
    with torch.no_grad():
        raw = torch.cat([found.raw(several), found.raw(run(amplified(images)))])
    return dataclasses.replace(found, meaning=meaning_of(raw))


def amplified(images: torch.Tensor) -> torch.Tensor:
    """Of far more contrast than any photograph: scores that stay within [0, 1] here do so everywhere."""
    return torch.cat([images * 30, images * -30])


def meaning_of(raw: torch.Tensor) -> str:
    """What (N, count) scores must be, by their values for several images of very different kinds."""
    raw = raw.detach().double()
    raw = raw[raw.isfinite().all(1)]
    if not len(raw):
        return LOGITS
    count = raw.shape[1]
    within = bool(((raw >= -1e-6) & (raw <= 1 + 1e-6)).all())
    if count > 1 and within and _is_one(raw.sum(1)):
        return PROBABILITIES
    if count > 1 and bool((raw <= 1e-6).all()) and _is_one(raw.exp().sum(1)):
        return LOG_PROBABILITIES
    # Scores behind a ReLU may stay below 1 as well, but are 0 for some image; scores that never change say
    # nothing.
    varies, both_sides = (
        bool((raw.amax(0) - raw.amin(0) > 1e-4).any()),
        bool((raw > 0.5).any() and (raw < 0.5).any()),
    )
    return SIGMOID if within and varies and (both_sides or bool((raw > 0).all())) else LOGITS


def _is_one(sums: torch.Tensor) -> bool:
    return bool(((sums - 1).abs() < TOLERANCE).all())


def _told(meaning: str, raw: torch.Tensor) -> str:
    if meaning not in MEANINGS:
        raise ValueError(f"unknown meaning of scores {meaning!r}; choose from {', '.join(MEANINGS)}")
    low, high = float(raw.min()), float(raw.max())
    if meaning == PROBABILITIES and not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(f"the scores are told to be {meaning}, but lie between {low:.4g} and {high:.4g}")
    if meaning == LOG_PROBABILITIES and high > 1e-3:
        raise ValueError(f"the scores are told to be {meaning}, but go up to {high:.4g}")
    return meaning


def _scores_path(parts: dict[tuple[Key, ...], torch.Tensor], images: int) -> tuple[Key, ...] | None:
    """The first tensor that may be class scores; one that is called so goes before others."""
    found = [path for path, tensor in parts.items() if _count(tensor, images) is not None]
    named = [path for name in NAMES_OF_SCORES for path in found if path and path[-1] == name]
    return next(iter([*named, *found]), None)


def _count(tensor: torch.Tensor, images: int) -> int | None:
    """Scores an image, or None for a tensor that is no class scores."""
    shape = [tensor.shape[0], *(each for each in tensor.shape[1:] if each != 1)] if tensor.ndim else []
    if not shape or shape[0] != images or len(shape) > 2:
        return None
    return shape[1] if len(shape) == 2 else 1


def _parts(value: Any, path: tuple[Key, ...] = ()) -> list[tuple[tuple[Key, ...], torch.Tensor]]:
    """Every tensor of floats in what a network returns, with its path."""
    if isinstance(value, torch.Tensor):
        return [(path, value)] if value.is_floating_point() else []
    return [each for key in _keys(value) for each in _parts(_at(value, (key,)), (*path, key))]


def _keys(value: Any) -> list[Key]:
    if isinstance(value, Mapping):
        return [key for key in value if isinstance(key, str | int)]
    if isinstance(value, tuple | list):
        return list(getattr(value, "_fields", range(len(value))))
    return [each.name for each in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []


def _at(value: Any, path: tuple[Key, ...]) -> Any:
    for key in path:
        by_name = isinstance(key, str) and not isinstance(value, Mapping)
        value = getattr(value, key) if by_name else value[key]
    return value
