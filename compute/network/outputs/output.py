"""Where class scores are in what a network returns, and what is made of them: one place for every softmax,
sigmoid and winning class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from compute.network.outputs.meanings import LOG_PROBABILITIES, LOGITS, NONE, PROBABILITIES, SIGMOID

BESIDE_ZERO = (1, 0)
"""Pads a single score with a 0 before it."""

Key = str | int


@dataclass(frozen=True)
class Output:
    """Where the class scores are in what a network returns, and what they mean.

    path: keys from the outside in; () where it returns one tensor. count: of scores an image; 0 where there
    are none. meaning: one of MEANINGS. reshaped: whether the tensor has another shape than (N, count).
    sought: whether `meaning` was found by the values, not told. raw_logits: whether the network returns
    logits of independent labels, and leaves the sigmoid to others. doubtful: whether all scores that were
    tried lie in [0, 1], though nothing shows that they are probabilities.
    """

    path: tuple[Key, ...] = ()
    count: int = 0
    meaning: str = LOGITS
    reshaped: bool = False
    sought: bool = True
    raw_logits: bool = False
    doubtful: bool = False

    @property
    def classes(self) -> int:
        """How many classes the scores are of: a single score is for the second of two."""
        return 2 if self.count == 1 else self.count

    @property
    def independent(self) -> bool:
        """Whether each class has a probability of its own, whatever the others'."""
        return self.meaning == SIGMOID and self.count > 1

    @property
    def is_plain(self) -> bool:
        """Whether the network returns (N, classes) logits and nothing else."""
        return self.meaning == LOGITS and not self.path and not self.reshaped and self.count > 1

    @property
    def applied(self) -> str:
        """What the returned numbers themselves are."""
        return LOGITS if self.raw_logits else self.meaning

    def raw(self, returned: Any) -> torch.Tensor:
        """(N, count), as the network gives them; without class scores, the first tensor of floats."""
        tensor = tensor_at(returned, self.path)
        return tensor.reshape(-1, self.count) if self.reshaped else tensor

    def logits(self, raw: torch.Tensor) -> torch.Tensor:
        """(N, classes) scores from (N, count) raw ones, where nothing better is known than these."""
        return self.completed(undone(raw, self.applied))

    def completed(self, scores: torch.Tensor) -> torch.Tensor:
        """(N, classes): beside a single score z, 0 for the other class, so that softmax gives sigmoid(z)."""
        return F.pad(scores, BESIDE_ZERO) if self.count == 1 else scores

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """(…, classes) of (…, classes) scores: they add up to 1, or are each label's own."""
        return logits.sigmoid() if self.independent else logits.softmax(-1)

    def winning(self, logits: torch.Tensor) -> torch.Tensor:
        """(…) index of the class of the greatest score, the first among equal ones; of independent labels,
        the most probable one."""
        return logits.argmax(-1)

    def ranked(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities and indices (…, classes), the most probable class first."""
        probabilities = self.probabilities(logits)
        if not self.independent:
            return probabilities.sort(dim=-1, descending=True, stable=True)
        # Sigmoids of large logits are all 1.
        order = logits.sort(dim=-1, descending=True, stable=True).indices
        return probabilities.gather(-1, order), order

    def score(self, logits: torch.Tensor, index: int) -> torch.Tensor:
        """(…) what is explained of a class: its logit; of two classes with a single score, how far it is
        above the other's, which is what the network gives for the second and minus that for the first."""
        return logits[..., index] - logits[..., 1 - index] if self.count == 1 else logits[..., index]

    @property
    def sentence(self) -> str:
        """What the scores mean, for people."""
        single = self.count == 1
        said = {
            LOGITS: "one logit, of the second of two classes: its probability is the sigmoid"
            if single
            else "logits: the probabilities are their softmax",
            PROBABILITIES: "probabilities, of a softmax in the network",
            LOG_PROBABILITIES: "log-probabilities, of a log-softmax in the network",
            SIGMOID: "one probability, of the second of two classes"
            if single
            else "independent labels: each has a probability of its own, the sigmoid of its score",
            NONE: "none: the network gives no class scores",
        }[self.meaning]
        where = ".".join(map(str, self.path))
        return f"{said} (output {where} of what the network returns)" if where else said


def undone(raw: torch.Tensor, meaning: str) -> torch.Tensor:
    """Scores whose softmax or sigmoid the raw ones are: their logarithm, or log-odds."""
    if meaning == PROBABILITIES:
        return raw.clamp_min(torch.finfo(raw.dtype).tiny).log()
    if meaning == SIGMOID:
        return raw.logit(torch.finfo(raw.dtype).eps)
    return raw


def tensor_at(value: Any, path: tuple[Key, ...]) -> Any:
    for key in path:
        by_name = isinstance(key, str) and not isinstance(value, Mapping)
        value = getattr(value, key) if by_name else value[key]
    return value
