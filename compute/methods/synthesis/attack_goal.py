"""What it means that a picture fools a network, and how that is certified."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.images.pictures import colored_signed
from compute.images.saved_image import LEVELS, altered, eight_bit, through_file
from compute.methods.requirements import check_input_size
from compute.models.model import Model
from compute.models.objectives import Activations, Objective
from compute.network.outputs import ABOVE, Output
from compute.network.traced import LOGITS


@dataclass(frozen=True)
class AttackGoal:
    """image: (C, H, W), values k/255, on the CPU. original: what the network predicts of it. target: the
    class it shall predict instead, or None for any other class (untargeted).

    Of independent labels, one that isn't given to the image shall be (its probability above 0.5), or the most
    probable one shall not be any more (below 0.5), whatever becomes of the others."""

    model: Model
    image: Tensor
    original: int
    target: int | None

    @classmethod
    def of(cls, model: Model, image: Tensor, target: int | None) -> "AttackGoal":
        """Raises ValueError if `image` hasn't the network's input size: only such pictures are seen as they
        are."""
        check_input_size("fool", model, image)
        image = eight_bit(image.cpu())
        with torch.inference_mode():
            return cls(model, image, int(model.output.winning(model.logits(image[None])[0])), target)

    @property
    def focus(self) -> int:
        """The class whose score is pushed: up if it is the target, down if it is the original one."""
        return self.original if self.target is None else self.target

    @property
    def focus_name(self) -> str:
        return self.model.classes[self.focus]

    @property
    def output(self) -> Output:
        return self.model.output

    @property
    def sign(self) -> float:
        return -1.0 if self.target is None else 1.0

    def log_odds(self) -> Objective:
        """±log(p / (1 - p)) of the class in focus. Its gradient is that of log p, the cross-entropy, divided
        by 1 - p: of the same direction, but it doesn't vanish where p is 1."""

        def score(activations: Activations) -> Tensor:
            return self.sign * self._odds(activations[LOGITS])

        return Objective(frozenset({LOGITS}), score, f"log-odds {self.focus}")

    def class_score(self) -> Objective:
        """The lecture's: the score of the class in focus, before the softmax."""
        return self.sign * self.model.class_score(self.focus)

    def _odds(self, logits: Tensor) -> Tensor:
        """(N,) log(p / (1 - p)) of the class in focus; of an independent label, its logit."""
        if self.output.independent:
            return logits[:, self.focus]
        return logits[:, self.focus] - _without(logits, self.focus).logsumexp(1)

    def certify(self, image: Tensor) -> "Certificate":
        """What the network makes of `image` (C, H, W) once it is saved as a PNG file and read again."""
        seen = through_file(self.model.preprocessing, image)
        with torch.inference_mode():
            return Certificate(self, seen, self.model.logits(seen[None])[0].float().cpu())

    def survival(self, image: Tensor) -> dict[str, dict[str, Any]]:
        """For each alteration of the saved picture: whether it still fools, and what is predicted.

        `probability` is that of `Certificate.probability`, `predicted_probability` that of what is predicted.
        """
        seen = altered(self.model.preprocessing, image)
        with torch.inference_mode():
            logits = self.model.logits(torch.stack(list(seen.values()))).float().cpu()
        certificates = (Certificate(self, each, row) for each, row in zip(seen.values(), logits, strict=True))
        return {
            name: {
                "fooled": each.fooled,
                "predicted": each.predicted_name,
                "predicted_probability": each.predicted_probability,
                "probability": each.probability,
            }
            for name, each in zip(seen, certificates, strict=True)
        }


@dataclass(frozen=True)
class Certificate:
    """What the network says of a saved picture.

    goal: what was wanted
    image: (C, H, W), as decoded from the saved picture
    logits: (classes,), the network's for exactly these pixels
    """

    goal: AttackGoal
    image: Tensor
    logits: Tensor

    @property
    def predicted(self) -> int:
        return int(self.goal.output.winning(self.logits))

    @property
    def predicted_name(self) -> str:
        return self.goal.model.classes[self.predicted]

    @property
    def predicted_probability(self) -> float:
        """Of the class that is predicted."""
        return float(self.goal.output.probabilities(self.logits)[self.predicted])

    @property
    def labels(self) -> list[str]:
        """The labels that the picture is given: those of probability above 0.5."""
        given = (self.goal.output.probabilities(self.logits) > ABOVE).nonzero().reshape(-1)
        return [self.goal.model.classes[index] for index in given.tolist()]

    @property
    def fooled(self) -> bool:
        if self.goal.output.independent:
            return self.probability > ABOVE
        if self.goal.target is None:
            return self.predicted != self.goal.original
        return self.predicted == self.goal.target

    @property
    def in_focus(self) -> float:
        """The probability of the class in focus."""
        return float(self.goal.output.probabilities(self.logits)[self.goal.focus])

    @property
    def probability(self) -> float:
        """Of the target; untargeted, of all classes but the original one (of labels: that it is not
        given)."""
        return self.in_focus if self.goal.target is not None else 1 - self.in_focus

    @property
    def said(self) -> str:
        """What the network makes of the picture, in words."""
        if self.goal.output.independent:
            return f"has {self.goal.focus_name} with a probability of {self.in_focus:.3g}"
        return f"is taken for {self.predicted_name}"

    @property
    def margin(self) -> float:
        """How far the class in focus is above (untargeted: below) the best other one, in logits; a label:
        above (below) a probability of 0.5, in log-odds."""
        focus = self.goal.focus
        if self.goal.output.independent:
            return self.goal.sign * float(self.logits[focus])
        return self.goal.sign * float(self.logits[focus] - _without(self.logits[None], focus).max())

    @property
    def difference(self) -> Tensor:
        """(C, H, W): picture minus original."""
        return self.image - self.goal.image

    @property
    def linf(self) -> int:
        """The largest change of a value, in 1/255."""
        return round(float(self.difference.abs().max()) * LEVELS)

    @property
    def l2(self) -> float:
        return float(self.difference.double().norm())

    @property
    def rms(self) -> float:
        """Root of the mean square change of a value, as a share of the range."""
        return self.l2 / self.difference.numel() ** 0.5

    def signed_difference(self) -> np.ndarray:
        """(H, W, 3) in [0, 1]: the mean change of a pixel's channels, in diverging colors from -linf to linf.

        The warm end is a pixel that became brighter by all of it, the cold end a darker one.
        """
        change = self.difference.mean(dim=0).numpy()
        return colored_signed(change * LEVELS / max(1, self.linf))


def _without(logits: Tensor, index: int) -> Tensor:
    """(N, classes - 1): all columns but one."""
    return torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
