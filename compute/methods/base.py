"""What every live method has in common: its parameters, the inputs it needs, and the steps it yields.

A method is a frozen dataclass. Its fields are its parameters, declared with `parameter`, and from these the
command line, the dashboard's controls, the links and the contract tests are made.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from compute.models.model import Model
from compute.models.naming import check_index
from compute.runtime.parameters import Parameters

IMAGE, SECOND, TARGET, LAYER, CHANNEL, NEURON = "image", "second", "target", "layer", "channel", "neuron"
REFERENCES = "references"


@dataclass(frozen=True)
class Inputs:
    """What a method is run on; a method's `needs` and `takes` say which of these it reads.

    image: (C, H, W) float32 in [0, 1]
    second: the guide or style image, (C, H, W) float32 in [0, 1]
    target: index of a class
    layer: name of a layer
    channel: index of a channel in the layer
    y, x: row and column of one unit of the channel's map; None means the whole channel
    references: natural images that what is made shall resemble, (N, C, H, W) float32 in [0, 1], each what the
        network sees of it; only of a method that wants them (`Method.wants_references`)
    """

    image: torch.Tensor | None = None
    second: torch.Tensor | None = None
    target: int | None = None
    layer: str | None = None
    channel: int | None = None
    y: int | None = None
    x: int | None = None
    references: torch.Tensor | None = None


@dataclass(frozen=True)
class Step:
    """One state of a running method; the last one is its result.

    index: grows from step to step, up to `total`
    total: how many steps there are at most; a method may end early
    kind: what `data` is: "image" (H, W, C) in [0, 1], "heatmap" (H, W) of any range, "gradient" (H, W, C) of
        any range about 0, or "mask" (H, W) in {0, 1}
    data: float32, in the image's own orientation, at the size of the network's input (of methods that take
        any size: at the size of their image)
    score: what the method follows (a loss, a logit), or None
    numbers: further results, ready for JSON
    pictures: further pictures by name, (H, W), (H, W, 3) or (H, W, 4) in [0, 1]; "result" is how the data
        itself is drawn, where its kind doesn't say so
    """

    index: int
    total: int
    kind: str
    data: np.ndarray
    score: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Method(Parameters):
    """Base of all methods. Subclasses set the class variables, declare parameters, and write `steps`.

    name: on the command line and in links
    title: for people
    theory: a sentence or two
    reference: the paper
    output: the kind of the result's data, see `Step`
    needs: the inputs it can't do without
    takes: the inputs it can use as well
    without_target: the class that is meant where none is given
    without_layer: the layer that is meant where none is given
    signed: whether 0 means something in a heatmap (then drawn with a diverging color map)
    any_size: whether images may have another size than the network's input
    most_pixels: of the picture that a method of any size works on; a larger one is refused
    version: raised where the same parameters and inputs make another result than before, so that one that
        was kept before is not shown as this
    """

    name: ClassVar[str]
    title: ClassVar[str]
    theory: ClassVar[str]
    reference: ClassVar[str]
    output: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    takes: ClassVar[frozenset[str]] = frozenset()
    without_target: ClassVar[str] = "the predicted class"
    without_layer: ClassVar[str] = "no layer"
    signed: ClassVar[bool] = False
    any_size: ClassVar[bool] = False
    most_pixels: ClassVar[int] = 0
    version: ClassVar[int] = 1

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        """Say why this method is not defined for `model`; None where it is."""
        return None

    @property
    def unit(self) -> str:
        """The unit of a heatmap's values, for its legend."""
        return ""

    @property
    def of_classes(self) -> bool:
        """Whether a heatmap's values are class indices."""
        return False

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        """Yield states, the result last. No hook, lock or autograd graph is held while it yields."""
        raise NotImplementedError(f"{type(self).__name__} has no steps")

    def run(self, model: Model, inputs: Inputs) -> Step:
        """Return the result alone."""
        (last,) = deque(self.steps(model, self.checked(model, inputs)), maxlen=1)
        return last

    def checked(self, model: Model, inputs: Inputs) -> Inputs:
        """Return `inputs` if they fit method and model; ValueError names what is missing or wrong."""
        for need in sorted(self.needs):
            if getattr(inputs, "layer" if need == NEURON else need) is None:
                raise ValueError(f"{self.name} needs {_SPOKEN[need]}")
        if (reason := self.unavailable_because(model)) is not None:
            raise ValueError(f"{self.name} is not available for {model.name}: {reason}")
        _check_ranges(model, inputs)
        return inputs

    @property
    def wants_references(self) -> bool:
        """Whether it is led by natural images: a store's that answer most to what is asked for."""
        return False

    def asks(self, inputs: Inputs) -> frozenset[str]:
        """Return which of `needs` and `takes` count, or would if they were given, beside these inputs."""
        return self.needs | self.takes

    def unused(self, inputs: Inputs) -> tuple[str, ...]:
        """Name the inputs and parameters that were given and that this result does not depend on."""
        return ()


_SPOKEN = {
    IMAGE: "an image (--image)",
    SECOND: "a second image (--second)",
    TARGET: "a class (--target)",
    LAYER: "a layer (--layer)",
    CHANNEL: "a channel (--channel)",
    NEURON: "a neuron (--layer, --channel and, for one unit, --y and --x)",
}


def _check_ranges(model: Model, inputs: Inputs) -> None:
    if inputs.target is not None and not 0 <= inputs.target < len(model.classes):
        raise ValueError(f"class {inputs.target} is not one of the {len(model.classes)} classes")
    if inputs.layer is None:
        return
    layer = model.layer(inputs.layer)
    for name, value, end in (
        ("channel", inputs.channel, layer.channels),
        ("y", inputs.y, layer.height),
        ("x", inputs.x, layer.width),
    ):
        check_index(name, value, layer.name, end)
    if (inputs.y is None) != (inputs.x is None):
        raise ValueError("a neuron has both y and x; give both, or neither for the whole channel")
