"""A live method with all that it is run on: its steps followed to the result, and the report of that."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

from compute.methods.base import CHANNEL, NEURON, Inputs, Method, Step
from compute.methods.recipe import result_recipe
from compute.methods.synthesis.ascent import LOGIT
from compute.models.model import Model
from compute.reports.base import originals_of
from compute.reports.drawing.report import Report
from compute.reports.live.result import (
    references,
    result_report,
    strongest_activation,
    strongest_logit,
)
from compute.runtime.progress import Progress
from featurestore.reader import Run


@dataclass(frozen=True)
class MethodCall:
    """A method, the network, and what both are given; made by `of`.

    inputs: as the method checked them.
    named: how the recipe says them: image and second as SHA-256 of their files, the target's name, layer,
        channel, y, x, whole.
    run: whose images the result is held against, and led by where the method wants that; None for none.
    """

    method: Method
    model: Model
    inputs: Inputs
    named: Mapping[str, Any]
    run: Run | None = None

    @classmethod
    def of(
        cls, method: Method, model: Model, inputs: Inputs, named: Mapping[str, Any], run: Run | None = None
    ) -> Self:
        """Return the call; ValueError that says what is missing or wrong."""
        led = _with_references(method, model, inputs, run)
        return cls(method, model, method.checked(model, led), named, run)

    @property
    def unused(self) -> tuple[str, ...]:
        """The inputs and parameters that were given and that the result does not depend on."""
        return self.method.unused(self.inputs)

    def steps(self) -> Generator[Step, None, None]:
        """Yield the method's steps; where nobody asks for further ones, `close` lets go of what it holds."""
        yield from self.method.steps(self.model, self.inputs)

    def result(self, progress: Progress) -> Step:
        """Return the last step; how far it is `progress` says, once there is a first one."""
        steps = self.steps()
        first = step = next(steps)
        with progress.stage(self.method.name, first.total, "steps") as stage:
            for step in chain([first], steps):
                stage.total = step.total
                stage.advance(step.index - stage.done)
        return self.finished(step)

    def finished(self, step: Step) -> Step:
        """Return the last step with what it reached beside the best of the run's images."""
        return replace(step, numbers={**step.numbers, **self._natural(step)})

    def report(self, step: Step, picture: str | None = None) -> Report:
        """Report on the result, or on this one of its further pictures."""
        model, method = self.model, self.method
        run = None if self.run is None else self.run.fingerprint
        recipe = result_recipe(method, model.name, model.weights_hash, self.named, run)
        said = {"method": method.name, "model": model.name, "parameters": method.to_dict()}
        return result_report(step, recipe, {**said, "score": step.score, **step.numbers}, picture)

    def _natural(self, step: Step) -> dict[str, float]:
        """What ascent reached beside the best of the run's images, where there are any to compare with."""
        if self.run is None or step.numbers.get("objective") not in (LOGIT, CHANNEL, NEURON):
            return {}
        if step.numbers["objective"] == LOGIT:
            reached, best = "activation", strongest_logit(self.run, self.model.classes[self.inputs.target])
        else:
            reached = "maximum"
            best = strongest_activation(self.run, self.inputs.layer, self.inputs.channel)
        if not best or best < 0:
            return {}
        return {"best_natural": best, "times_best_natural": step.numbers[reached] / best}


def _with_references(method: Method, model: Model, inputs: Inputs, run: Run | None) -> Inputs:
    """The inputs with the run's images that answer most, where the method wants them."""
    if not method.wants_references or run is None:
        return inputs
    named = replace(inputs, **dict.fromkeys(method.unused(inputs)))
    if named.channel is None and named.target is None:
        return inputs
    target = None if named.target is None else model.classes[named.target]
    asked = target, named.layer, named.channel
    return replace(inputs, references=references(run, model, *asked, originals_of(run)))
