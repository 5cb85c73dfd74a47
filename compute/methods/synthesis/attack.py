"""Fooling images: x' near x that the network takes for another class.

    x <- P(x + alpha * u(gradient)),  until the saved picture fools,

with P the projection to the ball of radius epsilon about the original and to [0, 1], and u the steepest
direction of the ball's norm: the sign (L-infinity) or the gradient divided by its L2 norm (L2). FGSM is the
one step with alpha = epsilon; the lecture's step has no ball. References: Szegedy et al. 2014; Goodfellow et
al. 2015 (FGSM); Madry et al. 2018 (PGD); CS231n (normalised step).
"""

import math
from collections.abc import Generator as Producer
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator

from compute.images.saved_image import LEVELS, result_pictures
from compute.methods.base import IMAGE, TARGET, Inputs, Method, Step
from compute.methods.optimize.loop import Rule, array, climb, normalized, signed, slope
from compute.methods.optimize.norm_balls import L2Ball, LInfBall, WholeRange
from compute.methods.requirements import no_score_gradient_because
from compute.methods.synthesis.ascent import LECTURE_VALUES
from compute.methods.synthesis.attack_goal import AttackGoal, Certificate
from compute.models.model import Model
from compute.runtime.parameters import parameter

PGD_LINF, PGD_L2, FGSM, GRADIENT = "pgd-linf", "pgd-l2", "fgsm", "gradient"
TRAVEL = 2.5
LECTURE_STEP, LECTURE_PATIENCE = 1.0, 10
RAISE, LARGEST = 1.5, 64.0
BISECTIONS, TOLERANCE = 8, 0.05

Search = Producer[Step, None, Certificate]


def standing(certificate: Certificate) -> tuple[bool, float]:
    """Return what makes one certified picture better than another: whether it fools, and its margin."""
    return certificate.fooled, certificate.margin


@dataclass(frozen=True)
class Attack(Method):
    """Inputs: an image of the network's input size, and the class it shall be taken for; without one, any
    class but the predicted one will do.

    The result is the picture as decoded from its PNG file, and every number is about exactly that. numbers:
    `success`; `note`, in words; `predicted_before`, `predicted`, `target`; `probability` of the target
    (untargeted: of all but the original class) and `margin`, the logit difference to the best other class;
    of independent labels `labels_before` and `labels`, those above 0.5, and `margin`, the label's log-odds;
    `linf` (share of the range) and `linf_255`, `l2`; `steps` taken in all; `epsilon` and `epsilon_255` used,
    `epsilon_raised`; `survival` under JPEG, resizing and blur; `minimum_epsilon` and `minimum_epsilon_255`,
    where asked for: this attack's smallest success. The picture "difference" is the mean change of each
    pixel's channels, from -linf to linf.
    """

    name: ClassVar[str] = "fool"
    title: ClassVar[str] = "Fooling image"
    theory: ClassVar[str] = (
        "Follows the gradient of a class's score in the image, keeping every pixel near what it was. A "
        "change too small to see makes the network see another class: it counts only once the saved 8-bit "
        "picture does so."
    )
    reference: ClassVar[str] = "Szegedy et al. 2014; Goodfellow et al. 2015 (FGSM); Madry et al. 2018 (PGD)"
    output: ClassVar[str] = "image"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({TARGET})
    version: ClassVar[int] = 2
    without_target: ClassVar[str] = "any but the predicted one"

    attack: str = parameter(
        PGD_LINF,
        "projected gradient descent in a ball (L-infinity or L2), its single-step form, or the lecture's "
        "normalised gradient step without a ball",
        choices=(PGD_LINF, PGD_L2, FGSM, GRADIENT),
        source="Madry et al. 2018",
    )
    epsilon: float = parameter(
        8.0,
        "radius of the ball: the largest change of a value (pgd-l2: the root mean square change); from 1 on "
        "in 1/255, below 1 as a share of the range (8 and 0.03137 are the same)",
        unit="1/255",
        low=0.001,
        high=255.0,
        source="Madry et al. 2018",
    )
    raise_epsilon: bool = parameter(
        True,
        f"where epsilon fails, try again with half as much more, up to {LARGEST:g}/255, and say so",
        source="chosen here",
    )
    iterations: int = parameter(
        40,
        "steps at each epsilon, of 2.5 epsilon / iterations each; it ends as soon as it may (gradient: up "
        "to ten times as many, since it has no ball)",
        low=1,
        high=1000,
        source="Madry et al. 2018",
    )
    confidence: float = parameter(
        0.9,
        "go on until the saved picture has the target with this probability",
        special={0: "until the network is fooled"},
        low=0.0,
        high=1.0,
        source="chosen here; the lecture stops at 0",
    )
    random_start: bool = parameter(
        False, "pgd: start from a random picture of the ball", source="Madry et al. 2018"
    )
    minimum: bool = parameter(
        False, "also look for the smallest epsilon that succeeds, by bisection", source="Foolbox"
    )
    seed: int = parameter(0, "of the random start", low=0, high=2**31 - 1, source="chosen here")

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_score_gradient_because(model)

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        """The lecture's step has no ball, and FGSM's one step starts at the picture."""
        ball, walk = self.attack != GRADIENT, self.attack in (PGD_LINF, PGD_L2)
        lost = {"minimum": self.minimum and not ball, "random_start": self.random_start and not walk}
        return tuple(name for name, is_lost in lost.items() if is_lost)

    @property
    def requested(self) -> float:
        """Epsilon in 1/255."""
        return self.epsilon if self.epsilon >= 1 else self.epsilon * LEVELS

    @property
    def radii(self) -> tuple[float, ...]:
        """Every epsilon that may be tried, in 1/255."""
        radii = [self.requested]
        while self.raise_epsilon and self.attack != GRADIENT and radii[-1] < LARGEST:
            radii.append(min(LARGEST, math.ceil(radii[-1] * RAISE)))
        return tuple(radii)

    @property
    def tries(self) -> int:
        """Steps at one epsilon."""
        return {FGSM: 1, GRADIENT: LECTURE_PATIENCE * self.iterations}.get(self.attack, self.iterations)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        goal = AttackGoal.of(model, inputs.image, inputs.target)
        count = Count(self.tries * (len(self.radii) + BISECTIONS * self.minimum) + 1)
        untouched, failed = goal.certify(goal.image), 0.0
        best = untouched
        for radius in self.radii:
            found = yield from self.attempt(untouched, radius, self.confidence, count)
            best = max(best, found, key=standing)
            if best.fooled:
                break
            failed = radius
        taken, smallest = count.index, dict[str, float]()
        if self.minimum and best.fooled and self.attack != GRADIENT:
            smallest = yield from self.smallest(untouched, failed, self.size(best), count)
        numbers = self.numbers(untouched, best, radius) | {"steps": taken} | smallest
        count.index += 1
        data = array(best.image)
        yield Step(
            count.index,
            count.total,
            "image",
            data,
            best.margin,
            numbers,
            result_pictures(model.preprocessing, data) | {"difference": best.signed_difference()},
        )

    def attempt(self, untouched: Certificate, radius: float, confidence: float, count: "Count") -> Search:
        """Find the best certified picture within `radius` (in 1/255), and yield the steps towards it.

        It is the first that is confident, or else the one of the largest margin.
        """
        goal, best = untouched.goal, untouched
        if best.fooled:
            return best
        picture, rule = self.ball(goal, radius)
        objective = goal.class_score() if self.attack == GRADIENT else goal.log_odds()
        uphill = slope(lambda images: goal.model.score(images, objective))
        for _ in climb(picture, uphill, rule, self.tries):
            found = goal.certify(picture.saved()[0])
            best = max(best, found, key=standing)
            count.index += 1
            yield Step(count.index, count.total, "image", array(found.image), found.margin)
            if found.fooled and found.probability >= confidence:
                return found
        return best

    def ball(self, goal: AttackGoal, radius: float) -> tuple[LInfBall | L2Ball | WholeRange, Rule]:
        """Return the ball of `radius` (in 1/255) about the original, and the rule of a step in it."""
        start, preprocessing = goal.image[None].to(goal.model.device), goal.model.preprocessing
        if self.attack == GRADIENT:
            step = LECTURE_STEP * math.sqrt(start.numel() / LECTURE_VALUES)
            return WholeRange(start, preprocessing.mean, preprocessing.std), normalized(step)
        if self.attack == PGD_L2:
            picture: LInfBall | L2Ball = L2Ball(start, radius / LEVELS * math.sqrt(start.numel()))
        else:
            picture = LInfBall(start, radius / LEVELS)
        if self.random_start and self.attack != FGSM:
            noise = 2 * torch.rand(start.shape, generator=Generator().manual_seed(self.seed)) - 1
            picture.variable = picture.variable + radius / LEVELS * noise.to(start.device)
            picture.constrain()
        rate = picture.radius * min(1.0, TRAVEL / self.tries)
        return picture, normalized(rate) if self.attack == PGD_L2 else signed(rate)

    def smallest(
        self, untouched: Certificate, low: float, high: float, count: "Count"
    ) -> "Producer[Step, None, dict[str, float]]":
        """Search for the smallest epsilon that succeeds, by bisection.

        low, high: an epsilon that fails and one that succeeds, in 1/255
        For L-infinity it goes down to whole 1/255, for L2 to 5 %.
        """
        whole = self.attack != PGD_L2
        for _ in range(BISECTIONS):
            if high - low <= (1 if whole else TOLERANCE * high):
                break
            middle = float((low + high) // 2) if whole else (low + high) / 2
            found = yield from self.attempt(untouched, middle, 0.0, count)
            low, high = (low, min(middle, self.size(found))) if found.fooled else (middle, high)
        return {"minimum_epsilon": high / LEVELS, "minimum_epsilon_255": high}

    def size(self, certificate: Certificate) -> float:
        """A picture's own epsilon, in 1/255: in the smallest ball that holds it."""
        return certificate.rms * LEVELS if self.attack == PGD_L2 else float(certificate.linf)

    def numbers(self, untouched: Certificate, best: Certificate, radius: float) -> dict[str, Any]:
        goal, ball = best.goal, self.attack != GRADIENT
        labels = {"labels_before": untouched.labels, "labels": best.labels}
        return {
            "success": best.fooled,
            "note": self.note(untouched, best, radius),
            "attack": self.attack,
            "predicted_before": untouched.predicted_name,
            "predicted": best.predicted_name,
            "predicted_probability": best.predicted_probability,
            "target": None if goal.target is None else goal.model.classes[goal.target],
            **(labels if goal.output.independent else {}),
            "probability_before": untouched.probability,
            "probability": best.probability,
            "margin": best.margin,
            "linf": best.linf / LEVELS,
            "linf_255": best.linf,
            "l2": best.l2,
            "epsilon": radius / LEVELS if ball else None,
            "epsilon_255": radius if ball else None,
            "epsilon_raised": radius > self.requested,
            "survival": goal.survival(best.image),
        }

    def note(self, untouched: Certificate, best: Certificate, radius: float) -> str:
        """What came out, in words."""
        where = "without a limit" if self.attack == GRADIENT else f"at epsilon = {radius:g}/255"
        raised = f", raised from {self.requested:g}/255, which failed" if radius > self.requested else ""
        if not best.fooled:
            tried = f"at every epsilon from {self.requested:g}/255 to {radius:g}/255" if raised else where
            return f"failed {tried}: the best saved picture {best.said}"
        if untouched.fooled and best.linf == 0:
            return f"nothing to do: the picture {best.said} as it is"
        return f"fooled {where}{raised}: the saved picture {best.said}"


@dataclass
class Count:
    """How many steps there have been, and how many there can be at most."""

    total: int
    index: int = 0
