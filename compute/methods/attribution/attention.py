"""Attention: which patches a transformer's tokens look at, in one block or through all of them.

    rollout:    R <- (A + I) / 2 R    A = mean over heads of a block's weights       (Abnar & Zuidema 2020)
    relevance:  R <- R + A' R         A' = mean over heads of max(0, dS/dA * A)      (Chefer et al. 2021)

from the first block to the last, with R = I before it; rows of A and R are tokens that look, columns those
that are looked at. S is the pre-softmax score of the explained class. The map is the mean of the rows of
those tokens that the scores are made of: the class token's, where there is one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from compute.images.pictures import overlay
from compute.methods.attribution.explained_class import Explained, explained_class
from compute.methods.base import IMAGE, TARGET, Inputs, Method, Step
from compute.methods.requirements import check_input_size, no_score_gradient_because
from compute.models.model import Model
from compute.network.layers.attention_weights import AttentionWeights, attention_weights
from compute.network.layers.grids import as_map
from compute.runtime.parameters import parameter

MAP, ROLLOUT, RELEVANCE = "map", "rollout", "relevance"
LAST, ALL_HEADS = -1, -1

_known: "WeakKeyDictionary[Model, AttentionWeights | str]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Attention(Method):
    """Inputs: an image of the network's input size; for relevance, a class."""

    name: ClassVar[str] = "attention"
    title: ClassVar[str] = "Attention"
    theory: ClassVar[str] = (
        "In a transformer every token is made of those that it looks at. The map shows how much of what the "
        "network reads in the end comes from each patch: in one block, or followed through all blocks, or "
        "weighted by what it does for a class."
    )
    reference: ClassVar[str] = (
        "Abnar & Zuidema 2020, arXiv:2005.00928; Chefer, Gur, Wolf 2021, arXiv:2103.15679"
    )
    output: ClassVar[str] = "heatmap"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({TARGET})

    variant: str = parameter(
        ROLLOUT,
        "one block's attention; all blocks' multiplied; or all blocks' weighted by the class's gradient",
        choices=(MAP, ROLLOUT, RELEVANCE),
        source="Abnar & Zuidema 2020; Chefer 2021",
    )
    block: int = parameter(
        LAST,
        "whose attention is shown, from 0 (map)",
        low=-1,
        high=1000,
        source="chosen here",
        special={LAST: "the last"},
    )
    head: int = parameter(
        ALL_HEADS,
        "whose attention is shown, from 0 (map)",
        low=-1,
        high=1000,
        source="chosen here",
        special={ALL_HEADS: "the mean of all"},
    )

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        found = known_attention(model)
        return found if isinstance(found, str) else None

    @property
    def unit(self) -> str:
        return "logits" if self.variant == RELEVANCE else "share of the attention"

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        given = ("target",) if inputs.target is not None and self.variant != RELEVANCE else ()
        chosen = {"block": self.block != LAST, "head": self.head != ALL_HEADS}
        return given + tuple(name for name in chosen if chosen[name] and self.variant != MAP)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        """One step: data (H, W), at least 0; numbers: what else is looked at, and the shape of it all."""
        check_input_size(self.name, model, inputs.image)
        attended = known_attention(model)
        if isinstance(attended, str):
            raise ValueError(f"{self.name} is not available for {model.name}: {attended}")
        explained = explained_class(model, inputs.image, inputs.target) if model.classes else None
        score = _score(model, explained) if self.variant == RELEVANCE else None
        weights, gradients = attended.of(model.normalize(inputs.image[None]), score)
        looked_at = self._looked_at(weights, gradients)[list(attended.read)].mean(0)
        coarse = as_map(looked_at.view(1, -1, 1), attended.grid.how)
        size = inputs.image.shape[1:]
        data = F.interpolate(coarse, size, mode="bilinear", align_corners=False)[0, 0].numpy()
        total = float(looked_at.sum())
        numbers = {} if explained is None else explained.numbers()
        numbers |= {
            "variant": self.variant,
            "blocks": len(weights),
            "heads": weights[-1].shape[0],
            "patches": [attended.grid.rows, attended.grid.columns],
            "share_of_other_tokens": 1 - float(coarse.sum()) / total if total else 0.0,
        }
        pictures = {"overlay": overlay(model.preprocessing.shown(inputs.image), data)}
        yield Step(1, 1, self.output, data, None if explained is None else explained.logit, numbers, pictures)

    def _looked_at(self, weights: list[Tensor], gradients: list[Tensor]) -> Tensor:
        """(tokens, tokens): how much each token looks at each."""
        if self.variant == ROLLOUT:
            return rollout(weights)
        if self.variant == RELEVANCE:
            return relevance(weights, gradients)
        heads = _entry("block", weights, self.block)
        return heads.mean(0) if self.head == ALL_HEADS else _entry("head", list(heads), self.head)


def _score(model: Model, explained: Explained | None) -> Callable[[Tensor], Tensor]:
    """What relevance follows: the class's score, out of all scores (1, classes)."""
    reason = no_score_gradient_because(model)
    if explained is None or reason is not None:
        raise ValueError(f"{RELEVANCE} is not available for {model.name}: {reason}")
    return lambda scores: model.output.score(scores[0], explained.index)


def rollout(weights: list[Tensor]) -> Tensor:
    """(heads, tokens, tokens) of each block -> (tokens, tokens), rows add up to 1."""
    same = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
    rolled = same
    for each in weights:
        rolled = (each.mean(0) + same) / 2 @ rolled
    return rolled


def relevance(weights: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """(heads, tokens, tokens) of each block and the score's gradient of it -> (tokens, tokens), without each
    token's own at the start."""
    same = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype)
    relevant = same
    for each, gradient in zip(weights, gradients, strict=True):
        relevant = relevant + (gradient * each).clamp(min=0).mean(0) @ relevant
    return relevant - same


def known_attention(model: Model) -> AttentionWeights | str:
    """What is known of a model's attention, found once; a sentence where no map of it is defined."""
    if model not in _known:
        try:
            _known[model] = attention_weights(model.network)
        except (ValueError, RuntimeError) as error:
            _known[model] = str(error).partition("\n")[0]
    return _known[model]


def _entry(what: str, values: list[Tensor], index: int) -> Tensor:
    if index >= len(values):
        raise ValueError(f"{what} {index} is not one of the {len(values)} ({what} 0 to {len(values) - 1})")
    return values[index]
