"""Finds the class scores in what a network returns, and what they mean, by running it on a few images."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from compute.network.outputs.evidence import Values
from compute.network.outputs.meanings import (
    LOG_PROBABILITIES,
    LOGITS,
    MEANINGS,
    NONE,
    PROBABILITIES,
    SIGMOID,
)
from compute.network.outputs.output import Key, Output, tensor_at

NAMES_OF_SCORES = ("logits", "scores", "out", "output", "probabilities", "probs", "predictions")
NAMES_OF_OTHERS = {
    "features", "feature", "embedding", "embeddings", "image_embeds", "pooler_output", "last_hidden_state",
    "hidden_states", "attentions", "aux", "aux_logits", "aux_out", "loss",
}  # fmt: skip
"""Of what a network returns beside its class scores, or in their place."""

TOLERANCE = 1e-3
NEARLY_ONE = 0.05
"""How far from 1 probabilities may add up that a user calls so: some are clamped, or smoothed."""


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
        path = _scores_path(parts, len(images), told=meaning is not None)
    if path is None and meaning not in (None, NONE):
        shapes = ", ".join(str(tuple(each.shape)) for each in parts.values())
        raise ValueError(
            f"the scores are told to be {meaning}, but of what the network returns for {len(images)} images "
            f"nothing has the shape (N, classes): {shapes}"
        )
    if meaning == NONE or path is None:
        return Output(_deepest(parts) if chosen is None else path, 0, NONE, sought=meaning is None)
    count = _count(parts[path], len(images))
    if count is None:
        shape = tuple(parts[path].shape)
        raise ValueError(
            f"what the network returns has shape {shape} for {len(images)} images, not (N, classes); of a "
            "network without class scores, say so with --scores none"
        )
    plain = all(
        tuple(tensor_at(each, path).shape) == (n, count) for each, n in ((several, len(images)), (single, 1))
    )
    found = Output(path, count, reshaped=not plain)
    values = Values(run, found, images, found.raw(several))
    return _sought(found, values) if meaning is None else _told(meaning, found, values)


def meaning_of(values: Values) -> tuple[str, bool]:
    """What scores must be, and whether that is in doubt.

    Numbers within [0, 1] are probabilities where they add up to 1, where the network is seen to compute them
    by a softmax or sigmoid, and where images of enormous contrast drive them to both ends; small logits do
    neither.
    """
    if values.add_up_to_one():
        return PROBABILITIES, False
    if values.are_log_probabilities():
        return LOG_PROBABILITIES, False
    if values.leave():
        return LOGITS, False
    shown = values.shown()
    if shown is not None:
        return shown, False
    return (SIGMOID, False) if values.saturate() else (LOGITS, values.vary())


def _sought(found: Output, values: Values) -> Output:
    meaning, doubtful = meaning_of(values)
    return dataclasses.replace(found, meaning=_of_one(meaning, found), doubtful=doubtful)


def _of_one(meaning: str, found: Output) -> str:
    """A single probability is that of the second of two classes."""
    return SIGMOID if found.count == 1 and meaning == PROBABILITIES else meaning


def _told(meaning: str, found: Output, values: Values) -> Output:
    if meaning not in MEANINGS:
        raise ValueError(f"unknown meaning of scores {meaning!r}; choose from {', '.join(MEANINGS)}")
    low, high = values.range
    if meaning == PROBABILITIES and not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise ValueError(f"the scores are told to be {meaning}, but lie between {low:.4g} and {high:.4g}")
    if meaning == LOG_PROBABILITIES and high > TOLERANCE:
        raise ValueError(f"the scores are told to be {meaning}, but go up to {high:.4g}")
    if meaning == LOG_PROBABILITIES and found.count == 1:
        raise ValueError(f"a single score can't be told to be {meaning}; choose {LOGITS} or {SIGMOID}")
    if meaning in (PROBABILITIES, LOG_PROBABILITIES) and found.count > 1:
        total = values.farthest_sum(meaning == LOG_PROBABILITIES)
        if abs(total - 1) > NEARLY_ONE:
            raise ValueError(
                f"the scores are told to be {meaning}, which add up to 1, but add up to {total:.4g}; "
                f"independent ones are {SIGMOID}"
            )
    raw_logits = meaning == SIGMOID and values.leave()
    if raw_logits and found.count == 1:
        return dataclasses.replace(found, sought=False)
    return dataclasses.replace(found, meaning=_of_one(meaning, found), sought=False, raw_logits=raw_logits)


def _deepest(parts: dict[tuple[Key, ...], torch.Tensor]) -> tuple[Key, ...]:
    """Of several maps the last, leaving out heads that only training needs; one that is called the output
    goes before others."""
    own = [path for path in parts if not (path and path[-1] in ("aux", "aux_out", "aux_logits"))] or list(
        parts
    )
    return next((path for path in own if path and path[-1] in ("out", "output")), own[-1])


def _scores_path(
    parts: dict[tuple[Key, ...], torch.Tensor], images: int, told: bool
) -> tuple[Key, ...] | None:
    """The first tensor that may be class scores; one that is called so goes before others.

    told: whether the user says that there are some, whatever their name.
    """
    found = [path for path, tensor in parts.items() if _count(tensor, images) is not None]
    likely = [path for path in found if not NAMES_OF_OTHERS.intersection(path)]
    named = [path for name in NAMES_OF_SCORES for path in likely if path and path[-1] == name]
    return next(iter([*named, *likely, *(found if told else ())]), None)


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
    return [each for key in _keys(value) for each in _parts(tensor_at(value, (key,)), (*path, key))]


def _keys(value: Any) -> list[Key]:
    if isinstance(value, Mapping):
        return [key for key in value if isinstance(key, str | int)]
    if isinstance(value, tuple | list):
        return list(getattr(value, "_fields", range(len(value))))
    return [each.name for each in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
