"""Which class a method explains, and what the network says of it."""

from dataclasses import dataclass

import torch

from compute.models.model import Model


@dataclass(frozen=True)
class Explained:
    """index: of the class. logit: its score before any softmax or sigmoid (`Model.class_score`). probability:
    after it. chosen: by the caller, not the network."""

    index: int
    name: str
    logit: float
    probability: float
    chosen: bool

    def numbers(self) -> dict:
        """Return what every method that explains a class reports of it."""
        return {
            "class": self.name,
            "class_chosen_by": "you" if self.chosen else "the network",
            "logit": self.logit,
            "probability": self.probability,
        }


def explained_class(model: Model, image: torch.Tensor, target: int | None) -> Explained:
    """Class `target` of an image (C, H, W) in [0, 1]; without a target, the class that the network
    predicts."""
    with torch.inference_mode():
        logits = model.logits(image[None])[0].float().cpu()
    index = int(model.output.winning(logits)) if target is None else target
    probability = float(model.output.probabilities(logits)[index])
    score = float(model.output.score(logits, index))
    return Explained(index, model.classes[index], score, probability, target is not None)
